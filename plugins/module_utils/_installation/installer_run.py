# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an installer: downloads and checks it, runs it, and keeps the user's settings."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import trim
from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import (
    CUT_SHORT,
    is_short_of_room,
    remove_cut_short,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import fetch_first
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    READ_ONLY_HINT,
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installer_file import (
    check_installer_file,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    ObservedInstallation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.leftovers import remove_file
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import conda_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import undo
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    INSTALLER_BEGUN,
    INSTALLER_ENDED,
    add_to_journal,
    pending_journal,
)

# Error texts about a full disk, also of installers that measure free space first (constructor 3.16).
_NO_ROOM = re.compile(
    r"no space left|errno:? ?28|not enough (?:free )?(?:disk )?space", re.IGNORECASE
)

# The directory, in the workspace, for files that a repair must not lose.
_KEPT = "kept"
# Files of the user that the installer overwrites in a repair (constructor 3.16, option -u).
_KEPT_ON_REPAIR = (
    ".condarc",
    HISTORY,
    os.path.join("conda-meta", "pinned"),
)


def conda_starts(prefix: str) -> bool:
    """Whether the conda of this installation starts."""
    try:
        argv = [os.path.join(prefix, "bin", "python"), "-I", "-m", "conda", "--version"]
        done = run(argv, timeout=60)
        if done.rc and CUT_SHORT.search(done.stderr) and remove_cut_short(prefix):
            done = run(argv, timeout=60)
        return done.rc == 0
    except OSError:
        return False


@dataclass(frozen=True)
class InstallerRun:
    """One run of an installer.

    Attributes:
        prefix: where to install.
        installer: the file, its source and its checksum.
        option: the module option that names the source, for messages.
        timeout: time limit in seconds for the download, and again for the installer.
    """

    prefix: str
    installer: Installer
    option: str
    timeout: float

    def run(self, action: str, observed: ObservedInstallation) -> None:
        """Install into an empty prefix, or over a damaged installation.

        Args:
            action: ``install``, ``reinstall`` or ``repair``.
            observed: the current state.

        Raises:
            CondaModuleError: the installer cannot be downloaded, has a wrong checksum, or failed.
        """
        prefix = self.prefix
        with _workspace(prefix) as workspace:
            script = self._obtain(workspace)
            fresh = action != "repair"
            if not fresh:
                _keep(prefix, workspace, history=not observed.unfinished)
            existed = os.path.lexists(prefix)
            add_to_journal(prefix, installer=INSTALLER_BEGUN)
            if fresh:
                # If this run is interrupted, the next one must know which directory it created.
                add_to_journal(prefix, directory=claim(prefix))
            else:
                _forget_damaged(observed)
            # bash runs the script, because the volume may be mounted noexec; -u, because the prefix exists.
            argv = ["bash", script, "-b", "-p", prefix, "-u"]
            environment = child_environment({"TMPDIR": workspace})
            environment.pop("CI", None)
            try:
                done = run(argv, env=environment, timeout=self.timeout, cwd=workspace)
            except OSError as error:
                raise CondaModuleError(
                    f"Cannot start the installer: bash: {error.strerror}.", prefix=prefix
                ) from error
            _put_back(prefix, workspace)
            if is_short_of_room(prefix):
                remove_cut_short(prefix)
            if done.rc != 0 or done.timed_out or not conda_starts(prefix):
                failure = self._failed(done.rc, done.stderr + done.stdout, done.timed_out)
                if fresh and not _undo(prefix, existed):
                    # The next run goes on with the rest, unless people's files wait to take its place again.
                    waiting = (pending_journal(prefix) or {}).get("aside")
                    failure.cut_off = failure.cut_off or not waiting
                raise failure
        # Where that does not succeed, the next run calls the installer once more, which does no harm.
        with suppress(CondaModuleError):
            add_to_journal(prefix, installer=INSTALLER_ENDED)

    def _obtain(self, workspace: str) -> str:
        installer = self.installer
        if installer.is_url:
            script = os.path.join(workspace, installer.file_name)
            fetch_first(
                (installer.source, *installer.others), script, installer.sha256, timeout=60,
                option=self.option, within=self.timeout,
            )  # fmt: skip
            return script
        check_installer_file(installer, self.prefix)
        return installer.source

    def _failed(self, rc: int, output: str, timed_out: bool) -> CondaModuleError:
        hint = "read the installer's output."
        if _NO_ROOM.search(output):
            hint = "make room on the volume of the prefix; an installation takes about 1 GB."
        elif "read-only file system" in output.lower():
            hint = READ_ONLY_HINT
        elif "permission denied" in output.lower():
            hint = "run the task as a user who may write the prefix (become)."
        elif timed_out:
            hint = "raise the option timeout."
        elif rc == 0:
            hint = (
                "its conda does not start: check that the installer is meant for this host's system and"
                " libraries."
            )
        return CondaModuleError(
            f"The installer {self.installer.file_name} failed (exit status {rc}).",
            prefix=self.prefix,
            said=trim(output, 1200),
            hint=hint,
            cut_off=timed_out or rc < 0,
        )


def _workspace_path(prefix: str) -> str:
    parent, name = os.path.split(prefix)
    return os.path.join(parent, f".{name}.llmfleet-work")


@contextmanager
def _workspace(prefix: str) -> Iterator[str]:
    """A directory beside the prefix: /tmp may be too small, or mounted noexec.

    The name is fixed, so that the next run finds the directory of a killed one. If another user has created
    it in advance, ``mkdir`` fails.
    """
    directory = _workspace_path(prefix)
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise CondaModuleError(
            f"Cannot create the directory {directory}: {error.strerror}. Nothing was changed.",
            prefix=prefix,
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
    try:
        yield directory
    finally:
        remove_made(directory)


def clear_workspace(prefix: str) -> None:
    """Remove the workspace of a killed run, and put back the files that it kept there."""
    directory = _workspace_path(prefix)
    try:
        owner = os.lstat(directory).st_uid
    except FileNotFoundError:
        return
    # In a world-writable directory, another user may have created it.
    if owner == os.geteuid():
        _put_back(prefix, directory)
    remove_made(directory, quiet=False)


def _forget_damaged(observed: ObservedInstallation) -> None:
    """Remove the records of damaged packages: an installer does not link a recorded package again.

    After an interrupted installer, remove all packages with all their files: the next installer would not
    link them again, so they would be missing from the new history, and settings of packages would be in force
    while the others are linked. Nothing else is removed.
    """
    state = observed.state
    names = state.records if observed.unfinished else observed.damaged
    records = [state.records[name].record_path for name in names]
    unreadable = [os.path.join(state.path, "conda-meta", name) for name in state.bad_records]
    if observed.unfinished:
        for path in sorted(conda_files(state.records.values())):
            remove_file(state.path, path)
    for path in (*records, *unreadable):
        os.unlink(path)


def _keep(prefix: str, workspace: str, history: bool) -> None:
    """Copy the files that a repair would overwrite; the copies count only when all of them are complete.

    history: False if only an interrupted installer has written it: it may lack what the next one writes.
    """
    unfinished = os.path.join(workspace, "keeping")
    for name in _KEPT_ON_REPAIR:
        if name == HISTORY and not history:
            continue
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


def _undo(prefix: str, existed: bool) -> bool:
    """Remove what a failed installation has left in a place where nothing was; whether that is all."""
    try:
        if not undo(prefix, installation=True, caches=[os.path.join(prefix, "pkgs")]):
            return False
    except CondaModuleError:
        # What the installer said matters more.
        return False
    if not existed:
        with suppress(OSError):
            os.rmdir(prefix)
    return True
