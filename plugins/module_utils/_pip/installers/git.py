# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the credentials of ``git+https://TOKEN@host/x.git`` off the command lines of git.

pip and uv pass the whole URL to git, and git passes it to its helper, even if ``insteadOf`` adds the
credentials. So this removes them from the lines, and git sends them as a header (2.9, ``http.extraHeader``)
that it reads from its environment: ``GIT_CONFIG_COUNT`` from 2.31 on, before that the variable that
``git -c`` sets. git passes neither to submodules, which get the password through ``GIT_ASKPASS``.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

_ADDRESS = re.compile(
    r"(?P<scheme>git\+https?://)(?P<userinfo>[^/\s]+)@(?P<host>[^/\s@]+)(?P<path>/[^\s;#]*)?"
)
# Both installers expand these in requirements files (pip, req.req_file.ENV_VAR_RE).
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


@dataclass(frozen=True)
class Credentials:
    """The URL of one repository without credentials, the user and the password."""

    address: str
    user: str
    password: str

    @property
    def server(self) -> str:
        """Scheme and host, as in git's prompt."""
        return "/".join(self.address.split("/")[:3])

    @property
    def header(self) -> str:
        """The HTTP header with the credentials."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Authorization: Basic {base64.b64encode(pair).decode()}"


def without_credentials(
    lines: Iterable[str], variables: Mapping[str, str]
) -> tuple[list[str], list[Credentials]]:
    """Separate the credentials of git URLs from the lines.

    Args:
        lines: requirements or constraints.
        variables: values that the installer would insert for ``${NAME}``.
    """
    found: list[Credentials] = []

    def take(match: re.Match[str]) -> str:
        userinfo = _VARIABLE.sub(lambda one: variables.get(one[1], one[0]), match["userinfo"])
        if userinfo == "git" or _VARIABLE.search(userinfo):
            return match[0]
        user, _colon, password = userinfo.partition(":")
        # The revision follows an @ in the path.
        path = (match["path"] or "/").rpartition("@")[0] or match["path"] or "/"
        address = f"{match['scheme'][len('git+') :]}{match['host']}{path}"
        found.append(Credentials(address, unquote(user), unquote(password)))
        return match["scheme"] + match["host"] + (match["path"] or "")

    return [_ADDRESS.sub(take, line) for line in lines], found


def git_environment(
    found: Sequence[Credentials], present: Mapping[str, str], scratch: str
) -> dict[str, str]:
    """The environment variables that pass the credentials to git.

    Args:
        found: the credentials.
        present: the environment to which these variables are added.
        scratch: a private directory, for the script that git may run for a password.
    """
    if not found:
        return {}
    present_count = present.get("GIT_CONFIG_COUNT") or ""
    count = int(present_count) if present_count.isdigit() else 0
    environment: dict[str, str] = {}
    parameters = [present.get("GIT_CONFIG_PARAMETERS") or ""]
    for one in dict.fromkeys(found):
        key = f"http.{one.address}.extraHeader"
        # An empty value first resets a header that a configuration sets for more than this repository.
        for value in ("", one.header):
            environment[f"GIT_CONFIG_KEY_{count}"] = key
            environment[f"GIT_CONFIG_VALUE_{count}"] = value
            count += 1
            # In GIT_CONFIG_PARAMETERS the first = ends the key.
            if "=" not in key:
                # git requires the quotes, which shlex.quote omits if it can.
                parameters.append("'" + f"{key}={value}".replace("'", r"'\''") + "'")
    environment["GIT_CONFIG_PARAMETERS"] = " ".join(filter(None, parameters))
    environment["GIT_CONFIG_COUNT"] = str(count)
    environment["GIT_ASKPASS"] = _write_script(found, scratch)
    environment["GIT_TERMINAL_PROMPT"] = "0"
    return environment


def _write_script(found: Sequence[Credentials], scratch: str) -> str:
    """Write a script that answers git's prompts, for servers with exactly one pair of credentials."""
    pairs: dict[str, set[tuple[str, str]]] = {}
    for one in found:
        pairs.setdefault(one.server, set()).add((one.user, one.password))
    lines = ["#!/bin/sh", 'case "$1" in']
    for server, known in pairs.items():
        if len(known) > 1:
            continue
        ((user, password),) = known
        if not password:
            # Here the user is the token, and git would put it on the command line of the script.
            continue
        scheme, _separator, host = server.partition("://")
        for words, said in (("Username for ", user), ("Password for ", password)):
            exactly = shlex.quote(f"{words}'{server}':")
            # git includes the user in its password prompt.
            start, end = shlex.quote(f"{words}'{scheme}://"), shlex.quote(f"@{host}':")
            lines.append(f"{exactly}*|{start}*{end}*) printf '%s\\n' {shlex.quote(said)};;")
    lines += ["*) exit 1;;", "esac", ""]
    path = os.path.join(scratch, "askpass")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines))
    return path
