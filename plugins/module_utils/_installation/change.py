# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a conda installation: the part that a run without changes never imports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda, Solution
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.package_cache import (
    package_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.host_floor import (
    refuse_old_host,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installer_file import (
    foresee_installer_file,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installer_run import (
    InstallerRun,
    clear_workspace,
    conda_starts,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    exact_version,
    host_platform,
    observe_installation,
    refuse_environments,
    wanted_conda,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.subject import (
    InstallationSubject,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.aside import Aside
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.collisions import settle
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    GuardedChange,
    Unlinking,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import clear_up
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    damaged_files,
    refuse_directories,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    HISTORY,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    Contents,
    examine,
    refuse_mounts,
    remain,
    remove_half_made,
    remove_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    old_history,
    preserve_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    INSTALLER_BEGUN,
    add_to_journal,
    forget_journal,
    journalled,
    locked,
    moved_aside_reason,
    pending_journal,
)


class InstallationChange(GuardedChange[InstallationPlan, ObservedInstallation, str]):
    """Changes the installation of one request."""

    def __init__(self, request: InstallationRequest, check_mode: bool) -> None:
        GuardedChange.__init__(
            self, request.prefix, request.in_use, request.in_use_timeout, check_mode
        )
        self.request = request
        self.check_mode = check_mode
        self._messages: list[str] = []
        self._subject = InstallationSubject(request)
        self.access = self._subject.access
        self._contents: Contents | None = None
        self._aside = Aside(request.prefix, installation=True)

    @property
    def warnings(self) -> list[str]:
        """Warnings of this change."""
        return [*self._messages, *self.guard.warnings]

    def refuse(self, plan: InstallationPlan, observed: ObservedInstallation) -> None:
        """Refuse a host that is too old for the installer."""
        if plan.action in ("install", "reinstall"):
            refuse_old_host(self.request, *host_platform())

    def lock(self, plan: InstallationPlan | None) -> AbstractContextManager[None]:
        """Lock the prefix and the package caches of its conda against other runs."""
        return locked(
            self.request.prefix,
            operation=_operation(plan or InstallationPlan()),
            caches=package_caches(self.request.prefix),
            timeout=self.request.timeout,
        )

    def recover(self) -> bool:
        """Move back what an interrupted run had moved aside, and clean up after it."""
        prefix = self.request.prefix
        recovered = self._aside.recover()
        self._messages += self._aside.warnings
        clear_workspace(prefix)
        old_history(prefix)
        if pending_journal(prefix) and os.path.isfile(os.path.join(prefix, HISTORY)):
            # The installer's conda was killed, or the conda that was to install another version.
            self._messages += settle(prefix, package_caches(prefix))
            clear_up(prefix)
        return recovered

    def examine(self, plan: InstallationPlan, observed: ObservedInstallation) -> None:
        """List what would be removed or moved aside.

        Raises:
            CondaModuleError: a volume is mounted in it, or it contains environments that the task does not
                remove.
        """
        self._contents = None
        request = self.request
        if plan.action not in ("remove", "reinstall"):
            if plan.action in ("repair", "upgrade", "downgrade"):
                refuse_directories(observe_prefix(request.prefix, thorough=True))
            return
        contents = examine(
            request.prefix, installation=True, caches=[os.path.join(request.prefix, "pkgs")]
        )
        if plan.action == "reinstall":
            refuse_mounts(contents)
            if contents.state.cleared or contents.foreign:
                self._aside.refuse()
            return
        refuse_environments(request, contents.nested)
        refuse_mounts(contents)
        if contents.foreign and not request.remove_foreign:
            self._messages.append(remain(request.prefix, contents.foreign))
        self._contents = contents

    def check_use(
        self,
        plan: InstallationPlan,
        observed: ObservedInstallation,
        foresee: Callable[[], str],
    ) -> None:
        """Apply the option in_use."""

        def upgraded() -> list[str]:
            solution = self._conda([_conda_spec(plan.conda_version)], [], dry_run=True)
            return [label.split()[0] for label in solution.unlink]

        self.guard.check(unlinked(plan, observed, upgraded))

    def close(self, observed: ObservedInstallation, recovered: bool) -> None:
        """Remove the journal of an interrupted run that turned out to be complete."""
        if observed.interrupted == "remove":
            forget_environments(self.request.prefix)
        if recovered or observed.interrupted == "remove":
            forget_journal(self.request.prefix)

    def journal(
        self, plan: InstallationPlan, observed: ObservedInstallation
    ) -> AbstractContextManager[None]:
        """Keep a journal of the change."""
        # An installation stays unfinished until an installer has ended, whichever run continues it.
        details = {"installer": INSTALLER_BEGUN} if observed.unfinished else None
        return journalled(self.request.prefix, operation=_operation(plan), details=details)

    def apply(self, plan: InstallationPlan, observed: ObservedInstallation) -> None:
        """Run an installer or conda, or remove the installation; then set owner and permissions."""
        prefix = self.request.prefix
        if self._contents is not None:
            add_to_journal(prefix, directory=claim(prefix))
            remove_prefix(self._contents, remove_foreign=self.request.remove_foreign)
            forget_environments(prefix)
            return
        if plan.action in ("install", "reinstall", "repair"):
            with self._room_for(plan, observed):
                self._install(plan, observed)
            version = observe_installation(prefix, repair=False)
            wanted = wanted_conda(self.request, version) if self.request.conda_version else None
        else:
            wanted = plan.conda_version
        if wanted:
            self._conda([_conda_spec(wanted)], [])
        if self.access.wanted:
            self.access.apply()

    @contextmanager
    def _room_for(self, plan: InstallationPlan, observed: ObservedInstallation) -> Iterator[None]:
        """Empty the prefix for a new installation; the users' files are moved back afterwards."""
        prefix = self.request.prefix
        if plan.action != "reinstall":
            yield
            return
        caches = [os.path.join(prefix, "pkgs")]
        if observed.state.cleared or remove_half_made(prefix, installation=True, caches=caches):
            aside = Aside(prefix, installation=True)
            with aside.moved():
                yield
            self._messages += aside.warnings
        else:
            yield

    def _install(self, plan: InstallationPlan, observed: ObservedInstallation) -> None:
        if plan.action == "repair" and self._repair_with_conda(observed):
            return
        if plan.installer is None:
            raise AssertionError(f"the plan to {plan.action} names no installer")
        request = self.request
        installer_run = InstallerRun(
            request.prefix, plan.installer, request.installer_option, request.timeout
        )
        try:
            installer_run.run(plan.action, observed)
        except CondaModuleError as error:
            # Still unfinished: the journal has to stay.
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
        self._messages += conda.warnings
        return solution

    def _repair_with_conda(self, observed: ObservedInstallation) -> bool:
        """Repair the base with its own conda, which keeps everything else; False if that is not possible."""
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
            with preserve_history(self.request.prefix):
                self._conda(exact, ["--force-reinstall"])
        except CondaModuleError:
            return False
        return not damaged_files(observe_prefix(self.request.prefix, thorough=True))

    def look_again(
        self, plan: InstallationPlan, observed: ObservedInstallation
    ) -> ObservedInstallation:
        """Compare the disk with the plan: an installer's exit status is not enough."""
        seen = self._subject.observe()
        self._verify(plan, seen)
        return seen

    def _verify(self, plan: InstallationPlan, seen: ObservedInstallation) -> None:
        wrong: list[str] = []
        if plan.action == "remove":
            if not (seen.state.empty or seen.state.cleared):
                wrong.append("it still exists")
        elif not seen.is_installation:
            wrong.append("it contains no conda")
        else:
            wrong.extend(seen.faults())
            wrong.extend(self._version_faults(plan, seen))
            if plan.action in ("upgrade", "downgrade") and not conda_starts(self.request.prefix):
                wrong.append(f"its conda does not start any more; its version is {seen.version}")
            if self.access.wanted:
                wrong.extend(self.access.faults())
        if wrong:
            raise CondaModuleError(
                f"After the step '{plan.action}' the installation {self.request.prefix} is not as"
                f" requested: {'; '.join(wrong)}.",
                prefix=self.request.prefix,
                hint="check for a full disk, then run the task again.",
            )

    def _version_faults(self, plan: InstallationPlan, seen: ObservedInstallation) -> list[str]:
        if self.request.conda_version:
            missing, option = wanted_conda(self.request, seen), "conda_version"
        else:
            fresh = plan.action in ("install", "reinstall")
            expected = plan.conda_version or (self._expected_version() if fresh else None)
            missing, option = (expected if expected != seen.version else None), "version"
        if not missing:
            return []
        return [f"it has conda {seen.version} instead of {missing} (option {option})"]

    def reached(
        self, plan: InstallationPlan, observed: ObservedInstallation, seen: ObservedInstallation
    ) -> str:
        """The state after the change."""
        if plan.action in ("upgrade", "downgrade"):
            return self._subject.text(seen.version)
        return self.foresee(plan, observed)

    def differs(self, plan: InstallationPlan, before: str, after: str) -> bool:
        """A plan with an action always changes something."""
        return True

    # -- check mode -------------------------------------------------------------------------------

    def foresee_recovery(self) -> None:
        """Report that an interrupted run has to be finished or undone first."""
        self._aside.foresee()
        self._messages.append(
            f"{moved_aside_reason(self.request.prefix)}; the task finishes or undoes that first, and what"
            " it changes then is not known yet."
        )

    def foresee(self, plan: InstallationPlan, observed: ObservedInstallation) -> str:
        """The state after the plan, as far as it is known; asks conda if it has to solve."""
        if self.check_mode and plan.installer and plan.action in ("install", "reinstall"):
            foresee_installer_file(plan.installer, self.request.prefix)
        if plan.action == "remove":
            return ""
        if plan.action in ("upgrade", "downgrade"):
            return self._subject.text(self._solved_version(plan) or plan.conda_version)
        kept = observed.is_installation and not observed.unfinished
        installed = observed.version if kept else self._expected_version()
        pin = self.request.conda_spec
        if pin and not (installed and pin.matches(installed)):
            installed = exact_version(pin.text) or pin.text
        return self._subject.text(installed)

    def _expected_version(self) -> str | None:
        return parse_installer_version(self.request.distribution, self.request.version).conda

    def _solved_version(self, plan: InstallationPlan) -> str | None:
        solution = self._conda([_conda_spec(plan.conda_version)], [], dry_run=True)
        labels = (label.split() for label in solution.link)
        return next((words[1] for words in labels if words[0] == "conda"), None)


def unlinked(
    plan: InstallationPlan, observed: ObservedInstallation, upgraded: Callable[[], list[str]]
) -> Unlinking:
    """The packages that the plan for an installation unlinks.

    upgraded: asks conda for the names of the packages that it replaces together with itself.
    """
    state = observed.state
    if plan.action == "remove":
        return Unlinking(removal=True, nested=True)
    if plan.action == "reinstall":
        return Unlinking(removal=not state.empty, nested=True)
    if plan.action in ("upgrade", "downgrade"):
        return Unlinking(frozenset({"conda"}), upgraded)
    if plan.action != "repair":
        return Unlinking()
    # If conda cannot repair itself, the installer links the packages again, including Python.
    by_conda = observed.is_installation and not (
        observed.unfinished or observed.missing or state.bad_records
    )
    return Unlinking(frozenset(observed.damaged if by_conda else {"python", *observed.damaged}))


def _conda_spec(version: str | None) -> str:
    """The spec for conda itself; the form in brackets allows every version condition."""
    return f"conda[version='{version}']"


def _operation(plan: InstallationPlan) -> str:
    """The name of the change in the journal; a reinstallation is journalled as an installation."""
    return {"reinstall": "install", "": "change"}.get(plan.action, plan.action)
