"""Makes small real wheels, so that pip has something to resolve, install, find missing and distrust."""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path


def record_digest(data: bytes) -> str:
    """The hash of a file as RECORD spells it."""
    digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def metadata_text(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    requires_python: str = "",
) -> str:
    """The METADATA of a distribution."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return "\n".join([*lines, "", "A distribution for tests.", ""])


def make_wheel(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    requires_python: str = "",
    files: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
) -> Path:
    """Write `NAME-VERSION-py3-none-any.whl` into `directory` and return its path.

    Args:
        files: contents by path; without them, one module of the distribution's name.
        scripts: console scripts, "module:function" by name.
    """
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    contents = dict(files or {f"{stem}/__init__.py": f'VERSION = "{version}"\n'})
    contents[f"{info}/METADATA"] = metadata_text(name, version, requires, extras, requires_python)
    contents[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if scripts:
        points = [f"{script} = {target}" for script, target in scripts.items()]
        contents[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *points, ""])
    rows = [
        f"{path},{record_digest(text.encode())},{len(text.encode())}"
        for path, text in contents.items()
    ]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            # A fixed time stamp: the same distribution is the same file, with the same hash.
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    return wheel
