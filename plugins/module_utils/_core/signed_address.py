# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes the secrets from a URL so that it still names the file.

A signed URL (Amazon S3, Google Cloud Storage, Azure SAS, CloudFront) names a file and grants access for a
limited time. The signature differs each time the URL is signed. Parameters such as the expiry time are not
secret, but mean nothing without the signature.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    MASK,
    redact,
    secrets_in,
)

_SECRET = re.compile(
    r"[a-z0-9_-]*(?:token|password|passwd|secret|signature|credentials?|jwt|hmac|api[_-]?key"
    r"|access[_-]?key(?:[_-]?id)?|accessid|key[_-]pair[_-]id|[_-]sig)|sig|auth|__gda__|hdne?[at]s?",
    re.IGNORECASE,
)
# Parameters that belong to the signature, by the signers' documentation. Azure's names are short, so they
# count only together with `sig`.
_ALONG = re.compile(
    r"x-(?:amz|goog|oss|cos|tos|obs)-.*|q-.*|expires?|exp|policy|googleaccessid|security-token",
    re.IGNORECASE,
)
_AZURE = re.compile(
    r"s[vsrpeti]|srt|sip|spr|sdd|ses|s[ad]uoid|scid|skoid|sktid|sk[tesv]|rsc[cdelt]"
)
# Further down the path, a directory may simply be named t.
_TOKEN = re.compile(r"(?P<before>^/t/|/t/(?=tk-))(?!<TOKEN>)[^/*]+")


def without_secrets(address: str) -> str:
    """Return the URL without user, password and signature parameters; a token is masked."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return redact(address)
    host = parts.netloc
    # In ssh://git@host the user is no secret, and is needed.
    if "@" in host and secrets_in(f"https://{host}/"):
        host = host.rpartition("@")[2]
    path = _TOKEN.sub(rf"\g<before>{MASK}", parts.path)
    query = _unsigned(parts.query)
    if (host, path, query) == (parts.netloc, parts.path, parts.query):
        return address
    return urlunsplit((parts.scheme, host, path, query, parts.fragment))


def _unsigned(query: str) -> str:
    pairs = [pair for pair in query.split("&") if pair]
    names = [unquote(pair.partition("=")[0]) for pair in pairs]
    if not any(_SECRET.fullmatch(name) for name in names):
        return query
    azure = "sig" in names
    return "&".join(
        pair
        for name, pair in zip(names, pairs)
        if not (
            _SECRET.fullmatch(name) or _ALONG.fullmatch(name) or (azure and _AZURE.fullmatch(name))
        )
    )
