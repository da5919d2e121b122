# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that channels answer before conda is configured to use them."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
    repodata_url,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

# For each request.
_TIMEOUT_SECONDS = 20
# Seconds to wait before each retry.
_DELAYS = (1.0,)
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
# Enough to recognize repodata, a JSON object. Nothing else of the file is downloaded.
_FIRST_BYTES = 64
# Settings that decide how every URL is reached.
_ROUTE = ("proxy_servers", "ssl_verify")


class Probe(NamedTuple):
    """The requested channels, all of which answered.

    Attributes:
        asked: their URLs.
        elsewhere: the host that served a channel, by the host in its URL, where a redirect led to another.
    """

    asked: list[str]
    elsewhere: dict[str, str]


class ChannelError(CondaModuleError):
    """A channel does not answer; ``reason`` is the part of the message that names the URL and the cause."""

    def __init__(self, channel: str, url: str, cause: str) -> None:
        self.reason = f"{url}: {cause}"
        super().__init__(
            f"The channel {channel} does not answer: {self.reason}. Nothing was changed.",
            asked=channel,
            hint="choose another mirror or correct the URL, or check this host's network, proxy and CA"
            " settings; with probe: false the settings are written without this check.",
        )


class _NoAnswer(Exception):
    """A request failed at the URL ``place``; a temporary failure may pass."""

    def __init__(self, place: str, reason: str, temporary: bool) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason
        self.temporary = temporary


def probe_new_channels(before: Mapping[str, Any], after: Mapping[str, Any]) -> Probe:
    """Request repodata from each channel whose URL, or the proxy or TLS settings for it, are new.

    Args:
        before, after: the effective settings before and after a change.

    Raises:
        ChannelError: a channel does not answer with repodata.
    """
    probe = Probe([], {})
    route_changed = any(before.get(key) != after.get(key) for key in _ROUTE)
    known = set() if route_changed else {address for _name, address in _addresses(before)}
    for name, address in _addresses(after):
        if address not in known and address not in probe.asked:
            url = repodata_url(address)
            served_by = host_of(_ask(name, url, after))
            if served_by != host_of(url):
                probe.elsewhere[host_of(url)] = served_by
            probe.asked.append(address)
    return probe


def host_of(url: str) -> str:
    """The host in a URL; empty for a file or an invalid URL. Two ports of one host are the same mirror."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _addresses(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    channels = settings.get("channels") or ()
    for channel in [channels] if isinstance(channels, str) else channels:
        for address in channel_addresses(str(channel), settings):
            yield str(channel), address


def _ask(channel: str, url: str, settings: Mapping[str, Any]) -> str:
    """The URL that serves the file, after redirects."""
    for delay in (*_DELAYS, None):
        try:
            return _served_at(url, settings)
        except _NoAnswer as error:
            if delay is None or not error.temporary:
                raise _probe_error(channel, url, error) from error
        time.sleep(delay)
    raise AssertionError("the last attempt either returns or raises")


def _served_at(url: str, settings: Mapping[str, Any]) -> str:
    # Follow redirects here: if the target fails, urllib's error does not always name it.
    place = url
    for _hop in range(_MOST_REDIRECTS):
        try:
            # A HEAD request would not do: a mirror may answer it and lack the file, or serve a page of HTML
            # with status 200 in its place (sjtug/mirror-requests issue 299).
            head = _first_bytes(place, settings)
        except HTTPError as error:
            target = error.headers.get("Location") if error.code in _REDIRECT_STATUS else None
            if not target:
                reason = f"the server answered {error.code} {error.reason}"
                raise _NoAnswer(place, reason, error.code in _TEMPORARY_STATUS) from error
            place = _redirected(place, target)
        except (AnsibleConnectionError, http.client.HTTPException, OSError, ValueError) as error:
            raise _NoAnswer(place, str(getattr(error, "reason", error)), True) from error
        else:
            if not head.lstrip().startswith(b"{"):
                shown = head[:20].decode("ascii", "replace")
                raise _NoAnswer(place, f"this is not repodata, it begins with {shown!r}", False)
            return place
    raise _NoAnswer(place, f"more than {_MOST_REDIRECTS} redirects", False)


def _redirected(place: str, target: str) -> str:
    # urllib has parsed it already: an invalid URL is its ValueError.
    found = urljoin(place, target)
    scheme = urlsplit(found).scheme
    # A server must not make the host read its own files.
    if scheme not in ("http", "https"):
        raise _NoAnswer(place, f"it redirects to a URL of the scheme {scheme!r}", False)
    return found


def _first_bytes(url: str, settings: Mapping[str, Any]) -> bytes:
    try:
        return _request(url, settings, ranged=True)
    except HTTPError as error:
        # 416: some servers refuse any range of a short file.
        if error.code != 416:
            raise
    return _request(url, settings, ranged=False)


def _request(url: str, settings: Mapping[str, Any], ranged: bool) -> bytes:
    """Make one request, without following a redirect.

    Raises:
        HTTPError: the server refused, or redirects.
        OSError, ValueError, http.client.HTTPException: the server cannot be reached at this URL.
    """
    verify = settings.get("ssl_verify")
    proxies = settings.get("proxy_servers")
    for scheme, proxy in (proxies if isinstance(proxies, dict) else {}).items():
        os.environ.setdefault(f"{scheme}_proxy", str(proxy))
    headers = {"Range": f"bytes=0-{_FIRST_BYTES - 1}"} if ranged else {}
    with open_url(
        url,
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=_TIMEOUT_SECONDS,
        validate_certs=verify is not False,
        ca_path=verify if isinstance(verify, str) and os.path.exists(verify) else None,
        follow_redirects="none",
    ) as response:
        # read1 returns the bytes that have arrived; a slow server may take long to send all of them.
        read = getattr(response, "read1", response.read)
        return bytes(read(_FIRST_BYTES))


def _probe_error(channel: str, url: str, error: _NoAnswer) -> ChannelError:
    cause, host = error.reason + _proxy_used(error.place), host_of(error.place)
    return ChannelError(
        channel, url, cause if host == host_of(url) else f"it redirects to {host}: {cause}"
    )


def _proxy_used(url: str) -> str:
    """The proxy of a request for the message, without user and password; empty without one."""
    proxy = getproxies().get(url.partition(":")[0].lower(), "")
    if not proxy or proxy_bypass(host_of(url)):
        return ""
    return f" (through the proxy {host_of(proxy) or host_of(f'//{proxy}')})"
