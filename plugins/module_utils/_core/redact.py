# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks credentials in every text that a person may see or a log may store.

Conda puts secrets into channel URLs in three places: ``user:password@host``, the token path ``/t/<TOKEN>/``
of anaconda.org and Anaconda Server (conda, ``conda.common.url.split_anaconda_token``), and query parameters
of private mirrors. Proxy URLs use the first form.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import unquote

MASK = "********"
_SHORTEST_TOKEN = 8

# Lengths are bounded: otherwise the time for a long text without a URL grows with its square. conda 24.7
# drops the colon (http//user:password@host), pathlib drops a slash, and some programs percent-encode the URL.
_WEB = (
    r"(?<![a-zA-Z0-9+.-])(?:https?|ftp|s3|socks[45]?h?|(?:git|hg|svn|bzr)\+[a-z]{2,5})"
    r"(?::|%3A)?(?:\\?/|%2F){1,3}"
)
_USERINFO = re.compile(
    rf"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{{0,30}}://|(?i:{_WEB}))(?P<userinfo>[^/\s'\"\\]+)@"
)
# user:password@host:port without a scheme, as in proxy settings.
_BARE = re.compile(
    r"(?<![\w.%+/@*-])(?P<userinfo>[\w.%+-]{1,64}:[^\s/@'\"]{1,200})@(?=[\w-]+(?:\.[\w-]|:\d))"
)
# The same inside the query of another URL.
_ENCODED = re.compile(r"(?P<scheme>https?%3A%2F%2F)[\w.%~+-]{1,400}?%40", re.IGNORECASE)
# A directory named t is no secret: a token follows a host, with a scheme (other than file) or as a name with
# dots or a port. conda's own tokens begin with tk-.
_TOKEN_PATH = re.compile(
    r"(?P<before>"
    r"(?:(?<![a-zA-Z0-9+.-])(?!file:)[a-zA-Z][a-zA-Z0-9+.-]{0,30}://"
    rf"|(?i:{_WEB}))[^\s'\"<>()?#]{{0,1000}}?(?:/t/+|%2Ft%2F)"
    # A relative path may have a directory t (v1.2/t/, build.d/t/): a host ends in letters or is an address.
    r"|(?<![\w./~-])(?:(?:(?:[\w-]+\.)+[a-zA-Z][\w-]+|(?:\d+\.){3}\d+)(?::\d+)?|[\w-]+:\d+)/+t/+"
    # Path of a request: urllib3's "Max retries exceeded with url: /t/TOKEN/lab", a line of a server's log.
    r"|\b(?:url:|GET|HEAD|POST)\s{1,4}(?:/+[\w.-]{1,80}){0,8}?/+t/+"
    r"|/t/(?=tk-))"
    r"(?P<token>[A-Za-z0-9._~%+=-]+?(?=%2F|[^A-Za-z0-9._~%+=-]|$))"
)
# Most texts have none, and the search above is slow.
_HAS_TOKEN_PATH = re.compile(r"/t/|%2Ft%2F")
_SECRET_NAME = (
    r"(?:[a-z0-9_-]*(?:token|password|passwd|passphrase|secret|signature|credentials?|auth|jwt|hmac"
    r"|api[_-]?key|access[_-]?key(?:[_-]?id)?|key[_-]pair[_-]id|[_-]sig)|sig|key|pass|pwd|policy|code)"
)
_QUERY = re.compile(rf"(?P<name>[?&;]{_SECRET_NAME}=)[^&#\s'\"<>()]+", re.IGNORECASE)
_HEADER = re.compile(r"(?P<name>authorization:\s*(?:bearer|basic|token)\s+)\S+", re.IGNORECASE)
# conda says "The token '...' given for the URL is invalid", also of a token in a condarc, which no option
# names.
_QUOTED = re.compile(
    r"(?P<name>\btoken (?P<quote>['\"]))(?:(?!(?P=quote)).)+(?=(?P=quote))", re.IGNORECASE
)


def redact(text: str) -> str:
    """Return ``text`` with user names, passwords and tokens in URLs and headers replaced by a mask."""
    text = _USERINFO.sub(lambda found: f"{found['scheme']}{MASK}@", text)
    text = _BARE.sub(f"{MASK}@", text)
    text = _ENCODED.sub(lambda found: f"{found['scheme']}{MASK}%40", text)
    if _HAS_TOKEN_PATH.search(text):
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
    """Return the credentials inside ``value``, for ``AnsibleModule.no_log_values``.

    Ansible prints a module's options with ``-vvv`` and masks what is in this set there too. Each credential
    is included as it is written, as a server sees it (percent-decoded), and together with its user as HTTP
    sends it (Base64).
    """
    if isinstance(value, dict):
        return set().union(*(secrets_in(item) for item in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(secrets_in(item) for item in value))
    if not isinstance(value, str):
        return set()
    found: set[str] = set()
    for pattern in (_USERINFO, _BARE):
        for address in pattern.finditer(value):
            found |= _forms(address["userinfo"])
    for token in _TOKEN_PATH.finditer(value) if _HAS_TOKEN_PATH.search(value) else ():
        found |= {token["token"], unquote(token["token"])}
    for pair in _QUERY.finditer(value):
        secret = pair.group().partition("=")[2]
        found |= {secret, unquote(secret)}
    return found - {"", MASK}


def _forms(userinfo: str) -> set[str]:
    user, _colon, password = userinfo.partition(":")
    if not password:
        # A token in place of the user name. A short word, as in ssh://git@host, would mask parts of every
        # message.
        return {user, unquote(user)} if len(user) >= _SHORTEST_TOKEN else set()
    plain = unquote(userinfo)
    sent = {base64.b64encode(text.encode()).decode() for text in (userinfo, plain)}
    return {password, unquote(password), *sent}
