# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles what pip installed for a Python that the change of an environment replaces or removes.

Each minor version of Python has its own ``site-packages``. conda moves its own packages to the new one, but
not those of pip: they stay in the old directory, where the new Python does not find them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.old_python import library
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    PIP,
    Distribution,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    Requirement,
    logical_lines,
    parse_line,
    parse_metadata_requirement,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

REMOVE = "remove"


def old_python(observed: Observed) -> PackageRecord | None:
    """The Python before the change, also if its record is unreadable or an interrupted change lost it."""
    found = observed.state.records.get("python")
    if found is not None:
        return found
    for record in observed.lost:
        if record.name == "python":
            return record
    for name in observed.state.bad_records:
        parts = name[: -len(".json")].rsplit("-", 2)
        if len(parts) == 3 and parts[0] == "python":
            return PackageRecord(parts[0], parts[1], parts[2])
    return None


def minor_version(version: str) -> str:
    """``major.minor`` of a full version of Python."""
    return ".".join(version.split(".")[:2])


def python_in(lines: Iterable[str]) -> str | None:
    """``major.minor`` of the Python among the lines of an environment, None without one."""
    for line in lines:
        name, _blank, rest = line.partition(" ")
        if name == "python" and rest[:1].isdigit():
            return minor_version(rest.split(" ", 1)[0])
    return None


def installed_by_pip(state: PrefixState, version: str) -> dict[str, Distribution]:
    """The distributions that pip installed for the Python ``version`` (major.minor), by name.

    Raises:
        CondaModuleError: the directory cannot be read.
    """
    site = f"{state.path}/{library(version)}/site-packages"
    packages = observe_packages(state.path, site, conda_files(state.records.values()))
    return {name: one for name, one in sorted(packages.by_name.items()) if one.owner == PIP}


def label(one: Distribution) -> str:
    """``name==version``, with the source of a distribution that was not installed from an index."""
    url = str((one.direct_url or {}).get("url") or "")
    return f"{one.name}=={one.version}" + (f" @ {redact(url)}" if url else "")


def unknown_to_task(
    request: Request, theirs: Mapping[str, Distribution], python: PackageRecord
) -> dict[str, Distribution]:
    """Those of pip's distributions that no requirement line of the task names or needs.

    Args:
        request: its requirement lines are installed again by a later task.
        theirs: pip's distributions by name.
        python: the old Python, for the markers.
    """
    environment = environment_of(python.version, python.subdir)
    known: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [line for line in _parsed(request.pip_later) if line.applies(environment)]
    while pending:
        line = pending.pop()
        one = theirs.get(line.name)
        if one is None or (line.name, line.extras) in seen:
            continue
        seen.add((line.name, line.extras))
        known.add(line.name)
        needed = map(parse_metadata_requirement, one.requires)
        pending += [
            item for item in needed if item and item.applies(environment, ["", *line.extras])
        ]
    return {name: one for name, one in theirs.items() if name not in known}


def _parsed(lines: Iterable[str]) -> Iterator[Requirement]:
    for _number, text in logical_lines("\n".join(lines)):
        try:
            yield parse_line(text)
        except InvalidRequirement:
            # conda_pip, which is to install it, names what is wrong with it.
            continue


def pip_removed(
    request: Request,
    theirs: Mapping[str, Distribution],
    python: PackageRecord,
    after: str | None,
) -> tuple[str, ...]:
    """The diff lines of pip's distributions that a change of Python removes.

    Args:
        request: says what may be removed.
        theirs: pip's distributions by name.
        python: the old Python.
        after: the new Python as major.minor, None if the change removes Python.

    Raises:
        CondaModuleError: the task does not allow it; nothing was changed.
    """
    before = minor_version(python.version)
    refused = unknown_to_task(request, theirs, python) if request.on_python_change != REMOVE else {}
    if refused:
        done = f"replace Python {before} by {after}" if after else f"remove Python {before}"
        raise CondaModuleError(
            f"conda would {done} in {request.prefix}, but pip has installed distributions for Python"
            f" {before} there: {', '.join(map(label, refused.values()))}. Nothing was changed.",
            prefix=request.prefix,
            asked=list(request.specs),
            hint="name what conda_pip installs again after this task in pip_requirements, or set"
            " pip_on_python_change: remove to remove these distributions, or request packages that keep"
            f" Python {before}.",
            error_kind="python_change",
            python_before=before,
            python_after=after or "",
            pip_distributions=list(map(label, refused.values())),
        )
    return tuple(f"{label(one)} (pip, Python {before})" for one in theirs.values())


def removal_warning(request: Request, lines: Iterable[str], before: str, after: str | None) -> str:
    """The warning of a change that removes pip's distributions."""
    names = ", ".join(line.rsplit(" (pip,", 1)[0] for line in lines)
    done = f"Python {after} replaces Python {before}" if after else f"Python {before} is removed"
    again = "Install what is still needed again with llmfleet.conda.conda_pip."
    return f"{done} in {request.prefix}. This removes what pip installed there: {names}." + (
        f" {again}" if after else ""
    )
