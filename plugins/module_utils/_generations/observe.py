# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the generations of an environment: the link, state.json and the current generation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._environment import request as env
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan as CondaPlan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import (
    plan as plan_conda,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.kernelspec import (
    CURRENT,
    kernelspec_of,
    look,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import journal_of
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import missing_files
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import exchanged
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import observe as pip
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan as PipPlan
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Place,
    State,
    Verified,
    read_state,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    FROZEN,
    PrefixState,
    observe_prefix,
)

LINK, MISSING, DIRECTORY, OTHER = "link", "missing", "directory", "other"
"""What is at the path of the link: a link to a generation, nothing, a directory, or something else."""

KEPT = "(generations: "
"""How the line of the diff begins that tells which generations there are."""


@dataclass(frozen=True)
class Observed:
    """The observed environment.

    Attributes:
        state: the content of state.json.
        kind: what is at the path of the link.
        number: the current generation, or the last current one if the link is gone; None without one.
        base: the prefix with which the request is compared: that generation, or a plain directory; empty if
            there is no environment.
        packages: what is in it.
        conda, conda_plan: the same as conda_env observes it, and what conda_env would do.
        pip, pip_plan: the same of conda_pip; None if the task does not manage distributions.
        by_hand: how the generation differs from what was verified, as a clause; empty if it does not.
        lost: files of this collection that are missing in the generation, relative to its prefix.
        thawed: directories of the generation are writable, or its marker is missing.
        unfinished: what an interrupted run left, as a clause; empty without one.
        kernel: what is at the path of the kernelspec; empty if the task does not ask for it.
        kernel_path: that path; empty if Jupyter knows no such name.
    """

    state: State
    kind: str
    number: int | None = None
    base: str = ""
    packages: PrefixState | None = None
    conda: env.Observed | None = None
    conda_plan: CondaPlan = field(default_factory=CondaPlan)
    pip: pip.Observed | None = None
    pip_plan: PipPlan | None = None
    by_hand: str = ""
    lost: tuple[str, ...] = ()
    thawed: bool = False
    unfinished: str = ""
    kernel: str = ""
    kernel_path: str = ""

    def lines(self) -> list[str]:
        """The lines of the diff: the generation, conda's packages and Python's distributions."""
        if not self.base or self.conda is None:
            return []
        head = []
        if self.number is not None:
            head = [f"(generation: {self.number})", kept_line(self.state.known)]
        head += [f"(kernel: {self.kernel_path})"] if self.kernel == CURRENT else []
        return [*head, *self.conda.lines(), *(self.pip.lines() if self.pip else ())]


def kept_line(numbers: Iterable[int]) -> str:
    """The line of the diff that tells which generations there are."""
    return f"{KEPT}{', '.join(map(str, sorted(numbers)))})"


def observe(request: Request) -> Observed:
    """Read the environment from disk.

    Raises:
        CondaModuleError: one of its files cannot be read or parsed.
    """
    place = request.place
    state = read_state(place)
    kind = _kind(place)
    number = place.current() if kind == LINK else state.current if kind == MISSING else None
    base = place.link if kind == DIRECTORY else "" if number is None else place.path(number)
    seen = Observed(state, kind, number, unfinished=_unfinished(place, state, kind, number))
    spec = kernelspec_of(place.link)
    if spec is not None and (request.kernel is not None or request.state == "absent"):
        seen = replace(seen, kernel=look(spec), kernel_path=spec.path)
    packages = observe_prefix(base) if base else None
    if packages is None or not packages.is_environment:
        if packages is not None and number is not None:
            return replace(seen, by_hand=f"there is no environment at {packages.path}")
        return seen
    seen = replace(seen, base=base, packages=packages)
    if number is not None:
        seen = replace(
            seen,
            by_hand=unlike(state.known.get(number), packages),
            lost=() if number == 0 else tuple(missing_files(base, packages)),
            thawed=number != 0 and _thawed(packages),
        )
    return seen


def compared(request: Request, seen: Observed) -> Observed:
    """The observed environment, compared with what the task asks for.

    Raises:
        CondaModuleError: conda_env or conda_pip would refuse the task.
    """
    # The marker of a generation is as it should be. A plain directory has none, or one of somebody else.
    frozen = True if seen.number is not None and seen.base else None
    following = request.place.path(request.place.following(seen.state))
    conda = request.for_conda(seen.base or following, frozen=frozen)
    found = env.observe(conda)
    plan = plan_conda(conda, found)
    pip_request = request.for_pip(conda.prefix)
    if pip_request is None:
        return replace(seen, conda=found, conda_plan=plan)
    dists = pip.observe(pip_request)
    # conda_pip refuses a frozen environment. This one stays as it is: the next generation is changed.
    unfrozen = replace(dists, state=replace(dists.state, frozen=False))
    pip_plan = pip.plan(pip_request, unfrozen)
    return replace(seen, conda=found, conda_plan=plan, pip=dists, pip_plan=pip_plan)


def _kind(place: Place) -> str:
    if os.path.islink(place.link):
        return LINK if place.current() is not None else OTHER
    if not os.path.lexists(place.link):
        return MISSING
    if not os.path.isdir(place.link):
        return OTHER
    return DIRECTORY if os.listdir(place.link) else MISSING


def _unfinished(place: Place, state: State, kind: str, number: int | None) -> str:
    if journal_of(place) is not None:
        return "an interrupted run was building a generation"
    if exchanged(place):
        return f"an interrupted run had set {place.link} aside"
    if state.removing:
        return "an interrupted run was removing a generation"
    if kind == LINK and state.found and number != state.current:
        return f"{place.link} was switched without a note in state.json"
    return ""


def unlike(verified: Verified | None, packages: PrefixState) -> str:
    """How a generation differs from what was verified, as a clause; empty if it does not."""
    if verified is None:
        return f"{packages.path} was not verified by this collection"
    if verified.failed:
        return f"{packages.path} failed its verification: {verified.failed}"
    if records_digest(packages) != verified.records:
        return f"the packages of {packages.path} are not those that were verified"
    if distributions_digest(packages) != verified.distributions:
        return f"the Python distributions of {packages.path} are not those that were verified"
    return ""


def records_digest(packages: PrefixState) -> str:
    """A digest of the packages that conda linked."""
    lines = [f"{record.label} {record.md5}" for record in packages.records.values()]
    return _digest([*lines, *packages.bad_records])


def distributions_digest(packages: PrefixState) -> str:
    """A digest of the names of the distributions, which contain their versions."""
    try:
        names = os.listdir(packages.site_packages or os.devnull)
    except OSError:
        names = []
    return _digest(
        name for name in names if name.endswith((".dist-info", ".egg-info", ".egg-link"))
    )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _thawed(packages: PrefixState) -> bool:
    """Whether the directories that programs write to are writable, or the marker is gone."""
    if not packages.frozen:
        return True
    places = (packages.path, os.path.join(packages.path, "bin"), packages.site_packages or "")
    for path in places:
        try:
            if path and os.stat(path).st_mode & 0o222:
                return True
        except OSError:
            continue
    return not os.path.lexists(os.path.join(packages.path, FROZEN))
