# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an installer: obtains and checks it, works beside the prefix, and keeps what is the user's."""

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
from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import fetch
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

# What tools say of a full disk, and what installers say that measure it first (constructor 3.16).
_NO_ROOM = re.compile(
    r"no space left|errno:? ?28|not enough (?:free )?(?:disk )?space", re.IGNORECASE
)

# Where, in the workspace, what a repair must not lose waits meanwhile.
_KEPT = "kept"
# What the installer overwrites on a repair although it is the user's (constructor 3.16, option -u).
_KEPT_ON_REPAIR = (
    ".condarc",
    HISTORY,
    os.path.join("conda-meta", "pinned"),
)


def conda_starts(prefix: str) -> bool:
    """Whether the conda of this installation can be started at all."""
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
    """One use of an installer.

    Attributes:
        prefix: where to install.
        installer: the file, its source and its checksum.
        option: the module option that names the source, for messages.
        timeout: seconds that the download, and then the installer, may take.
    """

    prefix: str
    installer: Installer
    option: str
    timeout: float

    def run(self, action: str, observed: ObservedInstallation) -> None:
        """Install where nothing is, or over what is damaged.

        Args:
            action: ``install``, ``reinstall`` or ``repair``.
            observed: what is there.

        Raises:
            CondaModuleError: the installer cannot be had, has other bytes than expected, or failed.
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
                # The next run must know what this one has made, should it be cut off.
                add_to_journal(prefix, directory=claim(prefix))
            else:
                _forget_damaged(observed)
            # bash runs it, because the volume may be mounted noexec; -u, because the prefix exists.
            argv = ["bash", script, "-b", "-p", prefix, "-u"]
            environment = child_environment({"TMPDIR": workspace})
            environment.pop("CI", None)
            try:
                done = run(argv, env=environment, timeout=self.timeout, cwd=workspace)
            except OSError as error:
                raise CondaModuleError(
                    f"The installer cannot be started: bash: {error.strerror}.", prefix=prefix
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
            fetch(
                installer.source, script, installer.sha256, timeout=60, option=self.option,
                within=self.timeout,
            )  # fmt: skip
            return script
        check_installer_file(installer, self.prefix)
        return installer.source

    def _failed(self, rc: int, output: str, timed_out: bool) -> CondaModuleError:
        hint = "read what the installer said."
        if _NO_ROOM.search(output):
            hint = "make room on the volume of the prefix; an installation takes about 1 GB."
        elif "read-only file system" in output.lower():
            hint = READ_ONLY_HINT
        elif "permission denied" in output.lower():
            hint = "run the task as a user who may write the prefix (become)."
        elif timed_out:
            hint = "raise the option timeout."
        elif rc == 0:
            hint = "its conda does not start: is the installer meant for this host's system and libraries?"
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
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
    try:
        yield directory
    finally:
        remove_made(directory)


def clear_workspace(prefix: str) -> None:
    """Remove what a killed run has left beside the prefix, and put back what it was keeping there."""
    directory = _workspace_path(prefix)
    try:
        owner = os.lstat(directory).st_uid
    except FileNotFoundError:
        return
    # In a directory that everybody may write, somebody else could have put one there.
    if owner == os.geteuid():
        _put_back(prefix, directory)
    remove_made(directory, quiet=False)


def _forget_damaged(observed: ObservedInstallation) -> None:
    """Remove the records of damaged packages: an installer does not link again what is recorded.

    Where an installer was cut off, all packages go with all of their files: what it has linked is not
    linked again, so it would not go down in the new history, and settings that packages bring would be
    in force while the others are linked. Nothing else goes.
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
    """Copy what a repair would overwrite; the copies count only when all of them are there.

    history: False where only an installer that was cut off has written it: it may lack what the next one
        writes.
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
