"""Writes an index of wheels that pip and uv can use, as static pages.

PEP 503, with the wheels' hashes in the links and their metadata beside them (PEP 658, 714).
"""

from __future__ import annotations

import hashlib
import html
import re
import urllib.parse
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import parse_wheel_filename


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def metadata(wheel: Path) -> bytes:
    """Return the wheel's METADATA.

    Raises:
        ValueError: the archive is no wheel: it has none.
        zipfile.BadZipFile: the file is no archive.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            # some wheels carry the metadata of vendored distributions further down
            if re.fullmatch(r"[^/]+\.dist-info/METADATA", name):
                return archive.read(name)
    raise ValueError(f"no METADATA in {wheel.name}")


def write_metadata(wheel: Path) -> None:
    """Write ``WHEEL.metadata`` beside a wheel: with it, a resolver need not load the wheel.

    Raises:
        ValueError, zipfile.BadZipFile: as ``metadata``.
    """
    wheel.with_name(f"{wheel.name}.metadata").write_bytes(metadata(wheel))


def write_index(wheels: Iterable[Path], target: Path, base: str) -> None:
    """Write ``target/index.html`` and one ``target/PROJECT/index.html`` per project.

    Args:
        wheels: the files; their names must follow the wheel specification.
        target: an existing folder.
        base: URL of the wheels' folder relative to a project's page, with a slash at its end.
    """
    pages: dict[str, list[str]] = {}
    for wheel in sorted(wheels):
        project = parse_wheel_filename(wheel.name)[0]
        pages.setdefault(project, []).append(_link(wheel, base))
    for name, links in pages.items():
        (target / name).mkdir()
        _write_page(target / name / "index.html", f"Links for {name}", links)
    projects = [f'<a href="{name}/">{name}</a>' for name in sorted(pages)]
    _write_page(target / "index.html", "Simple index", projects)


def _link(wheel: Path, base: str) -> str:
    url = f"{base}{urllib.parse.quote(wheel.name)}#sha256={sha256(wheel)}"
    attributes = ""
    wanted = HeaderParser().parsestr(metadata(wheel).decode()).get("Requires-Python")
    if wanted:
        attributes += f' data-requires-python="{html.escape(wanted)}"'
    beside = wheel.with_name(f"{wheel.name}.metadata")
    if beside.is_file():
        digest = sha256(beside)
        # older clients know the second name alone
        attributes += f' data-core-metadata="sha256={digest}"'
        attributes += f' data-dist-info-metadata="sha256={digest}"'
    return f'<a href="{url}"{attributes}>{html.escape(wheel.name)}</a>'


def _write_page(path: Path, title: str, links: list[str]) -> None:
    version = '<meta name="pypi:repository-version" content="1.0">'
    head = f"<!DOCTYPE html>\n<html><head>{version}<title>{title}</title></head><body>\n"
    path.write_text(head + "<br>\n".join(links) + "\n</body></html>\n", encoding="utf-8")
