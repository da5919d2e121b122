# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of distributions, and the secrets in their URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Sources:
    """The sources of distributions; see the options of these names.

    `index_url` and `no_index` replace all sources of the host's pip configuration, including extra indexes
    and `find_links`. `extra_index_urls` and `find_links` alone add to them.

    Besides lines, an installer gets no other part of the request.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cache_dir: str | None = None

    @property
    def replaces_configuration(self) -> bool:
        return self.no_index or self.index_url is not None


def plain_http(urls: Iterable[str], trusted_hosts: Iterable[str]) -> list[str]:
    """The `urls` that pip refuses: plain HTTP, neither to this host nor to a trusted one.

    Source: SECURE_ORIGINS in pip's network/session.py.
    """
    trusted = set(trusted_hosts)
    found = []
    for url in urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            continue  # not a URL; the installer reports it
        if parts.scheme != "http" or host in trusted or f"{host}:{port or 80}" in trusted:
            continue
        if host == "localhost" or host.endswith(".localhost") or host == "::1":
            continue
        if not re.fullmatch(r"127\.\d+\.\d+\.\d+", host):
            found.append(url)
    return found


def url_secrets(urls: Sequence[str]) -> set[str]:
    """The credentials in URLs, to mask in all output."""
    found: set[str] = set()
    for url in urls:
        match = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?P<who>[^/\s@]+)@", url)
        if match:
            _user, colon, password = match["who"].partition(":")
            # Do not mask short words, as in ssh://git@host: that would mask half of every message.
            found.update(word for word in (match["who"], password) if len(word) >= 6)
            if colon:
                found.add(match["who"])
        found.update(re.findall(r"/t/([A-Za-z0-9._~-]{6,})(?=/|$)", url))
    return found
