# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what users requested of an environment, ``conda-meta/history``.

The format is that of conda 4.4 to 26 (``conda.history.History``): comment lines such as ``# update specs:
['numpy', 'python=3.12']``. The last line about a package counts.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)

_SPECS = re.compile(r"#\s*(?P<action>\w+)\s*specs:\s*(?P<specs>.+)?")
_WANTED = frozenset({"update", "install", "create", "neutered"})
_UNWANTED = frozenset({"remove", "uninstall"})


def requests(prefix: str) -> dict[str, str]:
    """The specs that users requested, by name, installed or not; empty without a readable history."""
    try:
        with open(
            os.path.join(prefix, HISTORY), encoding="utf-8", errors="replace", opener=only_regular
        ) as stream:
            return requests_of(stream.read())
    except OSError:
        return {}


def requested_names(prefix: str) -> set[str]:
    """Names of the packages that users requested, installed or not; empty without a readable history."""
    return set(requests(prefix))


def requests_of(text: str) -> dict[str, str]:
    """The specs that the text of a history requests, by package name."""
    specs: dict[str, str] = {}
    for line in text.splitlines():
        found = _SPECS.match(line)
        if not found:
            continue
        mentioned = {_name(item): item for item in _items(found["specs"] or "") if _name(item)}
        if found["action"] in _WANTED:
            specs.update(mentioned)
        elif found["action"] in _UNWANTED:
            specs = {name: item for name, item in specs.items() if name not in mentioned}
    return specs


def is_of_installers(prefix: str) -> bool:
    """Whether every entry of the history is an installer's: nobody has changed the base since.

    An installer's program is in the prefix, but not where conda's is (``_conda``, formerly ``conda.exe``);
    the first entry may name the tool that built the installer (constructor 3.16). A history without entries,
    which an interrupted installer leaves, counts as an installer's.
    """
    try:
        with open(
            os.path.join(prefix, HISTORY), encoding="utf-8", errors="replace", opener=only_regular
        ) as stream:
            lines = stream.read().splitlines()
    except OSError:
        return False
    commands = [line.partition(":")[2].split() for line in lines if line.startswith("# cmd:")]
    entries = sum(line.startswith("==> ") for line in lines)
    return entries == len(commands) and all(_is_installer(prefix, words) for words in commands)


def _is_installer(prefix: str, command: Sequence[str]) -> bool:
    program = command[0] if command else ""
    if not os.path.isabs(program):
        return program.startswith("constructor")
    parts = os.path.relpath(os.path.realpath(program), os.path.realpath(prefix)).split(os.sep)
    return parts[0] not in (os.pardir, "bin", "condabin", "lib")


def _items(text: str) -> list[str]:
    """The specs of one line: a Python list, or words between commas as conda before 4.4 wrote them."""
    if text.startswith("["):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return []
        return [str(item) for item in found]
    # A comma may be part of a spec (numpy >=1.26,<2): an item that starts with an operator continues the one
    # before.
    return [item for item in text.split(",") if item.strip() and item.strip()[0] not in "<>=!~|*"]


def _name(spec: str) -> str:
    try:
        return parse_match_spec(spec).name
    except (InvalidSpecError, UnsupportedSpecError):
        return re.split(r"[\s=<>!~\[]", spec.rpartition("::")[2].strip(), maxsplit=1)[0]
