"""Finds this machine's CPython interpreters and makes conda packages ``python`` of them.

Any interpreter will do: pyenv's, uv's, the distribution's.  One per minor version is taken, a
self-contained one before the distribution's.  glibc cannot be taken along, so what is built here
runs on hosts with the same glibc or a newer one.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import cache, paths
from lab.errors import LabError

NAME = "interpreters"

OLDEST = (3, 8)
"""The tutorials' ``python=3.8`` is the oldest Python that anything here asks for."""

NEWEST = (3, 14)

_PROBE = """
import json, sys, sysconfig
v = sys.version_info
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": list(v[:3]),
    "final": v[3] == "final",
    "identity": sys.version,
    "variant": [bool(sysconfig.get_config_var(n)) for n in ("Py_DEBUG", "Py_GIL_DISABLED")],
    "base": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib", vars={"base": sys.base_prefix,
        "installed_base": sys.base_prefix}),
    "include": sysconfig.get_config_var("INCLUDEPY"),
    "built_for": sysconfig.get_config_var("prefix"),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """One usable CPython of this machine.

    Attributes:
        executable: the real file.
        version: for instance ``"3.11.7"``.
        identity: ``sys.version``, with the compiler and the build date.
        base: its prefix.
        stdlib: its standard library.
        include: its C headers (may not exist).
        built_for: the prefix that its configuration files name.
    """

    executable: Path
    version: str
    identity: str
    base: Path
    stdlib: Path
    include: Path
    built_for: str

    @property
    def minor(self) -> str:
        """Return for instance ``"3.11"``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def is_self_contained(self) -> bool:
        """Say whether it has a prefix of its own, not shared with the distribution."""
        return self.base not in (Path("/usr"), Path("/"))

    @property
    def key(self) -> str:
        """Return the content key of the package made of it."""
        sources = cache.source_files("interpreters.py", "python_package.py", "packages.py")
        return cache.content_key(*sources, self.version, self.identity, glibc())

    @property
    def package_folder(self) -> Path:
        """Return where the package made of it is published."""
        return paths.packages_dir() / f"python-{self.version}-{self.key}"


def glibc() -> str:
    """Return this machine's version of glibc, the oldest that its binaries are sure to run on."""
    library, version = platform.libc_ver()
    if library != "glibc":
        raise LabError("the lab's conda packages are made on a machine with glibc only")
    return version


@functools.cache
def discover() -> tuple[Interpreter, ...]:
    """Return the interpreters to package, one per minor version, the oldest first.

    Raises:
        LabError: the machine is not linux-64, or there is no Python >= 3.11 among them (conda
            24.7.1's own dependencies need one).
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise LabError("the lab's conda packages are made for Linux on x86_64 only")
    with ThreadPoolExecutor(max_workers=2) as pool:
        probed = list(pool.map(_probe, sorted(_candidates())))
    chosen: dict[str, Interpreter] = {}
    for found in probed:
        if found is None:
            continue
        rival = chosen.get(found.minor)
        if rival is None or _rank(found) > _rank(rival):
            chosen[found.minor] = found
    interpreters = tuple(sorted(chosen.values(), key=lambda one: version_tuple(one.version)))
    if not any(version_tuple(one.version) >= (3, 11) for one in interpreters):
        raise LabError(
            "no Python >= 3.11 with its standard library found: install the Debian packages "
            "'python3' and 'python3-venv', or use pyenv or uv"
        )
    return interpreters


def version_tuple(version: str) -> tuple[int, ...]:
    """Return ``(3, 11, 7)`` for ``"3.11.7"``."""
    return tuple(int(part) for part in version.split("."))


def _rank(one: Interpreter) -> tuple[bool, tuple[int, ...], str]:
    return one.is_self_contained, version_tuple(one.version), str(one.executable)


def _candidates() -> set[Path]:
    """Return real paths of what may be an interpreter."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(
        os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv/python"
    )
    found = {Path(sys.executable)}
    for root in (pyenv / "versions", uv):
        found.update(root.glob("*/bin/python3"))
    name = re.compile(r"python3(\.\d+)?")
    for folder in os.get_exec_path():
        # pyenv's shims are shell scripts that start whatever is configured, not interpreters.
        if Path(folder).is_dir() and Path(folder) != pyenv / "shims":
            found.update(p for p in Path(folder).glob("python3*") if name.fullmatch(p.name))
    return {path.resolve() for path in found if os.access(path, os.X_OK)}


def _probe(executable: Path) -> Interpreter | None:
    """Ask one candidate what it is; None when it cannot be used."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [executable, "-I", "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=environment,
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError):
        return None
    version = tuple(facts["version"])
    usable = (
        facts["implementation"] == "cpython"
        and facts["final"]
        and not any(facts["variant"])
        and OLDEST <= version[:2] <= NEWEST
        and (Path(facts["stdlib"]) / "os.py").is_file()
    )
    if not usable:
        return None
    return Interpreter(
        executable=executable,
        version=".".join(str(part) for part in version),
        identity=facts["identity"],
        base=Path(facts["base"]),
        stdlib=Path(facts["stdlib"]),
        include=Path(facts["include"] or "/nonexistent"),
        built_for=facts["built_for"],
    )


def _stale(interpreters: Iterable[Interpreter]) -> list[Interpreter]:
    return [one for one in interpreters if cache.published_key(one.package_folder) != one.key]


def is_current() -> bool:
    """Say whether every interpreter of this machine has its package in the cache."""
    return not _stale(discover())


def build(progress: Callable[[str], None]) -> None:
    """Make the missing packages.

    Raises:
        LabError: no usable interpreter, or a tool is missing.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        for one in pool.map(_make, _stale(discover())):
            progress(f"python {one.version} packaged")


def _make(one: Interpreter) -> Interpreter:
    from lab import python_package

    with cache.publishing(one.package_folder, one.key) as target:
        python_package.make(one, target)
    return one
