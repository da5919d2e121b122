# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a condarc and the records of terms: the part that a run without changes never imports."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import settings_with
from ansible_collections.llmfleet.conda.plugins.module_utils._config.mirror_choice import choose
from ansible_collections.llmfleet.conda.plugins.module_utils._config.subject import (
    ConfigSubject,
    Observed,
    Plan,
    read,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms_download import (
    current_terms,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock

# The longest that the holder of the lock may take: it asks channels at most.
_LOCK_SECONDS = 600

_T = TypeVar("_T")


class _LockMissed(Exception):
    """There is something to change after all, and the lock was not taken."""


class ConfigChange(Change[Plan, Observed, str]):
    """Changes the condarc of one task."""

    def __init__(self, subject: ConfigSubject) -> None:
        self._subject = subject
        self._module = subject.module
        self.path = subject.path
        self.file = subject.file
        self._with_lock = False
        self._warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """Mirrors that were passed over."""
        return self._warnings

    def refuse(self, plan: Plan, observed: Observed) -> None:
        """Refuse to make a directory, unless it is the system's, and to replace a device."""
        directory = os.path.dirname(self.file)
        systems = self._module.params["scope"] == "system" and self.file == self.path
        # In check mode an earlier task of the same play would have installed conda there.
        installed = self._module.check_mode and self.file == self.path
        if plan.write and not (os.path.isdir(directory) or systems or installed):
            raise CondaModuleError(
                f"Cannot write the condarc {self.path}: the directory {directory} does not exist.",
                hint="install conda there first, or correct the option installation (or path).",
            )
        if _changes_file(plan) and _is_device(self.file):
            raise CondaModuleError(
                f"The condarc {self.path} cannot be written: {self.file} is no regular file.",
                hint="put a file in the place of the link, or correct the option path.",
            )

    def until_unused(self, attempt: Callable[[], _T]) -> _T:
        """Try again with the lock where one is needed after all."""
        try:
            return attempt()
        except _LockMissed:
            self._with_lock = True
            return attempt()

    @contextmanager
    def lock(self, plan: Plan | None) -> Iterator[None]:
        """Keep others from the file, unless channels are only to be asked for terms that may be newer."""
        path = self._subject.lock_path
        self._with_lock = (
            self._with_lock or plan is None or _changes_file(plan) or not plan.terms.only_asks
        )
        if not self._with_lock:
            yield
            return
        if plan and plan.write and self._module.params["scope"] == "system":
            with _write_errors(self.file):
                os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            # No file can be replaced there. Records of terms are elsewhere, each in a file of its own.
            yield
            return
        with file_lock(path, operation="conda_config", timeout=_LOCK_SECONDS):
            yield

    def solve(self, plan: Plan, observed: Observed) -> Plan:
        """Choose the mirror, check that new channels answer, and fetch terms from the channels."""
        if plan.write:
            self._need_lock()
            if self._module.params["probe"]:
                plan = self._with_mirror(plan, observed)
        plan.terms.solve(current_terms)
        if plan:
            self._need_lock()
        return plan

    def _need_lock(self) -> None:
        if not (self._with_lock or self._module.check_mode):
            raise _LockMissed

    def _with_mirror(self, plan: Plan, observed: Observed) -> Plan:
        def effective(text: str | None) -> Mapping[str, Any]:
            return settings_with(self._module.params["installation"], self.path, text or "")

        choice = choose(observed.candidates, effective(observed.text), effective)
        self._warnings = choice.warnings
        text = choice.candidate.text
        # The channels behind a name may have terms of their own at this mirror.
        terms = plan.terms if text == plan.text else self._subject.terms_under(text)
        return replace(plan, text=text, probed=tuple(choice.probed), terms=terms)

    def journal(self, plan: Plan, observed: Observed) -> AbstractContextManager[None]:
        """No journal: each file is written atomically."""
        return nullcontext()

    def apply(self, plan: Plan, observed: Observed) -> None:
        """Write the file, set its permissions, record and remove terms."""
        if plan.write:
            write(self._module, self.file, plan.text or "")
        if os.path.exists(self.file):
            arguments = self._module.load_file_common_arguments(
                {**self._module.params, "path": self.file}
            )
            self._module.set_fs_attributes_if_different(arguments, False)
        plan.terms.apply()

    def look_again(self, plan: Plan, observed: Observed) -> Observed:
        """Compare the disk with the plan."""
        if read(self.file) != plan.text:
            raise CondaModuleError(f"The condarc {self.file} does not hold what was written.")
        return self._subject.observe()

    def reached(self, plan: Plan, observed: Observed, seen: Observed) -> str:
        """The state after the change."""
        return self.foresee(plan, observed)

    def differs(self, plan: Plan, before: str, after: str) -> bool:
        """A plan with a step always changes something."""
        return True

    def foresee(self, plan: Plan, observed: Observed) -> str:
        """The state that the change would reach."""
        return self._subject.text(plan.text, observed.permissions["after"]) + plan.terms.after


def _changes_file(plan: Plan) -> bool:
    return plan.write or plan.permissions


def _is_device(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def write(module: AnsibleModule, path: str, text: str) -> None:
    """Replace the file atomically, and keep its permissions.

    Raises:
        CondaModuleError: it cannot be written.
    """
    with _write_errors(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir, prefix="condarc-")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        if not os.path.exists(path):
            # mkstemp creates private files; a condarc of an installation is for all its users.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        module.atomic_move(temporary, path)


@contextmanager
def _write_errors(path: str) -> Iterator[None]:
    """Raise every error in the block as one message that the condarc cannot be written."""
    try:
        yield
    except Exception as error:
        # atomic_move of ansible-core 2.19 raises a plain Exception for errors of the system.
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise CondaModuleError(
            f"The condarc {path} cannot be written: {reason}.",
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
