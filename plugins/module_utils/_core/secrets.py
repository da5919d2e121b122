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

# A path is no secret, and many messages contain it. But a password may begin with a slash, as one in 64
# Base64 texts does, so the name has to say that the value is a path.
_PLACE_NAME = re.compile(
    r"(?:^|_|-)(?:PATH|FILE|FILENAME|DIR|DIRECTORY|FOLDER|HOME|ROOT|LOCATION|CACHE|STORE|SOCK|SOCKET)$",
    re.IGNORECASE,
)
# The working directory in every process's environment.
_WORKING_DIRECTORY = ("PWD", "OLDPWD")
# By convention the path of a file, such as client_ssl_cert_key; people also write the key itself.
_KEY_FILE_NAME = re.compile(
    r"(?:^|_|-)(?:APPLICATION[_-]CREDENTIALS|(?:SSL|TLS|CERT|SSH|CLIENT|SERVER)[_-]KEY)$",
    re.IGNORECASE,
)
_START = r"~/|\.{1,2}/|\$\{?\w+\}?/"
_SUFFIX = r"\.(?:ce?rt?|cfg|conf|gpg|ini|json|key|netrc|p12|pem|toml|txt|ya?ml)\Z"
_PATH = re.compile(rf"/|file:|{_START}|[\w.-]+(?:/[\w.-]+)+{_SUFFIX}")
_PLAIN_PATH = re.compile(
    r"(?:file:/{1,3})?(?:/(?:data|etc|home|mnt|nfs|opt|private|root|run|scratch|srv|tmp|usr|var|Library|Users)/"
    rf"|{_START})[\w./ -]+\Z|/?[\w.-]+(?:/[\w.-]+)+{_SUFFIX}"
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
    return _among(value, "", named)


def _among(value: Any, name: str, named: bool) -> set[str]:
    """Return the secrets inside ``value``; ``name``: the innermost name that it has, if any."""
    if isinstance(value, Mapping):
        return set[str]().union(
            *(
                _among(item, str(key), named or names_a_secret(str(key)))
                for key, item in value.items()
            )
        )
    if isinstance(value, (list, tuple)):
        return set[str]().union(*(_among(item, name, named) for item in value))
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return set()
    text = str(value)
    given = [*_in_pairs(text), *([(name, text)] if named else ())]
    return secrets_in(text) | {
        one for key, one in given if len(one) >= SHORTEST_SECRET and not _is_path(key, one)
    }


def _is_path(name: str, value: str) -> bool:
    """Whether a value is shown although its name marks it as secret: both say that it is a path."""
    if _PLACE_NAME.search(name) or name in _WORKING_DIRECTORY:
        return _PATH.match(value) is not None
    return _KEY_FILE_NAME.search(name) is not None and _PLAIN_PATH.match(value) is not None


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


def _in_pairs(text: str) -> Iterator[tuple[str, str]]:
    for pair in _PAIR.finditer(text):
        if names_a_secret(pair["name"]) and not (pair["sign"] and pair["name"].islower()):
            yield pair["name"], pair["double"] or pair["single"] or pair["plain"]


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
