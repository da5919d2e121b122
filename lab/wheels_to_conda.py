"""Turns one wheel into one conda package.

A pure wheel becomes a noarch Python package whose console scripts conda writes when it links it; a
binary wheel becomes a package of one Python minor version.  ``Requires-Dist`` becomes ``depends``,
its markers evaluated for that Python (PEP 508), and ``INSTALLER`` says ``conda``, so that pip and
the modules see who owns the files, as in conda-forge's builds.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from lab import cache, packages
from lab.errors import LabError

_DROPPED = ("pandas/tests/", "matplotlib/tests/", "mpl_toolkits/")
"""Test suites of half of their packages' size; of ``mpl_toolkits`` only its tests go."""

_SCRIPT = """#!{placeholder}/bin/python
import sys

from {module} import {attribute}

if __name__ == "__main__":
    sys.exit({call}())
"""


@dataclass(frozen=True)
class WheelContent:
    """A wheel read into parts.

    Attributes:
        metadata: its METADATA.
        dist_info: name of its dist-info folder.
        pure: whether it runs on any Python 3.
        console_scripts: name -> ``module:attribute``.
    """

    metadata: Message
    dist_info: str
    pure: bool
    console_scripts: Mapping[str, str]


def convert(
    wheel: Path, minor: str, names: Mapping[str, str], interpreter: Path | None, target: Path
) -> Path:
    """Write the conda package of a wheel into ``target`` and return its path.

    Args:
        wheel: the wheel.
        minor: Python minor version to evaluate markers for, and to pin a binary wheel to.
        names: canonical name (PEP 503) -> conda's name, of everything in the channel.
        interpreter: a Python of that minor version, to compile a binary package's modules.
        target: existing folder.

    Raises:
        LabError: the wheel needs something that is not in the channel.
    """
    stage = cache.new_temporary("wheel-")
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = _read(wheel, archive)
            site = "site-packages" if content.pure else f"lib/python{minor}/site-packages"
            scripts = "python-scripts" if content.pure else "bin"
            _unpack(archive, content, stage, site, scripts)
        if not content.pure:
            _write_scripts(content, stage)
        _write_record(content, stage, site)
        if interpreter is not None and not content.pure:
            packages.compile_modules(interpreter, stage / site, site, "checked-hash")
        return packages.pack(stage, _describe(content, minor, names), target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _read(wheel: Path, archive: zipfile.ZipFile) -> WheelContent:
    name, version, _, tags = parse_wheel_filename(wheel.name)
    del name, version
    dist_info = next(
        PurePosixPath(member).parts[0]
        for member in archive.namelist()
        if member.count("/") == 1 and member.endswith(".dist-info/METADATA")
    )
    metadata = Parser().parsestr(archive.read(f"{dist_info}/METADATA").decode())
    points = f"{dist_info}/entry_points.txt"
    scripts: dict[str, str] = {}
    if points in archive.namelist():
        scripts = _console_scripts(archive.read(points).decode())
    pure = all(tag.platform == "any" and tag.abi == "none" for tag in tags)
    return WheelContent(metadata, dist_info, pure, scripts)


def _console_scripts(entry_points: str) -> dict[str, str]:
    from configparser import ConfigParser

    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(entry_points)
    if not parser.has_section("console_scripts"):
        return {}
    return {name: value.split("[")[0].strip() for name, value in parser["console_scripts"].items()}


def _unpack(
    archive: zipfile.ZipFile, content: WheelContent, stage: Path, site: str, scripts: str
) -> None:
    """Put each member where its install scheme says (binary distribution format, ``.data``)."""
    data = content.dist_info.removesuffix(".dist-info") + ".data/"
    schemes = {
        "purelib": site,
        "platlib": site,
        "scripts": scripts,
        "data": ".",
        "headers": "include",
    }
    for member in archive.infolist():
        if member.is_dir() or _is_dropped(member.filename):
            continue
        if member.filename.startswith(data):
            scheme, _, rest = member.filename.removeprefix(data).partition("/")
            place = stage / schemes[scheme] / rest
        else:
            scheme, place = "purelib", stage / site / member.filename
        if not place.resolve().is_relative_to(stage.resolve()):
            raise LabError(f"{archive.filename}: {member.filename} leaves the package")
        body = archive.read(member)
        if scheme == "scripts" and body.startswith(b"#!python"):
            body = f"#!{packages.PLACEHOLDER}/bin/python".encode() + body.removeprefix(b"#!python")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
        executable = scheme == "scripts" or (member.external_attr >> 16) & 0o111
        place.chmod(0o755 if executable else 0o644)


def _is_dropped(name: str) -> bool:
    return name.startswith(_DROPPED) and "/tests/" in name


def _write_scripts(content: WheelContent, stage: Path) -> None:
    """Write a binary package's console scripts; noarch ones are conda's to write."""
    for name, point in content.console_scripts.items():
        module, _, attribute = point.partition(":")
        script = stage / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(
            _SCRIPT.format(
                placeholder=packages.PLACEHOLDER,
                module=module,
                attribute=attribute.split(".")[0],
                call=attribute,
            )
        )
        script.chmod(0o755)


def _write_record(content: WheelContent, stage: Path, site: str) -> None:
    """Write INSTALLER and a RECORD of what is really there (PEP 376, PEP 627)."""
    info = stage / site / content.dist_info
    (info / "INSTALLER").write_text("conda\n")
    (info / "RECORD").unlink(missing_ok=True)
    root = stage / site
    rows = []
    for path in sorted(p for p in stage.rglob("*") if p.is_file()):
        inside = path.is_relative_to(root)
        # Seen from an environment's site-packages: lib/pythonX.Y/site-packages.
        shown = (
            path.relative_to(root).as_posix()
            if inside
            else "../../../" + path.relative_to(stage).as_posix().replace("python-scripts", "bin")
        )
        body = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        rows.append((shown, f"sha256={digest}" if inside else "", str(len(body)) if inside else ""))
    if content.pure:
        rows += [(f"../../../bin/{name}", "", "") for name in content.console_scripts]
    rows.append((f"{content.dist_info}/RECORD", "", ""))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    (info / "RECORD").write_text(text.getvalue())


def _describe(content: WheelContent, minor: str, names: Mapping[str, str]) -> packages.Description:
    metadata = content.metadata
    name = names[canonicalize_name(metadata["Name"])]
    points = tuple(f"{script} = {point}" for script, point in content.console_scripts.items())
    compact = minor.replace(".", "")
    return packages.Description(
        name=name,
        version=metadata["Version"],
        build="pylab_0" if content.pure else f"py{compact}lab_0",
        depends=tuple(_depends(content, minor, names)),
        noarch="python" if content.pure else None,
        entry_points=points if content.pure else (),
        summary=metadata["Summary"] or "",
        license=metadata["License-Expression"] or "",
    )


def _depends(content: WheelContent, minor: str, names: Mapping[str, str]) -> Iterable[str]:
    """Translate Requires-Python and Requires-Dist.

    Raises:
        LabError: a requirement is not in the channel.
    """
    if content.pure:
        yield _spec("python", SpecifierSet(content.metadata["Requires-Python"] or ">=3.6"))
    else:
        major, number = minor.split(".")
        yield f"python >={minor},<{major}.{int(number) + 1}.0a0"
    environment = marker_environment(minor)
    for line in content.metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": ""}):
            continue
        canonical = canonicalize_name(requirement.name)
        if canonical not in names:
            raise LabError(
                f"{content.dist_info} needs {requirement}, which is not in the lab's pins"
            )
        yield _spec(names[canonical], requirement.specifier)


def marker_environment(minor: str) -> dict[str, str]:
    """Return the marker variables (PEP 508) of a CPython on Linux x86_64."""
    return {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": minor,
        "python_full_version": f"{minor}.0",
        "implementation_version": f"{minor}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }


def _spec(name: str, specifier: SpecifierSet) -> str:
    """Write a version specifier (PEP 440) as a MatchSpec."""
    clauses = ",".join(sorted(str(clause).replace(" ", "") for clause in specifier))
    return f"{name} {clauses}" if clauses else name
