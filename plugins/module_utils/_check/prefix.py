# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installation and environment layers of llm_check: check the files of a prefix.

These checks start no conda process and import nothing. They read the records, the files that the records
list, and the metadata of the Python distributions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ansible_collections.llmfleet.conda.plugins.module_utils._check.footprint import Footprint
from ansible_collections.llmfleet.conda.plugins.module_utils._check.other_pythons import (
    of_other_pythons,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    ABSENT,
    Finding,
    Request,
    python_specifier,
    skipped,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.requirements import (
    broken_conda_requirements,
    broken_python_requirements,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channel_terms import (
    from_defaults,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import CONDA_PLATFORMS
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    conda_files,
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    look,
    places_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    PIP,
    Packages,
    damage_of,
    dist_info_key,
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    at_work,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    PipCopy,
    package_names,
    replaced_by_pip,
)

# How many packages and files a sentence names before "and N more".
_NAMED = 3
# Seconds between two looks at a lock that another run holds.
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Observed:
    """An observed prefix. Its files are inspected on first use, once for all checks.

    Attributes:
        state: its conda packages.
        packages: its Python distributions.
        error: why it could not be read; empty if it could.
        interrupted: a clause about an interrupted change; empty if there was none.
        busy: who is changing the prefix now; the rest is then unknown. Empty if nobody is.
        mark: the time of the last change of ``conda-meta`` before the prefix was read, see :func:`mark_of`.
        keeps: ``of_conda`` and ``of_pip`` are needed, for a pass that is kept.
        of_conda, of_pip: what the files of conda's packages and of pip's distributions looked like; complete
            after the first use of ``conda_damage`` and ``pip_damage``.
    """

    state: PrefixState
    packages: Packages
    error: str = ""
    interrupted: str = ""
    busy: str = ""
    mark: int = 0
    keeps: bool = True
    of_conda: Footprint = field(default_factory=Footprint, compare=False)
    of_pip: Footprint = field(default_factory=Footprint, compare=False)

    @cached_property
    def conda_damage(self) -> Mapping[str, list[str]]:
        """Damaged files of conda's packages, by package name."""
        found = damaged_files(self.state, self.of_conda.see if self.keeps else None)
        told = self.replaced if found else {}
        return {name: files for name, files in found.items() if name not in told}

    @cached_property
    def replaced(self) -> Mapping[str, PipCopy]:
        """The packages of conda that a task of conda_pip let pip replace."""
        return replaced_by_pip(self.state)

    @cached_property
    def pip_damage(self) -> Mapping[str, Sequence[str]]:
        """Damaged files of the distributions that conda does not own, by name."""
        own = [name for name, one in self.packages.by_name.items() if one.owner != CONDA]
        return damage_of(self.packages, own, self.of_pip.see if self.keeps else None)


def observe(
    prefix: str, *, thorough: bool = True, patience: float = 0, keeps: bool = True
) -> Observed:
    """Read a prefix; if this user may not read it, set ``error`` instead of raising an exception.

    Args:
        prefix: its absolute path.
        thorough: also read which files the packages have; without it, ``conda_damage`` is empty.
        patience: seconds to wait while another run is changing the prefix.
        keeps: see :class:`Observed`.
    """
    nothing = PrefixState(path=prefix, exists=False, is_environment=False, records={})
    deadline = time.monotonic() + patience
    while True:
        holder = at_work(prefix)
        if not holder:
            mark = mark_of(prefix)
            observed = replace(_observe_now(prefix, thorough, nothing), mark=mark, keeps=keeps)
            # A change that began meanwhile: what was read may be half of it.
            holder = at_work(prefix)
            if not holder:
                return observed
        if time.monotonic() >= deadline:
            return Observed(nothing, Packages(), busy=holder)
        time.sleep(_POLL_SECONDS)


def mark_of(prefix: str) -> int:
    """When a file of ``conda-meta`` last came or went, in nanoseconds; 0 without that directory.

    Every change of this collection or of conda adds or removes a file there.
    """
    try:
        return os.stat(os.path.join(prefix, "conda-meta")).st_mtime_ns
    except OSError:
        return 0


def _observe_now(prefix: str, thorough: bool, nothing: PrefixState) -> Observed:
    try:
        state = observe_prefix(prefix, thorough=thorough)
        packages = Packages()
        if state.site_packages is not None:
            files = conda_files(state.records.values())
            packages = observe_packages(prefix, state.site_packages, files)
        journal = pending_journal(prefix)
    except CondaModuleError as error:
        return Observed(nothing, Packages(), error.message)
    if journal is None:
        return Observed(state, packages)
    operation = journal.get("operation") or "change"
    interrupted = (
        f"an earlier {operation} was interrupted and left its journal {journal['journal']}"
    )
    return Observed(state, packages, interrupted=interrupted)


def check_installation_exists(observed: Observed, request: Request) -> Finding:
    """Check that the prefix is a conda installation: an environment that contains conda."""
    found = _exists(observed, "conda installation", request)
    if found.status != "pass":
        return found
    record = observed.state.records.get("conda")
    if record is None:
        return verdict(False, f"{observed.state.path} is an environment without conda.")
    return verdict(
        True,
        f"conda {record.version} is installed at {observed.state.path}.",
        {"conda_version": record.version},
    )


def check_environment_exists(observed: Observed, request: Request) -> Finding:
    """Check that ``conda-meta/history`` exists: the file by which conda recognizes an environment."""
    return _exists(observed, "environment", request)


def _exists(observed: Observed, what: str, request: Request) -> Finding:
    state = observed.state
    if observed.busy:
        text = f"{state.path} is being changed by {observed.busy}; waited {request.lock_timeout:g} seconds."
        return verdict(False, f"{text} Verify it again when that run has ended.")
    cut_off = f"; {observed.interrupted}" if observed.interrupted else ""
    if observed.error:
        return verdict(False, observed.error)
    if not state.exists:
        if request.check_mode and not cut_off:
            return Finding(ABSENT, f"The {what} is not there yet: {state.path} does not exist.")
        return verdict(False, f"There is no {what}: {state.path} does not exist{cut_off}.")
    if not state.is_environment:
        text = f"There is no {what}: {state.path} has no conda-meta/history{cut_off}."
        return verdict(False, text)
    return verdict(True, f"{state.path} is an environment of {len(state.records)} packages.")


def check_records(observed: Observed, request: Request) -> Finding:
    """Check that all records are readable and for this platform, and that no change was interrupted."""
    state = observed.state
    if observed.interrupted:
        return verdict(False, f"The packages are in an unknown state: {observed.interrupted}.")
    if state.problems:
        return verdict(False, _listed(state.problems, "records are damaged", "record is damaged"))
    uname = os.uname()
    here = CONDA_PLATFORMS.get((uname.sysname, uname.machine))
    foreign = sorted(
        f"{record.name} for {record.subdir}"
        for record in state.records.values()
        if record.subdir not in ("", "noarch", here)
    )
    if foreign:
        return verdict(
            False, _listed(foreign, f"packages are not for {here}", f"package is not for {here}")
        )
    return verdict(
        True,
        f"All {len(state.records)} package records are readable and for {here}.",
        {"packages": len(state.records)},
    )


def check_files(observed: Observed, request: Request) -> Finding:
    """Check that every file that conda linked exists and is not truncated."""
    state = observed.state
    damaged = observed.conda_damage
    total = sum(len(record.paths.files) for record in state.records.values())
    if damaged:
        return verdict(
            False,
            "Files are missing or truncated: " + _named_damage(damaged) + ".",
            {"damaged": {name: list(files)[:20] for name, files in sorted(damaged.items())}},
        )
    return verdict(
        True,
        f"All {total} files of {len(state.records)} conda packages are in place.",
        {"files": total},
    )


def check_python(observed: Observed, request: Request) -> Finding:
    """Check that the environment has the requested Python and an executable interpreter."""
    state = observed.state
    record = state.records.get("python")
    if record is None:
        if request.python_version is None and not request.imports:
            return skipped("The environment has no Python, and the task requires none.")
        asked = request.python_version or "any version"
        return verdict(False, f"The environment has no Python, expected {asked}.")
    measured = {"python_version": record.version}
    if not os.access(state.python, os.X_OK):
        return verdict(False, f"{state.python} is missing or cannot be executed.", measured)
    if request.python_version is None:
        return verdict(True, f"Python is {record.version}; any version is accepted.", measured)
    wanted = python_specifier(request.python_version, request.prefix)
    return verdict(
        wanted.contains(record.version),
        f"Python is {record.version}, expected {request.python_version}.",
        measured,
    )


def check_distributions(observed: Observed, request: Request) -> Finding:
    """Check that every distribution of pip has the files in its RECORD and is installed only once."""
    packages = observed.packages
    own = [name for name, one in packages.by_name.items() if one.owner != CONDA]
    damage = observed.pip_damage
    if damage:
        return verdict(
            False,
            "Distributions that pip installed are damaged: " + _named_damage(damage) + ".",
            {"damaged": {name: list(files)[:20] for name, files in sorted(damage.items())}},
        )
    return verdict(
        True,
        f"All files of the {len(own)} distributions that pip installed are in place.",
        {"distributions": len(own)},
    )


def check_owners(observed: Observed, request: Request) -> Finding:
    """Check that each distribution has one owner, conda or pip: its files are a mixture otherwise."""
    packages = observed.packages
    counts = {CONDA: 0, PIP: 0}
    told = {one.name for one in observed.replaced.values()}
    of_conda = {name: version for name, version in packages.of_conda if name not in told}
    both: list[str] = []
    names: list[str] = []
    for name, one in sorted(packages.by_name.items()):
        counts[one.owner] += 1
        if name not in of_conda:
            continue
        others = [
            path
            for path in (one.path, *packages.doubles.get(name, ()))
            if dist_info_key(path) not in packages.of_conda
        ]
        if others:
            found = ", ".join(os.path.basename(path) for path in others)
            both.append(f"{name} (conda's {of_conda[name]}, and {found})")
            names.append(name)
    measured = {**counts, "both": both}
    if both:
        text = _listed(both, "distributions have", "distribution has")
        return verdict(
            False,
            f"{text.rstrip('.')}: metadata of both conda and pip, so their files may be a mixture."
            f" To give them to conda alone, run on the controller: {_take_over(observed, request, names)}",
            measured,
        )
    return verdict(
        True,
        f"conda owns {counts[CONDA]} Python distributions, pip {counts[PIP]}, and no other's files.",
        measured,
    )


def _take_over(observed: Observed, request: Request, distributions: Sequence[str]) -> str:
    """The command that gives distributions to conda alone; HOST stands for the host's inventory name."""
    prefix = observed.state.path
    names = package_names(observed.state)
    packages = ",".join(sorted({names.get(name, name) for name in distributions}))
    above, envs = os.path.split(os.path.dirname(prefix))
    installation = request.installation or (above if envs == "envs" else "INSTALLATION")
    options = f"installation={installation} prefix={prefix} packages={packages}"
    return f"ansible HOST -m llmfleet.conda.conda_package -a '{options}'"


def check_requirements(observed: Observed, request: Request) -> Finding:
    """Check that the requirements of every package and distribution are installed in matching versions."""
    state, packages = observed.state, observed.packages
    broken = broken_conda_requirements(state.records)
    python = state.records.get("python")
    if python is not None:
        broken += broken_python_requirements(packages, python.version, python.subdir)
    if broken:
        return verdict(
            False,
            _listed(broken, "requirements are not met", "requirement is not met"),
            {"broken": broken[:20]},
        )
    return verdict(
        True,
        f"The requirements of {len(state.records)} conda packages and "
        f"{len(packages.by_name)} Python distributions are met.",
    )


def check_channels(observed: Observed, request: Request) -> Finding:
    """Check that no package is from ``defaults``, whose terms of service not every organisation accepts."""
    records = observed.state.records.values()
    names = sorted({record.channel_name for record in records if record.channel_name})
    licensed = sorted(record.label for record in records if from_defaults(record))
    measured = {"channels": names, "from_defaults": licensed[:20]}
    seen = ", ".join(names) or "no channel"
    if licensed and not request.allow_defaults:
        return verdict(
            False,
            _listed(licensed, "packages are from defaults", "package is from defaults")
            + " Set allow_defaults: true if the terms of service are accepted.",
            measured,
        )
    allowed = f", {len(licensed)} of them from defaults, which is allowed" if licensed else ""
    return verdict(True, f"The {len(records)} packages are from {seen}{allowed}.", measured)


def check_other_pythons(observed: Observed, request: Request) -> Finding:
    """List what a change of Python left behind; this check never fails."""
    try:
        return of_other_pythons(observed.state)
    except CondaModuleError as error:
        return skipped(str(error))


def check_in_use(observed: Observed, request: Request) -> Finding:
    """List the programs that run from the environment, for planning a change; this check never fails."""
    path = observed.state.path
    try:
        seen = look(places_of(path))
    except OSError as error:
        return skipped(f"Processes cannot be inspected: {error.strerror}.")
    if seen.problem:
        return skipped(f"Processes cannot be inspected: {seen.problem}.")
    measured = {"in_use": [user.as_dict() for user in seen.users]}
    partly = " This user cannot see processes of other users." if seen.unseen else ""
    if not seen.users:
        return verdict(True, f"No program runs from {path}.{partly}", measured)
    users = [f"{user.pid} of {user.user} ({user.command})" for user in seen.users]
    listed = _listed(users, f"processes use {path}", f"process uses {path}")
    return verdict(True, f"{listed}{partly}", measured)


def _listed(items: Sequence[str], several: str, one: str) -> str:
    """``3 records are damaged: a; b; c.`` and a count of the rest."""
    shown = "; ".join(items[:_NAMED])
    more = f"; and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return f"{len(items)} {several if len(items) != 1 else one}: {shown}{more}."


def _named_damage(damage: Mapping[str, Iterable[str]]) -> str:
    """``numpy (lib/a.so and 2 more), pandas (lib/b.py)``, and a count of further packages."""
    parts = []
    for name, files in sorted(damage.items())[:_NAMED]:
        paths = list(files)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        parts.append(f"{name} ({paths[0]}{more})")
    rest = f", and {len(damage) - _NAMED} more packages" if len(damage) > _NAMED else ""
    return ", ".join(parts) + rest


INSTALLATION_CHECKS = {
    "installation.exists": check_installation_exists,
    "installation.records": check_records,
    "installation.files": check_files,
}
ENVIRONMENT_CHECKS = {
    "environment.exists": check_environment_exists,
    "environment.records": check_records,
    "environment.python": check_python,
    "environment.files": check_files,
    "environment.distributions": check_distributions,
    "environment.owners": check_owners,
    "environment.requirements": check_requirements,
    "environment.channels": check_channels,
    "environment.other_pythons": check_other_pythons,
    "environment.in_use": check_in_use,
}
