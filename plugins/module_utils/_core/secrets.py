# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets in the options of a task and in texts.

A secret is a credential in a URL (``redact``), or a value whose name marks it as secret: a variable such as
``HF_TOKEN``, a setting, a line ``NAME: value`` of a YAML text. The result is for
``AnsibleModule.no_log_values``, which masks these texts in the host's log and in the module's result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in

# A path is no secret, and many messages contain it: HF_TOKEN_PATH, client_ssl_cert_key.
_PATH = re.compile(
    r"(?:/|~/|\.{1,2}/|\$\{?\w+\}?/|file:)"
    r"|[\w.-]+(?:/[\w.-]+)+\.(?:ce?rt?|cfg|conf|gpg|ini|json|key|netrc|p12|pem|toml|txt|ya?ml)\Z"
)
_WORDS = "TOKENS?|PASS|PASSWD|PASSWORD|PWD|PASSPHRASE|SECRETS?|CREDENTIALS?|KEY|AUTH|SIGNATURE|PAT|DSN|JWT"
_NAMED = re.compile(
    # PGPASSWORD, WANDBAPIKEY and accessToken have no separator between their words.
    rf"(?:^|_|-)(?:{_WORDS})(?:_|-|$)|(?:TOKEN|PASSWD|PASSWORD|PASSPHRASE|SECRET|APIKEY)$",
    re.IGNORECASE,
)
# Ansible masks a secret wherever it occurs; a shorter one would mask parts of versions and names.
SHORTEST_SECRET = 6
# `NAME: value` of YAML or JSON, and `NAME=value` of a shell. `name=1.0` in lower case is a match spec.
_PAIR = re.compile(
    r"(?<![\w.$/-])(?P<quote>['\"]?)(?P<name>[A-Za-z][\w-]{1,80})(?P=quote)"
    r"(?:[ \t]{0,3}:[ \t]{1,8}|(?P<sign>=)(?!=))"
    r"(?:\"(?P<double>[^\"\n]+)\"|'(?P<single>[^'\n]+)'|(?P<plain>[^\s'\",{}\[\]#&*!|>%@`][^\s,}\]]*))"
)


def names_a_secret(name: str) -> bool:
    """Whether a variable or setting of this name holds a secret."""
    return _NAMED.search(name) is not None


def secrets_among(value: Any, *, named: bool = False) -> set[str]:
    """Return the secrets inside ``value``; ``named``: the name of ``value`` marks it as secret."""
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
    given = {*_in_pairs(text), *([text] if named else ())}
    return secrets_in(text) | {
        one for one in given if len(one) >= SHORTEST_SECRET and not _PATH.match(one)
    }


def secrets_of_task(options: Mapping[str, Any]) -> set[str]:
    """Return the secrets of a task's options, whose types may be wrong, also after variable expansion."""
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
    """Return all texts of an option ``variables`` that is not a mapping: none of it may be shown."""
    if isinstance(value, (list, tuple)):
        return set[str]().union(*map(_unread_variables, value))
    if not isinstance(value, Mapping):
        return set()
    given = value.get("variables")
    rest = [item for name, item in value.items() if name != "variables"]
    return _unread_variables(rest) | (
        set() if isinstance(given, Mapping) else secrets_among(given, named=True)
    )
