# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the variables that ``conda activate`` sets: ``env_vars`` in ``conda-meta/state``.

The format is that of conda 4.8 to 26 (``conda.core.prefix_data.PrefixData.set_environment_env_vars``): a
JSON object. An unset variable keeps its name with a marker as its value, so that activation also removes it
from the shell.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import secrets_among

STATE = os.path.join("conda-meta", "state")
UNSET = "***unset***"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_state(prefix: str) -> dict[str, Any]:
    """Read ``conda-meta/state``; empty without such a file.

    Raises:
        CondaModuleError: the file exists but does not hold a JSON object.
    """
    path = os.path.join(prefix, STATE)
    problem = "it does not hold a JSON object"
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            state = json_document.load(stream)
        if isinstance(state, dict) and isinstance(state.get("env_vars") or {}, dict):
            return state
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        problem = str(error.strerror)
    except ValueError as error:
        problem = f"it is not JSON ({error})"
    raise CondaModuleError(
        f"The variables file {path} cannot be read: {problem}. Nothing was changed.",
        prefix=prefix,
        hint="correct or remove that file; conda activate fails on it too.",
    )


def set_variables(state: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that are set in ``state``, as ``conda env config vars list`` shows them."""
    return {name: value for name, value in (state.get("env_vars") or {}).items() if value != UNSET}


def state_with(state: Mapping[str, Any], wanted: Mapping[str, str | None]) -> str:
    """The text of ``conda-meta/state`` with ``wanted``; other content stays.

    A variable without a value is unset as ``conda env config vars unset`` does it.
    """
    variables = dict(state.get("env_vars") or {})
    for name, value in wanted.items():
        if value is not None:
            variables[name] = value
        elif name in variables:
            variables[name] = UNSET
    return json.dumps({**state, "env_vars": variables}, ensure_ascii=False)


def given_variables(given: Any, option: str) -> dict[str, str | None]:
    """Check the variables of an option; None means to unset a variable.

    Raises:
        CondaModuleError: a name is not a valid variable name, or a value is neither a string nor an integer.
    """
    problem = "" if isinstance(given, Mapping) else "expected a mapping of names to values"
    variables: dict[str, str | None] = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problem = f"{name!r} is not a valid variable name"
        elif value is None:
            variables[name] = None
        elif isinstance(value, bool) or not isinstance(value, (str, int)):
            problem = f"the value of {name} is neither a string nor an integer; quote it"
        elif re.search(r"[\0\r\n']", str(value)) or value == UNSET:
            # conda 24.7 writes export NAME='VALUE' for the shell and escapes nothing in it.
            problem = (
                f"the value of {name} contains a single quote or a line break, or is {UNSET}, conda's marker"
                " for an unset variable; conda activate would fail on it"
            )
        else:
            variables[name] = str(value)
    if problem:
        raise CondaModuleError(
            f"The variables of the option {option} cannot be used: {problem}. Nothing was changed.",
            hint="write variables such as OMP_NUM_THREADS: '4', with the values in quotes.",
        )
    return variables


def secret_values(variables: Any) -> set[str]:
    """The secrets among the values of variables; a path such as that in HF_TOKEN_PATH is none."""
    return secrets_among(variables) if isinstance(variables, Mapping) else set()
