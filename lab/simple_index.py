"""Writes an index of wheels that pip and uv can use: PEP 503, static pages, hashes in the links."""

from __future__ import annotations

import hashlib
import html
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


def requires_python(wheel: Path) -> str | None:
    """Return the wheel's ``Requires-Python``, None where it names none.

    Raises:
        StopIteration: the file is no wheel: it has no METADATA.
        zipfile.BadZipFile: the file is no wheel: it is no zip archive.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode()).get("Requires-Python")


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
    wanted = requires_python(wheel)
    attribute = f' data-requires-python="{html.escape(wanted)}"' if wanted else ""
    return f'<a href="{url}"{attribute}>{html.escape(wheel.name)}</a>'


def _write_page(path: Path, title: str, links: list[str]) -> None:
    version = '<meta name="pypi:repository-version" content="1.0">'
    head = f"<!DOCTYPE html>\n<html><head>{version}<title>{title}</title></head><body>\n"
    path.write_text(head + "<br>\n".join(links) + "\n</body></html>\n", encoding="utf-8")
