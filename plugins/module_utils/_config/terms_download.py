# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the current terms of service of a channel."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError

from ansible.module_utils.urls import open_url

from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms import time_stamp
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

_TIMEOUT_SECONDS = 60
# Terms are a few pages of text.
_MOST_BYTES = 4 << 20


def current_terms(channel: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The current terms of a channel, from its server.

    Raises:
        CondaModuleError: the server does not answer, or the channel has no terms.
    """
    url = f"{channel}/terms.json"
    verify = settings.get("ssl_verify")
    proxies = settings.get("proxy_servers")
    try:
        for scheme, proxy in (proxies if isinstance(proxies, dict) else {}).items():
            os.environ.setdefault(f"{scheme}_proxy", str(proxy))
        with open_url(
            url,
            timeout=_TIMEOUT_SECONDS,
            validate_certs=verify is not False,
            ca_path=verify if isinstance(verify, str) and os.path.exists(verify) else None,
            follow_redirects="safe",
        ) as response:
            terms = json_document.loads(response.read(_MOST_BYTES))
        time_stamp(terms["version"])
        if not (isinstance(terms["text"], str) and isinstance(terms["support"], str)):
            raise TypeError("text and support are not strings")
    except HTTPError as error:
        raise _fetch_error(channel, f"the server answered {error.code} for {url}") from error
    except (URLError, http.client.HTTPException, OSError) as error:
        raise _fetch_error(channel, str(getattr(error, "reason", error))) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _fetch_error(channel, f"{url} does not contain terms ({error})") from error
    return dict(terms)


def _fetch_error(channel: str, reason: str) -> CondaModuleError:
    return CondaModuleError(
        f"Cannot fetch the terms of service of {channel}: {reason}. Nothing was changed.",
        asked=channel,
        hint="remove a channel without terms from the options accept_tos and reject_tos, or check this"
        " host's network, proxy and CA settings.",
    )
