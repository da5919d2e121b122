# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match specs that a task requests, checked against linked packages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    MatchSpec,
    parse_match_spec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

# conda adds pip to every environment with a Python (option add_pip_as_python_dependency, on by default).
_COMES_WITH_PYTHON = ("pip",)


@dataclass(frozen=True)
class Wanted:
    """One requested spec; ``spec`` is None if only conda can parse the text."""

    text: str
    spec: MatchSpec | None


def parse_specs(texts: Iterable[str]) -> list[Wanted]:
    """Parse the option ``packages``.

    Raises:
        InvalidSpecError: conda would refuse one of them.
    """
    wanted = []
    for text in texts:
        try:
            wanted.append(Wanted(text.strip(), parse_match_spec(text)))
        except UnsupportedSpecError:
            wanted.append(Wanted(text.strip(), None))
    return wanted


def is_satisfied(wanted: Wanted, records: Mapping[str, PackageRecord]) -> bool:
    """Whether a linked package fulfils the spec; False if only conda can decide."""
    if wanted.spec is None or wanted.spec.name not in records:
        return False
    try:
        return wanted.spec.matches(records[wanted.spec.name])
    except InvalidSpecError:
        return False


def spec_name(text: str) -> str:
    """The package name in a spec or an item of ``depends``: ``six >=1.5``, ``six>=1.5``, ``a::six``."""
    return re.split(r"[\s=<>!~\[]", text.rpartition("::")[2].strip(), maxsplit=1)[0].lower()


def missing_dependencies(records: Mapping[str, PackageRecord]) -> list[str]:
    """Specs of dependencies that are not linked, as after an interrupted change."""
    missing: dict[str, str] = {}
    for record in records.values():
        for text in record.depends:
            name = spec_name(text)
            # Names with two leading underscores are virtual packages: facts about the host.
            if name not in records and not name.startswith("__"):
                missing[name] = text
    return [missing[name] for name in sorted(missing)]


def closure(names: Iterable[str], records: Mapping[str, PackageRecord]) -> set[str]:
    """``names`` and all their linked dependencies."""
    reached: set[str] = set()
    waiting = [name for name in names if name in records]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        depends = [spec_name(text) for text in records[name].depends]
        if name == "python":
            depends.extend(_COMES_WITH_PYTHON)
        waiting.extend(depend for depend in depends if depend in records)
    return reached


def unneeded(wanted: Iterable[Wanted], records: Mapping[str, PackageRecord]) -> list[str]:
    """Names of the linked packages that no spec names and that no named package depends on, sorted."""
    return sorted(set(records) - closure((item.spec.name for item in wanted if item.spec), records))


def dependents(names: Iterable[str], records: Mapping[str, PackageRecord]) -> set[str]:
    """``names`` and all packages in ``records`` that depend on them, directly or not."""
    reached = set(names)
    while True:
        more = {
            record.name
            for record in records.values()
            if record.name not in reached
            and any(spec_name(text) in reached for text in record.depends)
        }
        if not more:
            return reached
        reached |= more
