# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and verifies one generation beside the current one."""

from __future__ import annotations

import getpass
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    module as conda_module,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
    EnvironmentChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
    LockError,
    parse_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import Notes
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Request as CondaRequest,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.solve import conda_for
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.checks import (
    FailedCheckError,
    run_checks,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.freeze import (
    freeze,
    mark,
    own_time,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.kernelspec import (
    lacks_ipykernel,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    Observed,
    distributions_digest,
    records_digest,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.pip_files import (
    link_distributions,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.prediction import (
    Prediction,
    as_cached,
    packages_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import (
    LISTS,
    write_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import (
    write_own_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import module as pip_module
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.change import PipChange
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import (
    observe as observe_pip,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import (
    claim,
    is_claimed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Verified
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    BUILDING,
    PrefixState,
    observe_prefix,
    python_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import list_instead
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    add_requests,
    forget_requests,
)

# Seconds for the first start of the interpreter by its launcher.
_START_SECONDS = 120


@dataclass
class Build:
    """Builds generation ``number`` of a request; the caller holds the lock.

    Attributes:
        warnings: of conda, pip and the checks.
    """

    request: Request
    seen: Observed
    number: int
    prediction: Prediction
    warnings: list[str] = field(default_factory=list)
    _directory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The prefix of the generation."""
        return self.request.place.path(self.number)

    def build(self) -> None:
        """Create the environment, install the distributions and write the own files.

        Raises:
            CondaModuleError: conda or pip failed; what was made is still there.
        """
        request = self.request
        conda = conda_for(request.for_conda(self.path))
        os.makedirs(request.place.store, exist_ok=True)
        write_journal(request.place, {"number": self.number})
        # micromamba creates no environment in a directory that exists.
        if conda.creates_in_directories:
            self._claim()
        try:
            self._create()
        finally:
            list_instead([self.path], request.place.link)
        if not is_claimed(self.path, self._directory, BUILDING):
            self._claim()
        write_own_files(self.path, observe_prefix(self.path))
        self._install()
        # pip may have replaced a package that had a file of that name.
        write_own_files(self.path, observe_prefix(self.path))

    def _claim(self) -> None:
        """Put the token into the directory by which the next run knows that it is this run's."""
        self._directory = claim(self.path, BUILDING)
        write_journal(self.request.place, {"number": self.number, "directory": self._directory})

    def _create(self) -> None:
        seed = self._seed()
        if seed:
            wanted = self.request.for_conda(self.path)
            seed = as_cached(seed, conda_for(wanted).caches)
            first = replace(
                wanted,
                wanted=(),
                lock=seed,
                state="present",
                prune=False,
                notes=Notes(),
                force_reinstall=False,
            )
            self._run_conda(first)
            self._settle_requests(wanted)
        # Usually nothing is left to do.
        settled = self.request.settled() if self.prediction.packages else self.request
        self._run_conda(settled.for_conda(self.path))

    def _run_conda(self, request: CondaRequest) -> None:
        outcome = conda_module.run(request, False, EnvironmentChange)
        self.warnings += outcome.warnings

    def _seed(self) -> tuple[LockedPackage, ...] | None:
        """The packages to begin with, so that an added package does not move all others.

        None for a lock, which names all packages, and for the first generation.
        """
        seen = self.seen
        if self.request.for_conda(self.path).lock is not None:
            return None
        if seen.by_hand:
            return self._listed()
        if self.prediction.packages is not None:
            return self.prediction.packages
        return packages_of(seen.packages) if seen.packages is not None else None

    def _listed(self) -> tuple[LockedPackage, ...] | None:
        """The packages of the current generation as they were verified."""
        if self.seen.number is None:
            return None
        path = self.request.place.path(self.seen.number) + LISTS
        try:
            with open(path, encoding="utf-8") as stream:
                return parse_lock(stream.read()) or None
        except (OSError, UnicodeDecodeError, LockError):
            return None

    def _settle_requests(self, wanted: CondaRequest) -> None:
        """Write the requests of the generation before, and those of the task, into the history."""
        records = observe_prefix(self.path).records
        before = requests(self.seen.base) if self.seen.base and not self.seen.by_hand else {}
        now = {item.spec.name: item.text for item in wanted.wanted if item.spec}
        asked = [text for name, text in {**before, **now}.items() if name in records]
        forget_requests(self.path)
        add_requests(self.path, asked, (), records.values())

    def _install(self) -> None:
        seen = self.seen
        if seen.packages is not None and seen.base and not self._other_distributions():
            link_distributions(seen.packages, observe_prefix(self.path))
        wanted = self.request.for_pip(self.path)
        if wanted is not None:
            outcome = pip_module.run(wanted, False, PipChange)
            self.warnings += outcome.warnings

    def _other_distributions(self) -> bool:
        """Whether people changed the distributions of the current generation."""
        seen = self.seen
        verified = seen.state.known.get(-1 if seen.number is None else seen.number)
        if verified is None or seen.packages is None:
            return seen.number is not None
        return verified.distributions != distributions_digest(seen.packages)

    # -- verification -----------------------------------------------------------------------------

    def verify(self) -> Verified:
        """Start the interpreter, run the checks, and make the generation read-only.

        Raises:
            FailedCheckError: a check failed; the message names it.
        """
        packages = observe_prefix(self.path, thorough=True)
        self._start(packages)
        lacks = lacks_ipykernel(packages) if self.request.kernel else ""
        if lacks:
            raise FailedCheckError(f"No kernel starts in it: {lacks}.", prefix=self.path)
        checks = run_checks(self.request, self.path)
        mark(self.request.place, self.number)
        if packages.site_packages is not None:
            relative = os.path.relpath(packages.site_packages, self.path)
            place = self.request.place
            numbers = [one for one in place.numbers() if one != self.number]
            own_time(
                packages.site_packages, [os.path.join(place.path(one), relative) for one in numbers]
            )
        freeze(self.path)
        return self.entry(checks=checks)

    def entry(self, *, checks: tuple[str, ...] = (), failed: str = "") -> Verified:
        """What state.json says about the generation."""
        packages = observe_prefix(self.path)
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = packages.labels()
        wanted = self.request.for_pip(self.path)
        if wanted is not None and not failed:
            lines += observe_pip(wanted).lines()
        self._write_list(packages)
        return Verified(
            number=self.number,
            created=now,
            verified="" if failed else now,
            run=self.request.run or f"{getpass.getuser()}, process {os.getpid()}",
            asked=self.request.asked,
            records=records_digest(packages),
            distributions=distributions_digest(packages),
            packages=tuple(lines),
            failed=failed,
            checks=checks,
        )

    def _write_list(self, packages: PrefixState) -> None:
        """Write the explicit list beside the generation: people may change its records."""
        found = packages_of(packages) or ()
        path = self.path + LISTS
        with open(f"{path}-unfinished", "w", encoding="utf-8") as stream:
            stream.write(
                "".join(f"{line}\n" for line in ("@EXPLICIT", *(one.line for one in found)))
            )
        os.replace(f"{path}-unfinished", path)

    def _start(self, packages: PrefixState) -> None:
        """Start the interpreter by its launcher: it must find itself in this generation."""
        if packages.python_version is None:
            return
        argv = [python_of(self.path), "-I", "-c", "import sys; print(sys.prefix)"]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=_START_SECONDS
            )
            said, good = f"{done.stdout}{done.stderr}".strip(), done.returncode == 0
        except (OSError, subprocess.SubprocessError) as error:
            said, good = str(error), False
        if not good or os.path.realpath(said) != os.path.realpath(self.path):
            raise FailedCheckError(
                f"{argv[0]} does not start, or not in its own prefix: {said[-500:]}.",
                prefix=self.path,
                asked=argv,
            )
