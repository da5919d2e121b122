# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that channels answer before conda is configured to use them."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
    repodata_url,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

_TIMEOUT_SECONDS = 20
# Seconds to wait before each retry.
_DELAYS = (1.0,)
# Servers without HEAD requests answer with one of these.
_NO_HEAD = frozenset({403, 405, 501})
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
# Settings that decide how every URL is reached.
_ROUTE = ("proxy_servers", "ssl_verify")


def probe_new_channels(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Request repodata from each channel whose URL, or the proxy or TLS settings for it, are new.

    Args:
        before, after: the effective settings before and after a change.

    Returns:
        The URLs of the requested channels; none if the change does not concern channels.

    Raises:
        CondaModuleError: a channel does not answer with repodata.
    """
    asked: list[str] = []
    route_changed = any(before.get(key) != after.get(key) for key in _ROUTE)
    known = set() if route_changed else {address for _name, address in _addresses(before)}
    for name, address in _addresses(after):
        if address not in known and address not in asked:
            _ask(name, repodata_url(address), after)
            asked.append(address)
    return asked


def _addresses(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    channels = settings.get("channels") or ()
    for channel in [channels] if isinstance(channels, str) else channels:
        for address in channel_addresses(str(channel), settings):
            yield str(channel), address


def _ask(channel: str, url: str, settings: Mapping[str, Any]) -> None:
    method = "HEAD"
    delays = list(_DELAYS)
    while True:
        try:
            _open(method, url, settings)
        except HTTPError as error:
            if method == "HEAD" and error.code in _NO_HEAD:
                method = "GET"
                continue
            reason = f"the server answered {error.code} {error.reason}"
            if error.code not in _TEMPORARY_STATUS or not delays:
                raise _probe_error(channel, url, reason) from error
        except (
            AnsibleConnectionError,
            http.client.HTTPException,
            OSError,
            ValueError,
        ) as error:
            reason = str(getattr(error, "reason", error))
            if not delays:
                raise _probe_error(channel, url, reason) from error
        else:
            return
        time.sleep(delays.pop(0))


def _open(method: str, url: str, settings: Mapping[str, Any]) -> None:
    """Make one request; read at most one byte of the answer.

    Raises:
        HTTPError: the server refused.
        OSError, ValueError, http.client.HTTPException: the server cannot be reached at this URL.
    """
    verify = settings.get("ssl_verify")
    proxies = settings.get("proxy_servers")
    for scheme, proxy in (proxies if isinstance(proxies, dict) else {}).items():
        os.environ.setdefault(f"{scheme}_proxy", str(proxy))
    with open_url(
        url,
        method=method,
        headers={"Range": "bytes=0-0"} if method == "GET" else None,
        timeout=_TIMEOUT_SECONDS,
        validate_certs=verify is not False,
        ca_path=verify if isinstance(verify, str) and os.path.exists(verify) else None,
        follow_redirects="safe",
    ) as response:
        response.read(1)


def _probe_error(channel: str, url: str, reason: str) -> CondaModuleError:
    return CondaModuleError(
        f"The channel {channel} does not answer: {url}: {reason}. Nothing was changed.",
        asked=channel,
        hint="choose another mirror or correct the URL, or check this host's network, proxy and CA"
        " settings; with probe: false the settings are written without this check.",
    )
