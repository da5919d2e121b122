# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets in the options of a task and in texts.

A secret is a credential in an address (``redact``), or the value of anything whose name says so: a variable
such as ``HF_TOKEN``, a setting, a line ``NAME: value`` of a YAML text. The result is for
``AnsibleModule.no_log_values``, which masks these texts in the host's log and in what the module returns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in

_WORDS = "TOKENS?|PASS|PASSWD|PASSWORD|PWD|PASSPHRASE|SECRETS?|CREDENTIALS?|KEY|AUTH|SIGNATURE|PAT|DSN|JWT"
_NAMED = re.compile(
    # PGPASSWORD, WANDBAPIKEY and accessToken have no sign between their words.
    rf"(?:^|_|-)(?:{_WORDS})(?:_|-|$)|(?:TOKEN|PASSWD|PASSWORD|PASSPHRASE|SECRET|APIKEY)$",
    re.IGNORECASE,
)
# What is masked is masked wherever it occurs; shorter ones would tear holes into versions and names.
SHORTEST_SECRET = 6
# `NAME: value` of YAML or JSON, and `NAME=value` of a shell. `name=1.0` in small letters is a match spec.
_PAIR = re.compile(
    r"(?<![\w.$/-])(?P<quote>['\"]?)(?P<name>[A-Za-z][\w-]{1,80})(?P=quote)"
    r"(?:[ \t]{0,3}:[ \t]{1,8}|(?P<sign>=)(?!=))"
    r"(?:\"(?P<double>[^\"\n]+)\"|'(?P<single>[^'\n]+)'|(?P<plain>[^\s'\",{}\[\]#&*!|>%@`][^\s,}\]]*))"
)


def names_a_secret(name: str) -> bool:
    """Whether a variable or a setting of this name holds a secret."""
    return _NAMED.search(name) is not None


def secrets_among(value: Any, *, named: bool = False) -> set[str]:
    """The secrets inside ``value``; ``named``: it belongs to something whose name says that it is one."""
    if isinstance(value, Mapping):
        return set[str]().union(
            *(
                secrets_among(item, named=named or names_a_secret(str(name)))
                for name, item in value.items()
            )
        )
    if isinstance(value, (list, tuple)):
        return set[str]().union(*(secrets_among(item, named=named) for item in value))
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return set()
    text = str(value)
    found = secrets_in(text) | {
        secret for secret in _in_pairs(text) if len(secret) >= SHORTEST_SECRET
    }
    # A path is no secret, and is named in many messages.
    if named and len(text) >= SHORTEST_SECRET and not text.startswith(("/", "~/")):
        found.add(text)
    return found


def secrets_of_task(options: Mapping[str, Any]) -> set[str]:
    """The secrets of a task's options, whose types may be wrong, with the host's variables put in."""
    return secrets_among(options) | _unread_variables(options) | _expanded(options)


def _expanded(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set[str]().union(*map(_expanded, value.values()))
    if isinstance(value, (list, tuple)):
        return set[str]().union(*map(_expanded, value))
    if not isinstance(value, str) or "$" not in value:
        return set()
    return secrets_in(os.path.expandvars(value))


def _in_pairs(text: str) -> Iterator[str]:
    for pair in _PAIR.finditer(text):
        if names_a_secret(pair["name"]) and not (pair["sign"] and pair["name"].islower()):
            yield pair["double"] or pair["single"] or pair["plain"]


def _unread_variables(value: Any) -> set[str]:
    """What an option ``variables`` holds that is no mapping: nothing of it should be shown."""
    if isinstance(value, (list, tuple)):
        return set[str]().union(*map(_unread_variables, value))
    if not isinstance(value, Mapping):
        return set()
    given = value.get("variables")
    rest = [item for name, item in value.items() if name != "variables"]
    return _unread_variables(rest) | (
        set() if isinstance(given, Mapping) else secrets_among(given, named=True)
    )
