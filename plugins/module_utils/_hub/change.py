# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a model in the hub's cache: the part that a run without changes never imports."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.download import (
    Download,
    Downloaded,
    download,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.room import (
    refuse_import_without_room,
    refuse_known_download_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import (
    drop,
    import_source,
    refuse_others,
    remove,
    write_ref,
    write_tree,
    writing,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import (
    HubSubject,
    Look,
    Plan,
)


class HubChange(Change[Plan, Look, str]):
    """Changes the model of one request.

    Args:
        fetch: replaces the download in tests.
    """

    def __init__(
        self,
        subject: HubSubject,
        check_mode: bool,
        fetch: Callable[[Download], Downloaded] = download,
    ) -> None:
        self._subject = subject
        self.request = subject.request
        self.check_mode = check_mode
        self._fetch = fetch

    @contextmanager
    def lock(self, plan: Plan | None) -> Iterator[None]:
        """Lock the model in this cache against other runs."""
        cached = self.request.cached
        if self.request.state != "absent":
            with writing(cached):
                os.makedirs(cached.cache, exist_ok=True)
        path = os.path.join(cached.cache, f".llmfleet-{os.path.basename(cached.directory)}.lock")
        operation = f"hub_model {cached.model}"
        with file_lock(path, operation=operation, timeout=self.request.timeout):
            yield

    def examine(self, plan: Plan, observed: Look) -> None:
        """Before a removal, look for files that are not the hub's."""
        if plan.action == "remove":
            refuse_others(self.request.cached)

    def check_room(self, plan: Plan, observed: Look) -> None:
        """Compare the files with the room on the volume of the cache, as far as sizes are known."""
        if plan.action == "import" and self._subject.source is not None:
            refuse_import_without_room(self.request.cached, self._subject.source)
        elif plan.action == "fetch":
            refuse_known_download_without_room(self.request.cached, plan, observed)

    def journal(self, plan: Plan, observed: Look) -> AbstractContextManager[None]:
        """No journal: each file is written atomically, and observing shows what is missing."""
        return nullcontext()

    def apply(self, plan: Plan, observed: Look) -> None:
        """Download, import or remove the files, and set the commit of the revision."""
        mask = os.umask(0)
        os.umask(0o002 if _is_shared(self.request.cached.cache) else mask)
        try:
            self._apply(plan)
        finally:
            os.umask(mask)

    def _apply(self, plan: Plan) -> None:
        request, cached = self.request, self.request.cached
        if plan.action == "remove":
            remove(cached)
            return
        if plan.action == "import":
            if self._subject.source is None:
                raise CondaModuleError(
                    f"The files of {request.path} were not copied from the controller. Nothing was"
                    " changed.",
                    hint="call the module by its full name, llmfleet.conda.hub_model; only then Ansible"
                    " copies the files.",
                )
            import_source(cached, self._subject.source, plan.commit)
        commit = plan.commit
        if plan.action == "fetch":
            drop(cached, plan.commit, plan.broken)
            commit = self._download(plan)
        if plan.action:
            write_ref(cached, request.revision, commit)

    def _download(self, plan: Plan) -> str:
        request, cached = self.request, self.request.cached
        done = self._fetch(
            Download(
                prefix=request.prefix,
                model=cached.model,
                revision=plan.commit or request.revision,
                cache=cached.cache,
                include=request.choice.include,
                exclude=request.choice.exclude,
                endpoint=request.endpoint,
                token=request.token,
                timeout=request.timeout,
            )
        )
        if done.files is not None:
            write_tree(cached, done.commit, done.files)
        return done.commit

    def look_again(self, plan: Plan, observed: Look) -> Look:
        """Compare the disk with the plan: a hub may deliver fewer files than it lists."""
        cached = self.request.cached
        seen = self._subject.observe()
        left = self._subject.plan(seen)
        if left:
            raise CondaModuleError(
                f"After the task, the model {cached.model} ({self.request.revision}) in {cached.cache} is"
                f" not as requested: {left.reason}.",
                asked=cached.model,
                hint="check the options include and exclude, and whether another program writes to the"
                " cache.",
            )
        return seen

    def reached(self, plan: Plan, observed: Look, seen: Look) -> str:
        """The state after the change."""
        return self._subject.describe(seen)

    def differs(self, plan: Plan, before: str, after: str) -> bool:
        """A plan with an action always changes something."""
        return True

    def foresee(self, plan: Plan, observed: Look) -> str:
        """The requested state; check mode does not ask the hub."""
        return self._subject.promised()


def _is_shared(directory: str) -> bool:
    """Whether members of the directory's group may write it: new files must be writable for them as well."""
    mode = os.stat(directory).st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)
