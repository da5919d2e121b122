# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for a conda installation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ansible_collections.llmfleet.conda.plugins.module_utils._claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._collisions import settle
from ansible_collections.llmfleet.conda.plugins.module_utils._conda_command import Conda, Solution
from ansible_collections.llmfleet.conda.plugins.module_utils._conda_leftovers import clear_up
from ansible_collections.llmfleet.conda.plugins.module_utils._environment_registry import (
    forget_environments,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._glibc import (
    host_glibc,
    needed_by_installer,
    refuse_old_glibc,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation_access import (
    Access,
    AccessManager,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation_plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    exact_version,
    host_platform,
    observe_installation,
    plan_installation,
    refuse_environments,
    wanted_conda,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer import (
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer_file import (
    foresee_installer_file,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer_run import (
    InstallerRun,
    clear_workspace,
    conda_starts,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._linked_files import (
    damaged_files,
    refuse_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._package_cache import package_caches
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    HISTORY,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix_removal import (
    Contents,
    examine,
    refuse_mounts,
    remain,
    remove_half_made,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._set_aside import Aside
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    INSTALLER_BEGUN,
    add_to_journal,
    forget_journal,
    journalled,
    locked,
    old_history,
    pending_journal,
    remove_old_locks,
    same_history,
)

if TYPE_CHECKING:
    from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard


@dataclass(frozen=True)
class InstallationOutcome:
    """What the module reports; ``warnings`` are sentences on what went well only in the end."""

    changed: bool
    plan: InstallationPlan
    before: str
    after: str
    observed: ObservedInstallation
    warnings: tuple[str, ...] = ()


class InstallationManager:
    """Carries one request through the cycle."""

    def __init__(self, request: InstallationRequest, check_mode: bool = False) -> None:
        self.request = request
        self.check_mode = check_mode
        self.warnings: list[str] = []
        self.in_use: list[dict[str, Any]] = []
        self.use_warnings: list[str] = []
        # To remove an installation, its owner need not be known any more.
        wanted = request.access if request.state == "present" else Access()
        self.access = AccessManager(request.prefix, wanted)

    def run(self) -> InstallationOutcome:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, a step failed, or the disk does not show the plan.
        """
        request = self.request
        observed = observe_installation(request.prefix, request.repair)
        if observed.interrupted and self._aside.waits():
            # What is at the prefix now is half of something: the plan is made when that is taken back.
            return self._go_on(observed)
        todo = plan_installation(request, observed, *host_platform())
        if todo.action in ("install", "reinstall"):
            self._refuse_old_host()
        before = self._describe(observed)
        if not todo and (self.check_mode or observed.interrupted is None):
            if not self.check_mode:
                remove_old_locks(request.prefix)
            return InstallationOutcome(False, todo, before, before, observed)
        if self.check_mode:
            self._examined(todo)
            if todo.installer and todo.action in ("install", "reinstall"):
                foresee_installer_file(todo.installer, request.prefix)
            self._check_use(todo, observed)
            after = self._predict(todo, observed)
            return InstallationOutcome(True, todo, before, after, observed, tuple(self.warnings))
        return self._guard.until_unused(lambda: self._run_with_lock(todo))

    @cached_property
    def _aside(self) -> Aside:
        return Aside(self.request.prefix, installation=True)

    def _go_on(self, observed: ObservedInstallation) -> InstallationOutcome:
        """Have a run finished or taken back that was cut off while people's files were moved aside."""
        reason = f"a run was cut off that had moved {self.request.prefix} aside"
        todo = InstallationPlan(reasons=(reason,))
        if not self.check_mode:
            return self._guard.until_unused(lambda: self._run_with_lock(todo))
        self._aside.foresee()
        before = self._describe(observed)
        warning = f"{reason}: that is finished or taken back first, and what is to do then is not known yet."
        return InstallationOutcome(True, todo, before, before, observed, (warning,))

    def _run_with_lock(self, todo: InstallationPlan) -> InstallationOutcome:
        with locked(
            self.request.prefix,
            operation=_operation(todo),
            caches=package_caches(self.request.prefix),
            timeout=self.request.timeout,
        ):
            return self._run_locked()

    @cached_property
    def _guard(self) -> Guard:
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import Guard

        request = self.request
        return Guard(
            request.prefix, request.in_use, request.in_use_timeout, self.check_mode,
            self.in_use, self.use_warnings,
        )  # fmt: skip

    def _check_use(self, todo: InstallationPlan, observed: ObservedInstallation) -> None:
        """Apply the option in_use."""
        from ansible_collections.llmfleet.conda.plugins.module_utils._in_use import (
            unlinked_by_installation,
        )

        def upgraded() -> list[str]:
            solution = self._conda([_conda_spec(todo.conda_version)], [], dry_run=True)
            return [label.split()[0] for label in solution.unlink]

        self._guard.check(unlinked_by_installation(todo, observed, upgraded))

    def _refuse_old_host(self) -> None:
        request = self.request
        needed = request.minimum_glibc or needed_by_installer(
            request.distribution, self._expected_version(), *host_platform()
        )
        refuse_old_glibc(
            host_glibc(), needed, prefix=request.prefix, option=bool(request.minimum_glibc)
        )

    def _run_locked(self) -> InstallationOutcome:
        # Observed and planned anew: another run may have done the work while this one waited for the lock.
        request = self.request
        recovered = self._aside.recover()
        self.warnings += self._aside.warnings
        clear_workspace(request.prefix)
        old_history(request.prefix)
        if pending_journal(request.prefix) and os.path.isfile(
            os.path.join(request.prefix, HISTORY)
        ):
            # The installer's conda was killed, or the one that was to bring another conda.
            self.warnings += settle(request.prefix, package_caches(request.prefix))
            clear_up(request.prefix)
        observed = observe_installation(request.prefix, request.repair)
        todo = plan_installation(request, observed, *host_platform())
        before = self._describe(observed)
        if not todo:
            if observed.interrupted == "remove":
                forget_environments(request.prefix)
            if recovered or observed.interrupted == "remove":
                forget_journal(request.prefix)
            return InstallationOutcome(
                recovered, todo, before, before, observed, tuple(self.warnings)
            )
        contents = self._examined(todo)
        self._check_use(todo, observed)
        # Until an installer has ended, its work stays unfinished, whoever goes on with it.
        details = {"installer": INSTALLER_BEGUN} if observed.unfinished else None
        with journalled(request.prefix, operation=_operation(todo), details=details):
            self._apply(todo, observed, contents)
        seen = observe_installation(request.prefix, request.repair)
        self._verify(todo, seen)
        if todo.action in ("upgrade", "downgrade"):
            after = self._text(seen.version, [])
        else:
            after = self._predict(todo, observed)
        return InstallationOutcome(True, todo, before, after, seen, tuple(self.warnings))

    def _predict(self, todo: InstallationPlan, observed: ObservedInstallation) -> str:
        """The state after the plan, as far as it can be known before; conda is asked where it must solve."""
        if todo.action == "remove":
            return ""
        if todo.action in ("upgrade", "downgrade"):
            return self._text(self._solved_version(todo) or todo.conda_version, [])
        kept = observed.is_installation and not observed.unfinished
        installed = observed.version if kept else self._expected_version()
        pin = self.request.conda_spec
        if pin and not (installed and pin.matches(installed)):
            installed = exact_version(pin.text) or pin.text
        return self._text(installed, [])

    def _expected_version(self) -> str | None:
        return parse_installer_version(self.request.distribution, self.request.version).conda

    def _solved_version(self, todo: InstallationPlan) -> str | None:
        solution = self._conda([_conda_spec(todo.conda_version)], [], dry_run=True)
        labels = (label.split() for label in solution.link)
        return next((words[1] for words in labels if words[0] == "conda"), None)

    # -- apply --------------------------------------------------------------------------------------

    def _examined(self, todo: InstallationPlan) -> Contents | None:
        """What would be removed, where something would; what would be moved aside is only looked at.

        Raises:
            CondaModuleError: a volume is mounted in it, or it holds environments that nobody named.
        """
        request = self.request
        if todo.action not in ("remove", "reinstall"):
            if todo.action in ("repair", "upgrade", "downgrade"):
                refuse_directories(observe_prefix(request.prefix, thorough=True))
            return None
        contents = examine(
            request.prefix, installation=True, caches=[os.path.join(request.prefix, "pkgs")]
        )
        if todo.action == "reinstall":
            refuse_mounts(contents)
            if contents.state.cleared or contents.foreign:
                self._aside.refuse()
            return None
        refuse_environments(request, contents.nested)
        refuse_mounts(contents)
        if contents.foreign and not request.remove_foreign:
            self.warnings.append(remain(request.prefix, contents.foreign))
        return contents

    def _apply(
        self, todo: InstallationPlan, observed: ObservedInstallation, contents: Contents | None
    ) -> None:
        prefix = self.request.prefix
        if contents is not None:
            add_to_journal(prefix, directory=claim(prefix))
            remove_prefix(contents, remove_foreign=self.request.remove_foreign)
            forget_environments(prefix)
            return
        if todo.action in ("install", "reinstall", "repair"):
            with self._room_for(todo, observed):
                self._install(todo, observed)
            version = observe_installation(prefix, repair=False)
            wanted = wanted_conda(self.request, version) if self.request.conda_version else None
        else:
            wanted = todo.conda_version
        if wanted:
            self._conda([_conda_spec(wanted)], [])
        if self.access.wanted:
            self.access.apply()

    @contextmanager
    def _room_for(self, todo: InstallationPlan, observed: ObservedInstallation) -> Iterator[None]:
        """Have nothing at the prefix where an installer starts anew; people's files come back afterwards."""
        prefix = self.request.prefix
        if todo.action != "reinstall":
            yield
            return
        caches = [os.path.join(prefix, "pkgs")]
        if observed.state.cleared or remove_half_made(prefix, installation=True, caches=caches):
            aside = Aside(prefix, installation=True)
            with aside.moved():
                yield
            self.warnings += aside.warnings
        else:
            yield

    def _install(self, todo: InstallationPlan, observed: ObservedInstallation) -> None:
        if todo.action == "repair" and self._repair_with_conda(observed):
            return
        if todo.installer is None:
            raise AssertionError(f"the plan to {todo.action} names no installer")
        request = self.request
        installer_run = InstallerRun(
            request.prefix, todo.installer, request.installer_option, request.timeout
        )
        try:
            installer_run.run(todo.action, observed)
        except CondaModuleError as error:
            # Not finished either: the journal has to stay.
            error.cut_off = error.cut_off or observed.unfinished
            raise

    def _conda(
        self, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        chosen = list(options)
        if self.request.channels:
            chosen.append("--override-channels")
            for channel in self.request.channels:
                chosen.extend(["--channel", channel])
        conda = Conda(self.request.prefix, timeout=self.request.timeout)
        solution = conda.install(self.request.prefix, specs, chosen, dry_run=dry_run)
        self.warnings += conda.warnings
        return solution

    def _repair_with_conda(self, observed: ObservedInstallation) -> bool:
        """Mend the base with its own conda, which keeps everything else; False when it cannot."""
        state = observed.state
        if (
            not observed.is_installation
            or observed.unfinished
            or observed.missing
            or state.bad_records
            or "python" not in state.records
        ):
            return False
        exact = [
            f"{name}={state.records[name].version}={state.records[name].build}"
            for name in observed.damaged
        ]
        starts = conda_starts(self.request.prefix)
        if not exact or not starts:
            return not exact and starts
        try:
            with same_history(self.request.prefix):
                self._conda(exact, ["--force-reinstall"])
        except CondaModuleError:
            return False
        return not damaged_files(observe_prefix(self.request.prefix, thorough=True))

    # -- observe again ------------------------------------------------------------------------------

    def _verify(self, todo: InstallationPlan, seen: ObservedInstallation) -> None:
        wrong: list[str] = []
        if todo.action == "remove":
            if not (seen.state.empty or seen.state.cleared):
                wrong.append("it is still there")
        elif not seen.is_installation:
            wrong.append("no conda is there")
        else:
            wrong.extend(seen.faults())
            wrong.extend(self._version_faults(todo, seen))
            if todo.action in ("upgrade", "downgrade") and not conda_starts(self.request.prefix):
                wrong.append(f"its conda does not start any more: it is {seen.version}")
            if self.access.wanted:
                wrong.extend(self.access.faults())
        if wrong:
            raise CondaModuleError(
                f"After the step '{todo.action}' the installation {self.request.prefix} is not as asked:"
                f" {'; '.join(wrong)}.",
                prefix=self.request.prefix,
                hint="look for a full disk, then run the task again.",
            )

    def _version_faults(self, todo: InstallationPlan, seen: ObservedInstallation) -> list[str]:
        if self.request.conda_version:
            missing, option = wanted_conda(self.request, seen), "conda_version"
        else:
            fresh = todo.action in ("install", "reinstall")
            expected = todo.conda_version or (self._expected_version() if fresh else None)
            missing, option = (expected if expected != seen.version else None), "version"
        if not missing:
            return []
        return [f"conda {seen.version} is there instead of {missing} (option {option})"]

    # -- show ---------------------------------------------------------------------------------------

    def _describe(self, observed: ObservedInstallation) -> str:
        if not observed.is_installation:
            return "" if observed.state.empty or observed.state.cleared else "half made\n"
        return self._text(observed.version, observed.faults(), self._access_faults())

    def _access_faults(self) -> list[str]:
        return self.access.faults() if self.access.wanted else []

    def _text(
        self, version: str | None, faults: Sequence[str], access_faults: Sequence[str] = ()
    ) -> str:
        lines = [
            "installation present",
            f"conda {version}" if version else "conda as the installer brings it",
            *(access_faults or self.access.lines()),
            *faults,
        ]
        return "".join(f"{line}\n" for line in lines)


def _conda_spec(version: str | None) -> str:
    """The spec for conda itself; in brackets every form of a condition can be written."""
    return f"conda[version='{version}']"


def _operation(todo: InstallationPlan) -> str:
    """What the journal calls the change; a reinstallation that is cut off is a cut-off installation."""
    return {"reinstall": "install", "": "change"}.get(todo.action, todo.action)
