# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle observe, plan, apply, observe for a conda installation."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._child_process import (
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda_command import Conda
from ansible_collections.llmfleet.conda.plugins.module_utils._conda_output import trim
from ansible_collections.llmfleet.conda.plugins.module_utils._download import fetch
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation_plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    host_platform,
    observe_installation,
    plan_installation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer import (
    Installer,
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer_file import (
    check_installer_file,
    foresee_installer_file,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    damaged_files,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    forget_journal,
    journalled,
    locked,
    remove_tree,
    same_history,
)

# Where, in the workspace, what a repair must not lose waits meanwhile.
_KEPT = "kept"
# What the installer overwrites on a repair although it is the user's (constructor 3.16, option -u).
_KEPT_ON_REPAIR = (
    ".condarc",
    os.path.join("conda-meta", "history"),
    os.path.join("conda-meta", "pinned"),
)


@dataclass(frozen=True)
class InstallationOutcome:
    """What the module reports."""

    changed: bool
    plan: InstallationPlan
    before: str
    after: str
    observed: ObservedInstallation


class InstallationManager:
    """Carries one request through the cycle."""

    def __init__(self, request: InstallationRequest, check_mode: bool = False) -> None:
        self.request = request
        self.check_mode = check_mode

    def run(self) -> InstallationOutcome:
        """Observe, plan, apply and observe again.

        Raises:
            CondaModuleError: the request is refused, a step failed, or the disk does not show the plan.
        """
        request = self.request
        observed = observe_installation(request.prefix, request.repair)
        todo = plan_installation(request, observed, *host_platform())
        before = _describe(observed)
        if not todo and (self.check_mode or observed.interrupted is None):
            return InstallationOutcome(False, todo, before, before, observed)
        if self.check_mode:
            if todo.installer and todo.action in ("install", "reinstall"):
                foresee_installer_file(todo.installer, request.prefix)
            return InstallationOutcome(True, todo, before, self._predict(todo, observed), observed)
        operation = _operation(todo)
        with locked(request.prefix, operation=operation, timeout=request.timeout):
            return self._run_locked()

    def _run_locked(self) -> InstallationOutcome:
        # Observed and planned anew: another run may have done the work while this one waited for the lock.
        request = self.request
        _clear_workspace(request.prefix)
        observed = observe_installation(request.prefix, request.repair)
        todo = plan_installation(request, observed, *host_platform())
        before = _describe(observed)
        if not todo:
            if observed.interrupted == "remove":
                forget_journal(request.prefix)
            return InstallationOutcome(False, todo, before, before, observed)
        after = self._predict(todo, observed)
        with journalled(request.prefix, operation=_operation(todo)):
            self._apply(todo, observed)
        seen = observe_installation(request.prefix, request.repair)
        self._verify(todo, seen)
        return InstallationOutcome(True, todo, before, after, seen)

    def _predict(self, todo: InstallationPlan, observed: ObservedInstallation) -> str:
        if todo.action == "remove":
            return ""
        installed = observed.version if observed.is_installation else self._expected_version()
        return _text(todo.conda_version or installed, [])

    def _expected_version(self) -> str | None:
        return parse_installer_version(self.request.distribution, self.request.version).conda

    # -- apply --------------------------------------------------------------------------------------

    def _apply(self, todo: InstallationPlan, observed: ObservedInstallation) -> None:
        if todo.action == "remove":
            remove_tree(self.request.prefix)
        elif todo.action == "upgrade":
            self._conda([f"conda={todo.conda_version}"], [])
        elif todo.action == "repair" and self._repair_with_conda(observed):
            return
        else:
            if todo.installer is None:
                raise AssertionError(f"the plan to {todo.action} names no installer")
            self._install(todo.action, todo.installer, observed)

    def _conda(self, specs: Sequence[str], options: Sequence[str]) -> None:
        chosen = list(options)
        if self.request.channels:
            chosen.append("--override-channels")
            for channel in self.request.channels:
                chosen.extend(["--channel", channel])
        conda = Conda(self.request.prefix, timeout=self.request.timeout)
        conda.install(self.request.prefix, specs, chosen)

    def _repair_with_conda(self, observed: ObservedInstallation) -> bool:
        """Mend the base with its own conda, which keeps everything else; False when it cannot."""
        state = observed.state
        if observed.missing or state.bad_records or "python" not in state.records:
            return False
        exact = [
            f"{name}={state.records[name].version}={state.records[name].build}"
            for name in observed.damaged
        ]
        if not exact or not self._starts():
            return not exact and self._starts()
        try:
            with same_history(self.request.prefix):
                self._conda(exact, ["--force-reinstall"])
        except CondaModuleError:
            return False
        return not damaged_files(observe_prefix(self.request.prefix))

    def _starts(self) -> bool:
        try:
            argv = [
                os.path.join(self.request.prefix, "bin", "python"),
                "-I",
                "-m",
                "conda",
                "--version",
            ]
            return run(argv, timeout=60).rc == 0
        except OSError:
            return False

    def _install(self, action: str, installer: Installer, observed: ObservedInstallation) -> None:
        prefix = self.request.prefix
        with _workspace(prefix) as workspace:
            script = self._obtain(installer, workspace)
            if action == "reinstall":
                remove_tree(prefix)
            elif action == "repair":
                _keep(prefix, workspace)
                _forget_damaged(observed)
            existed = os.path.lexists(prefix)
            fresh = action != "repair"
            # bash runs it, because the volume may be mounted noexec; -u only where a prefix exists.
            argv = ["bash", script, "-b", "-p", prefix, *(["-u"] if existed else [])]
            environment = child_environment({"TMPDIR": workspace})
            environment.pop("CI", None)
            try:
                done = run(argv, env=environment, timeout=self.request.timeout, cwd=workspace)
            except OSError as error:
                raise CondaModuleError(
                    f"The installer cannot be started: bash: {error.strerror}.", prefix=prefix
                ) from error
            _put_back(prefix, workspace)
            if done.rc != 0 or done.timed_out or not self._starts():
                if fresh:
                    _empty_again(prefix, existed)
                raise self._install_failed(
                    installer, done.rc, done.stderr + done.stdout, done.timed_out
                )

    def _obtain(self, installer: Installer, workspace: str) -> str:
        if installer.is_url:
            script = os.path.join(workspace, installer.file_name)
            option = "installer_url" if self.request.installer_url else "mirror (or version)"
            fetch(installer.source, script, installer.sha256, timeout=60, option=option)
            return script
        check_installer_file(installer, self.request.prefix)
        return installer.source

    def _install_failed(
        self, installer: Installer, rc: int, output: str, timed_out: bool
    ) -> CondaModuleError:
        hint = "read what the installer said."
        if "no space left" in output.lower() or "errno 28" in output.lower():
            hint = "make room on the volume of the prefix; an installation takes about 1 GB."
        elif "permission denied" in output.lower():
            hint = "run the task as a user who may write the prefix (become)."
        elif timed_out:
            hint = "raise the option timeout."
        elif rc == 0:
            hint = "its conda does not start: is the installer meant for this host's system and libraries?"
        return CondaModuleError(
            f"The installer {installer.file_name} failed (exit status {rc}).",
            prefix=self.request.prefix,
            said=trim(output, 1200),
            hint=hint,
        )

    # -- observe again ------------------------------------------------------------------------------

    def _verify(self, todo: InstallationPlan, seen: ObservedInstallation) -> None:
        wrong: list[str] = []
        if todo.action == "remove":
            if seen.state.exists:
                wrong.append("it is still there")
        elif not seen.is_installation:
            wrong.append("no conda is there")
        else:
            wrong.extend(seen.faults())
            expected = todo.conda_version or (
                self._expected_version() if todo.action in ("install", "reinstall") else None
            )
            if expected and seen.version != expected:
                wrong.append(
                    f"conda {seen.version} is there instead of {expected} (option version)"
                )
        if wrong:
            raise CondaModuleError(
                f"After the step '{todo.action}' the installation {self.request.prefix} is not as asked:"
                f" {'; '.join(wrong)}.",
                prefix=self.request.prefix,
                hint="look for a full disk, then run the task again.",
            )


def _workspace_path(prefix: str) -> str:
    parent, name = os.path.split(prefix)
    return os.path.join(parent, f".{name}.llmfleet-work")


@contextmanager
def _workspace(prefix: str) -> Iterator[str]:
    """A directory beside the prefix: /tmp may be too small, or mounted so that nothing there runs.

    Its name is fixed so that the next run finds what a killed one has left; whoever made one in advance
    makes ``mkdir`` fail.
    """
    directory = _workspace_path(prefix)
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise CondaModuleError(
            f"The directory {directory} cannot be made: {error.strerror}. Nothing was changed.",
            prefix=prefix,
            hint="make room there, or run the task as a user who may write there (become).",
        ) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _clear_workspace(prefix: str) -> None:
    """Remove what a killed run has left beside the prefix, and put back what it was keeping there."""
    directory = _workspace_path(prefix)
    try:
        owner = os.lstat(directory).st_uid
    except FileNotFoundError:
        return
    # In a directory that everybody may write, somebody else could have put one there.
    if owner == os.geteuid():
        _put_back(prefix, directory)
    remove_tree(directory)


def _forget_damaged(observed: ObservedInstallation) -> None:
    """Remove the records of damaged packages: an installer does not link again what is recorded."""
    state = observed.state
    records = [state.records[name].record_path for name in observed.damaged]
    unreadable = [os.path.join(state.path, "conda-meta", name) for name in state.bad_records]
    for path in (*records, *unreadable):
        os.unlink(path)


def _keep(prefix: str, workspace: str) -> None:
    """Copy what a repair would overwrite; the copies count only when all of them are there."""
    unfinished = os.path.join(workspace, "keeping")
    for name in _KEPT_ON_REPAIR:
        original = os.path.join(prefix, name)
        if os.path.isfile(original):
            copy = os.path.join(unfinished, name)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(original, copy)
    if os.path.isdir(unfinished):
        os.rename(unfinished, os.path.join(workspace, _KEPT))


def _put_back(prefix: str, workspace: str) -> None:
    for name in _KEPT_ON_REPAIR:
        copy = os.path.join(workspace, _KEPT, name)
        if os.path.isfile(copy) and os.path.isdir(os.path.dirname(os.path.join(prefix, name))):
            shutil.copy2(copy, os.path.join(prefix, name))


def _empty_again(prefix: str, existed: bool) -> None:
    """Remove what a failed installation has left in a place where nothing was."""
    if not existed:
        shutil.rmtree(prefix, ignore_errors=True)
        return
    for entry in os.scandir(prefix):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _describe(observed: ObservedInstallation) -> str:
    if not observed.is_installation:
        return "" if observed.state.empty else "half made\n"
    return _text(observed.version, observed.faults())


def _operation(todo: InstallationPlan) -> str:
    """What the journal calls the change; a reinstallation that is cut off is a cut-off installation."""
    return {"reinstall": "install", "": "change"}.get(todo.action, todo.action)


def _text(version: str | None, faults: Sequence[str]) -> str:
    lines = [
        "installation present",
        f"conda {version}" if version else "conda as the installer brings it",
    ]
    return "".join(f"{line}\n" for line in [*lines, *faults])
