"""Reads the lists of installers that publishers have: file names and SHA-256.

- Anaconda's pages (https://repo.anaconda.com/miniconda/, .../archive/): an HTML table with the columns
  Filename, Size, Last Modified and SHA256. Older copies have MD5 instead.
- Miniforge's ``.sha256`` files: the sum and the file name, as sha256sum(1) writes them.
- GitHub's answers about releases (https://api.github.com/repos/conda-forge/miniforge/releases/tags/TAG): JSON
  with ``assets``, each with ``name``, ``browser_download_url`` and ``digest``. ``digest`` is null for files
  that were uploaded before GitHub computed it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

# Files for people who take whatever is newest have no version, and those for other systems another name.
_NAME = re.compile(
    r"(?P<distribution>Miniconda|Miniforge|Anaconda)3-"
    r"(?:py(?P<major>\d)(?P<minor>\d+)_)?(?P<version>\d+(?:\.\d+)+(?:-\d+)?)-"
    r"(?P<os>Linux|MacOSX)-(?P<arch>x86_64|aarch64|arm64)\.sh"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ListError(Exception):
    """A list cannot be used. The text says why."""


@dataclass(frozen=True)
class Published:
    """One file of a list.

    Attributes:
        name: the file's name.
        url: where it is.
        sha256: 64 hexadecimal digits in lower case.
    """

    name: str
    url: str
    sha256: str

    def row(self) -> dict[str, Any] | None:
        """The entry for data/installers.json, None for a file that is no installer of the catalogue."""
        found = _NAME.fullmatch(self.name)
        if not found:
            return None
        return {
            "distribution": found["distribution"].lower(),
            "version": found["version"],
            "python": f"{found['major']}.{found['minor']}" if found["major"] else None,
            "os": found["os"],
            "arch": found["arch"],
            "filename": self.name,
            "url": self.url,
            "sha256": self.sha256,
        }


def published(text: str, url: str) -> list[Published]:
    """The files of a list.

    Args:
        text: the list.
        url: where it is. Names without an address are beside it.

    Raises:
        ListError: the text is no list, or has something else than SHA-256.
    """
    if text.lstrip()[:1] in ("{", "["):
        found = list(_from_github(text))
    elif "<table" in text.lower():
        found = list(_from_page(text, url))
    else:
        found = list(_from_sums(text, url))
    if not found:
        raise ListError("it names no files")
    return found


def _beside(url: str, name: str) -> str:
    return re.split(r"[?#]", url)[0].rpartition("/")[0] + "/" + name


def _checked(name: str, digest: str) -> str:
    if not digest:
        raise ListError(f"{name} has no SHA-256 sum")
    if not _SHA256.fullmatch(digest):
        raise ListError(f"{name} has {digest!r}, which is not a SHA-256 sum")
    return digest


class _Cells(HTMLParser):
    """The texts of a page's table rows."""

    def __init__(self) -> None:
        HTMLParser.__init__(self)
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def _from_page(text: str, url: str) -> Iterator[Published]:
    if "</table" not in text.lower():
        raise ListError("its table does not end, so that a part of it may be missing")
    cells = _Cells()
    cells.feed(text)
    rows = [[one.strip() for one in row] for row in cells.rows if row]
    head = [one.lower().replace("-", "") for one in rows[0]] if rows else []
    if "filename" not in head:
        raise ListError("its table has no column Filename")
    if "sha256" not in head:
        raise ListError(f"its table has no column SHA256, only {', '.join(rows[0])}")
    name_at, sum_at = head.index("filename"), head.index("sha256")
    for row in rows[1:]:
        if len(row) != len(head):
            raise ListError(
                f"a row of its table has {len(row)} cells instead of {len(head)}: {row}"
            )
        name = row[name_at]
        # The page also lists files without a sum, such as the directory above.
        if _NAME.fullmatch(name):
            yield Published(name, _beside(url, name), _checked(name, row[sum_at].lower()))


def _from_sums(text: str, url: str) -> Iterator[Published]:
    for line in filter(None, map(str.strip, text.splitlines())):
        digest, _space, name = line.partition(" ")
        # An asterisk marks a file that was read in binary mode; the name may have a directory of the builder.
        name = name.strip().removeprefix("*").rpartition("/")[2]
        if not name:
            raise ListError(f"a line is not a sum and a file name: {line[:80]}")
        yield Published(name, _beside(url, name), _checked(name, digest.lower()))


def _from_github(text: str) -> Iterator[Published]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ListError(f"it is not valid JSON: {error}") from error
    for release in data if isinstance(data, list) else [data]:
        if not isinstance(release, dict) or "assets" not in release:
            raise ListError("it is JSON, but not GitHub's answer about a release")
        yield from _assets(release["assets"])


def _assets(assets: Any) -> Iterator[Published]:
    try:
        for asset in assets:
            name, digest = str(asset["name"]), str(asset.get("digest") or "")
            if _NAME.fullmatch(name):
                sha256 = _checked(name, digest.removeprefix("sha256:"))
                url = str(asset["browser_download_url"])
                if not (url.startswith("https://") and url.endswith(f"/{name}")):
                    raise ListError(
                        f"{name} has the address {url}, which is not https or another file"
                    )
                yield Published(name, url, sha256)
    except (KeyError, TypeError, AttributeError) as error:
        raise ListError("it is JSON, but not GitHub's answer about a release") from error
