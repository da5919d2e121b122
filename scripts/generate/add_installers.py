"""Adds the installers of a publisher's own list to data/installers.json: ``make catalogue URL=...``.

Entries that are there stay as they are. A list that gives one of them another SHA-256 is refused as a whole.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.generate.installer_lists import ListError, published
from scripts.generate.make_catalogue import SOURCE

_TIMEOUT = 60.0
# Anaconda's longest page has some 300 kB.
_LARGEST = 32 * 1024 * 1024


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can change what is read: HTTPS, or this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, as GitHub's to its storage, but none to an address that is not safe."""

    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        newurl = str(request[-1])
        if not _is_safe(newurl):
            raise ListError(f"it redirects to {newurl}, which is not https")
        return urllib.request.HTTPRedirectHandler.redirect_request(self, *request)


def fetch(url: str) -> tuple[str, str]:
    """The text at an address, and the address that its names are beside.

    Without its slash, the address of a directory is redirected to the one with it. Other redirects, as
    GitHub's to its storage, do not change the address.

    Raises:
        ListError: it cannot be read, or somebody on the way could have changed it.
    """
    if not _is_safe(url):
        raise ListError("the address must begin with https://")
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        with opener.open(url, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(_LARGEST + 1)
            length, place = answer.headers.get("Content-Length"), answer.geturl()
    except (OSError, urllib.error.URLError) as error:
        raise ListError(f"it cannot be read: {error}") from error
    if len(content) > _LARGEST:
        raise ListError(f"it is larger than {_LARGEST} bytes")
    if length is not None and len(content) < int(length):
        raise ListError(f"the transfer broke off after {len(content)} of {length} bytes")
    base = place if urlsplit(place).path == urlsplit(url).path + "/" else url
    try:
        return content.decode("utf-8-sig"), base
    except UnicodeDecodeError as error:
        raise ListError("it is not a text") from error


def _order(item: Mapping[str, Any]) -> tuple[Any, ...]:
    """Oldest first: the newest versions of each platform are suggested to people by their place."""
    numbers = [int(digits) for digits in re.findall(r"\d+", item["version"])]
    return (item["distribution"], numbers, item["python"] or "", item["os"], item["arch"])


def add(
    catalogue: Mapping[str, Any], text: str, url: str, seen: date
) -> tuple[dict[str, Any], list[str]]:
    """The catalogue with the installers of a list, and the names of those that are new.

    Args:
        catalogue: the document data/installers.json.
        text: the list.
        url: where it is.
        seen: the day on which it was read.

    Raises:
        ListError: the list cannot be used, or contradicts the catalogue.
    """
    items = list(catalogue["installers"])
    known = {item["filename"]: item["sha256"] for item in items}
    added = []
    for file in published(text, url):
        row = file.row()
        if row is None:
            continue
        before = known.setdefault(file.name, file.sha256)
        if before != file.sha256:
            raise ListError(f"{file.name} has the SHA-256 {file.sha256}, but {before} is known")
        if all(item["filename"] != file.name for item in items):
            items.append({**row, "source": url, "seen": seen.isoformat()})
            added.append(file.name)
    return {**catalogue, "installers": sorted(items, key=_order)}, added


def write(path: Path, catalogue: Mapping[str, Any]) -> None:
    """Write the document as it is kept in the repository."""
    path.write_text(json.dumps(catalogue, indent=0), encoding="utf-8")


def main(words: Sequence[str] | None = None, path: Path = SOURCE) -> int:
    """Add the installers of a list and print what was added. Returns 1 if the list is refused."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.generate.add_installers", description=__doc__
    )
    parser.add_argument("url", help="address of the list")
    url = parser.parse_args(words).url
    before = json.loads(path.read_text(encoding="utf-8"))
    try:
        text, place = fetch(url)
        catalogue, added = add(before, text, place, date.today())
    except ListError as error:
        sys.stderr.write(f"{url}: {error}. Nothing was written.\n")
        return 1
    if added:
        write(path, catalogue)
    sys.stdout.writelines(f"added {name}\n" for name in added)
    sys.stdout.write(
        f"{len(added)} installers added, {len(before['installers'])} were there before\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
