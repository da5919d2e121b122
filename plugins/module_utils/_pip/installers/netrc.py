# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the credentials of indexes off the command line of the child pip that builds a distribution.

pip passes the URLs of its indexes to that child as arguments, including credentials (pip 26, ``build_env``).
Both also read ``.netrc``, so the credentials go into a private one.
"""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources

# Python releases differ in how a .netrc quotes other characters. An entry without a password is invalid.
_PLAIN = re.compile(r"[A-Za-z0-9._~+/=@:%!,;$&*^-]+")


def without_credentials(sources: Sources) -> tuple[Sources, list[str]]:
    """Move credentials from the sources to lines of a ``.netrc``.

    A ``.netrc`` has hosts but no ports: if two URLs of a host have different credentials, the URLs keep them.
    """
    urls = [
        url
        for url in (sources.index_url, *sources.extra_index_urls, *sources.find_links)
        if url and url.startswith(("http://", "https://"))
    ]
    known: dict[str, set[tuple[str, str]]] = {}
    for url in urls:
        host, pair = _parts(url)
        known.setdefault(host, set()).add(pair)
    moved = {
        host: pair
        for host, pairs in known.items()
        if host and len(pairs) == 1
        for pair in pairs
        if all(map(_PLAIN.fullmatch, pair))
    }
    lines = [
        f"machine {host} login {user} password {password}"
        for host, (user, password) in moved.items()
    ]
    return replace(
        sources,
        index_url=_bare(sources.index_url, moved) if sources.index_url else sources.index_url,
        extra_index_urls=_all_bare(sources.extra_index_urls, moved),
        find_links=_all_bare(sources.find_links, moved),
    ), lines


def netrc_environment(lines: Sequence[str], scratch: str) -> dict[str, str]:
    """Write a ``.netrc`` with these lines and the user's to ``scratch``; return the variable for it."""
    if not lines:
        return {}
    path = os.path.join(scratch, "netrc")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        # The last entry for a host counts.
        stream.write("\n".join([_of_the_user(), *lines, ""]))
    return {"NETRC": path}


def _of_the_user() -> str:
    """The user's own file, if Python can parse it: otherwise the new file would be invalid as a whole."""
    for path in filter(None, (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")):
        place = os.path.expanduser(path)
        try:
            netrc.netrc(place)
            with open(place, encoding="utf-8") as stream:
                return stream.read()
        except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
            continue
    return ""


def _parts(url: str) -> tuple[str, tuple[str, str]]:
    """The host, as requests looks it up, and its credentials; empty if the URL is invalid."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ("", "")
    userinfo, _at, host = parts.netloc.rpartition("@")
    user, _colon, password = userinfo.partition(":")
    return host.split(":")[0], (unquote(user), unquote(password))


def _all_bare(urls: Iterable[str], moved: dict[str, tuple[str, str]]) -> tuple[str, ...]:
    return tuple(_bare(url, moved) for url in urls)


def _bare(url: str, moved: dict[str, tuple[str, str]]) -> str:
    if not url.startswith(("http://", "https://")) or _parts(url)[0] not in moved:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
