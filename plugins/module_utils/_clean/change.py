# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what nothing uses: the half of the cycle that a run with nothing to do never imports."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from ansible_collections.llmfleet.conda.plugins.module_utils._clean.hub_cache import repositories
from ansible_collections.llmfleet.conda.plugins.module_utils._clean.leftover import (
    HUB,
    OF_CONDA,
    UV,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._clean.subject import (
    CleanSubject,
    Observed,
    Plan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import CACHE_LOCK

_OPERATION = "clean"


class CleanChange(Change[Plan, Observed, list[str]]):
    """Removes the items of one request."""

    def __init__(self, subject: CleanSubject) -> None:
        self._subject = subject

    @contextmanager
    def lock(self, plan: Plan | None) -> Iterator[None]:
        """Hold the locks that the other modules hold while they use the same caches."""
        request = self._subject.request
        with ExitStack() as stack:
            # Sorted, as in every other module, so that no two wait for each other.
            caches = self._subject.conda_caches() if set(request.kinds) & set(OF_CONDA) else []
            own = [os.path.join(cache, CACHE_LOCK) for cache in caches]
            if HUB in request.kinds:
                own += [
                    os.path.join(cache, f".llmfleet-{name}.lock")
                    for cache, name in map(os.path.split, repositories(request.hub_cache))
                ]
            for path in own:
                stack.enter_context(file_lock(path, operation=_OPERATION, timeout=request.timeout))
            if UV in request.kinds and os.path.isdir(request.uv_cache):
                stack.enter_context(_lock_of_uv(request.uv_cache, request.timeout))
            yield

    def journal(self, plan: Plan, observed: Observed) -> AbstractContextManager[None]:
        """No journal: the next run finds whatever is left."""
        return nullcontext()

    def apply(self, plan: Plan, observed: Observed) -> None:
        """Remove the items, each without following a link.

        Raises:
            CondaModuleError: an item cannot be removed; the message names it.
        """
        for item in plan.items:
            remove_made(item.path, quiet=False)

    def look_again(self, plan: Plan, observed: Observed) -> Observed:
        """Check that the items are gone.

        Raises:
            CondaModuleError: an item is still there.
        """
        left = [item.path for item in plan.items if os.path.lexists(item.path)]
        if left:
            raise CondaModuleError(
                f"{left[0]} is still there after it was removed: a volume is mounted in it, or another"
                " program writes to it.",
                hint="stop the programs that use the cache, then run the task again.",
            )
        return self._subject.observe()

    def reached(self, plan: Plan, observed: Observed, seen: Observed) -> list[str]:
        """What is still unused."""
        return self._subject.describe(seen)

    def differs(self, plan: Plan, before: list[str], after: list[str]) -> bool:
        """A plan with an item always changes something."""
        return True

    def foresee(self, plan: Plan, observed: Observed) -> list[str]:
        """Nothing unused is left."""
        return []


@contextmanager
def _lock_of_uv(cache: str, timeout: float) -> Iterator[None]:
    """Hold the lock file of uv's cache, which uv itself never removes.

    Raises:
        CondaModuleError: uv still runs when the time is over, or the file cannot be opened.
    """
    path = os.path.join(cache, ".lock")
    deadline = time.monotonic() + timeout
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CondaModuleError(
            f"The lock {path} of uv's cache cannot be opened: {error.strerror}. Nothing was changed.",
            hint="run the task as the user who owns the cache (become, become_user).",
        ) from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > deadline:
                    raise CondaModuleError(
                        f"uv uses its cache {cache} (waited {timeout:g} seconds). Nothing was changed.",
                        hint="run the task again when uv has ended, or raise the option timeout.",
                    ) from error
            time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
