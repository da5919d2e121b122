# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks credentials in anything that may be shown to a person or written to a log.

Conda knows three places for secrets in a channel URL: ``user:password@host``, the token path
``/t/<TOKEN>/`` of anaconda.org and Anaconda Server (conda, ``conda.common.url.split_anaconda_token``),
and query parameters of private mirrors. Proxy URLs carry the first form.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import unquote

MASK = "********"
_SHORTEST_TOKEN = 8

# Lengths are bounded, or a long text without any address would take a time that grows with its square.
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^/\s'\"]+@")
# A directory named t is no secret: before the token there is the address of a host, with a scheme (other than
# file) or as a name with dots.
_TOKEN_PATH = re.compile(
    r"(?P<before>"
    r"(?<![a-zA-Z0-9+.-])(?!file:)[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s'\"<>()?#]{0,2000}?/t/"
    r"|(?<![\w./~-])(?:[\w-]+\.)+[\w-]+(?::\d+)?/t/"
    r")(?P<token>[A-Za-z0-9._~%-]+)"
)
_SECRET_NAME = (
    r"(?:[a-z0-9_-]*(?:token|password|passwd|secret|signature|credential)"
    r"|api[_-]?key|access[_-]?key|sig)"
)
_QUERY = re.compile(rf"(?P<name>[?&]{_SECRET_NAME}=)[^&#\s'\"<>()]+", re.IGNORECASE)
_HEADER = re.compile(r"(?P<name>authorization:\s*(?:bearer|basic|token)\s+)\S+", re.IGNORECASE)
# conda says "The token '...' given for the URL is invalid", also of one in a condarc, which no option names.
_QUOTED = re.compile(
    r"(?P<name>\btoken (?P<quote>['\"]))(?:(?!(?P=quote)).)+(?=(?P=quote))", re.IGNORECASE
)


def redact(text: str) -> str:
    """Return ``text`` with user names, passwords and tokens in URLs and headers replaced by a mask."""
    text = _USERINFO.sub(lambda found: f"{found['scheme']}{MASK}@", text)
    text = _TOKEN_PATH.sub(lambda found: f"{found['before']}{MASK}", text)
    text = _QUERY.sub(lambda found: f"{found['name']}{MASK}", text)
    text = _QUOTED.sub(lambda found: f"{found['name']}{MASK}", text)
    return _HEADER.sub(lambda found: f"{found['name']}{MASK}", text)


def redact_value(value: Any) -> Any:
    """Apply :func:`redact` to every string inside ``value`` (lists, tuples and dicts are copied)."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact_value(key): redact_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value(item) for item in value]
    return value


def secrets_in(value: Any) -> set[str]:
    """The credentials inside ``value``, for ``AnsibleModule.no_log_values``.

    Ansible prints a module's options on ``-vvv``; what is in this set it masks there as well. Each is
    there as it is written, as a server sees it (percent-decoded), and with its user as HTTP sends it
    (Base64).
    """
    if isinstance(value, dict):
        return set().union(*(secrets_in(item) for item in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(secrets_in(item) for item in value))
    if not isinstance(value, str):
        return set()
    found: set[str] = set()
    for userinfo in _USERINFO.finditer(value):
        found |= _forms(userinfo.group().split("://", 1)[1][:-1])
    for token in _TOKEN_PATH.finditer(value):
        found |= {token["token"], unquote(token["token"])}
    for pair in _QUERY.finditer(value):
        secret = pair.group().partition("=")[2]
        found |= {secret, unquote(secret)}
    return found - {"", MASK}


def _forms(userinfo: str) -> set[str]:
    user, _colon, password = userinfo.partition(":")
    if not password:
        # A token in the place of the user; a short word, as in ssh://git@host, would blank out every message.
        return {user, unquote(user)} if len(user) >= _SHORTEST_TOKEN else set()
    plain = unquote(userinfo)
    sent = {base64.b64encode(text.encode()).decode() for text in (userinfo, plain)}
    return {password, unquote(password), *sent}
