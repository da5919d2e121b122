# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only caller of conda: builds its command lines, runs it, and reads what it says."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._child_process import (
    Completed,
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda_output import (
    Failure,
    classify,
    find_document,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._package_cache import (
    package_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import canonical_channel

# Seconds to wait before asking a failing channel again; conda has by then made its own three attempts.
_RETRY_DELAYS = (1.0, 4.0)


@dataclass(frozen=True)
class Solution:
    """What conda did, or would do: packages as ``name version build channel`` lines."""

    link: tuple[str, ...]
    unlink: tuple[str, ...]

    def apply_to(self, labels: Sequence[str]) -> list[str]:
        """The sorted package lines of an environment that had ``labels`` before."""
        return sorted((set(labels) - set(self.unlink)) | set(self.link))


def _label(item: Mapping[str, Any]) -> str:
    build = item.get("build_string") or item.get("build") or ""
    channel = canonical_channel(str(item.get("channel") or item.get("base_url") or ""))
    return f"{item['name']} {item['version']} {build} {channel}"


def solution_of(document: Mapping[str, Any] | None) -> Solution:
    """Read LINK and UNLINK of conda's document; a document without actions changes nothing."""
    actions = (document or {}).get("actions") or {}
    # Removing everything makes conda 4 to 24 write a list with one set of actions.
    if isinstance(actions, list):
        actions = actions[0] if actions else {}
    return Solution(
        link=tuple(_label(item) for item in actions.get("LINK") or ()),
        unlink=tuple(_label(item) for item in actions.get("UNLINK") or ()),
    )


class Conda:
    """Conda at one installation.

    Args:
        installation: the base prefix; its own Python runs conda, which no shebang length can break.
        executable: another conda or mamba to start instead, as an absolute path.
        timeout: seconds for one run of it.
        settings: variables for every run of it, such as ``CONDA_CHANNEL_PRIORITY``.
    """

    def __init__(
        self,
        installation: str,
        executable: str | None = None,
        timeout: float = 3600,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.installation = installation
        self.executable = executable
        self.timeout = timeout
        self.settings = dict(settings or {})

    def _program(self, dry_run: bool) -> list[str]:
        if self.executable:
            return [self.executable]
        # -I: neither the working directory nor a user's site-packages may shadow conda's modules.
        # -B: a dry run leaves no compiled files behind either.
        options = ["-I", *(["-B"] if dry_run else [])]
        return [os.path.join(self.installation, "bin", "python"), *options, "-m", "conda"]

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        environment = child_environment(
            {
                "CONDA_AUTO_UPDATE_CONDA": "false",
                "CONDA_REPORT_ERRORS": "false",
                "CONDA_NUMBER_CHANNEL_NOTICES": "0",
                **self.settings,
                **extra,
            }
        )
        # With CI set, conda accepts terms of service by itself; only the user may do that.
        environment.pop("CI", None)
        return environment

    def create(
        self, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        """``conda create``: only ever for a prefix that is no environment yet, since it wipes one."""
        return self._change("create", prefix, specs, options, dry_run)

    def install(
        self, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        """``conda install`` into an existing environment."""
        return self._change("install", prefix, specs, options, dry_run)

    def link_explicitly(
        self, command: str, prefix: str, lines: Sequence[str], options: Sequence[str]
    ) -> None:
        """``conda create`` or ``conda install`` of package URLs: no solver, and nothing beyond them.

        The URLs go through a private file, because they may hold tokens. There is no dry run of this, and
        no document on success (conda 24.7): the disk tells.
        """
        with tempfile.NamedTemporaryFile("w", prefix="llmfleet-conda-", suffix=".txt") as stream:
            stream.write("".join(f"{line}\n" for line in ("@EXPLICIT", *lines)))
            stream.flush()
            argv = [command, "--prefix", prefix, "--yes", "--quiet", "--json", *options]
            self._run([*argv, "--file", stream.name], prefix, lines, {})

    def remove_alone(self, prefix: str, names: Sequence[str]) -> None:
        """``conda remove --force``: these packages and no others, whatever depends on them; no solver."""
        self._change("remove", prefix, names, ["--force"], dry_run=False)

    def remove(self, prefix: str, names: Sequence[str], dry_run: bool = False) -> Solution:
        """``conda remove`` of packages, and of what depends on them."""
        return self._change("remove", prefix, names, [], dry_run)

    def remove_environment(self, prefix: str) -> None:
        """``conda remove --all``: unlinks every package, runs their scripts, forgets the environment."""
        self._change("remove", prefix, [], ["--all"], dry_run=False)

    def _change(
        self, command: str, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool
    ) -> Solution:
        argv = [command, "--prefix", prefix, "--yes", "--quiet", "--json", *options]
        if dry_run:
            caches = package_caches(self.installation)
            with _private_cache(caches, offline="--offline" in options) as cache:
                extra = {"CONDA_PKGS_DIRS": cache}
                return solution_of(self._run([*argv, "--dry-run", *specs], prefix, specs, extra))
        return solution_of(self._run([*argv, *specs], prefix, specs, {}))

    def _run(
        self, arguments: Sequence[str], prefix: str, asked: Sequence[str], extra: Mapping[str, str]
    ) -> dict[str, Any] | None:
        delays = list(_RETRY_DELAYS)
        while True:
            completed = self._start(arguments, prefix, extra)
            document = find_document(completed.stdout) or find_document(completed.stderr)
            failure = _failure(completed, document)
            if failure is None:
                return document
            if not delays or not failure.retry:
                break
            time.sleep(delays.pop(0))
        raise CondaModuleError(
            f"conda {arguments[0]} failed for {prefix}: {failure.headline}.",
            prefix=prefix,
            asked=list(asked),
            said=failure.said,
            hint=failure.hint,
            error_kind=failure.kind,
            command=["conda", *arguments],
            rc=completed.rc,
        )

    def _start(self, arguments: Sequence[str], prefix: str, extra: Mapping[str, str]) -> Completed:
        argv = [*self._program("--dry-run" in arguments), *arguments]
        try:
            return run(argv, env=self._environment(extra), timeout=self.timeout)
        except OSError as error:
            raise CondaModuleError(
                f"conda cannot be started: {argv[0]}: {error.strerror}.",
                prefix=prefix,
                hint="install conda there with llmfleet.conda.conda_installation, or correct the option"
                " installation (or executable).",
            ) from error


def _failure(completed: Completed, document: Mapping[str, Any] | None) -> Failure | None:
    """None when conda says that it succeeded: its document counts for more than its exit status."""
    if completed.timed_out:
        return classify(completed.rc, completed.stdout, completed.stderr, document, timed_out=True)
    if (
        document is not None
        and document.get("success") is True
        and "exception_name" not in document
    ):
        return None
    if document is not None and completed.rc == 0 and _is_good_end(document):
        return None
    if document is None and completed.rc == 0:
        # Explicit installs and removals of empty environments print nothing; the disk will tell.
        return None
    return classify(completed.rc, completed.stdout, completed.stderr, document)


def _is_good_end(document: Mapping[str, Any]) -> bool:
    """Whether conda's "error" is its way to stop early with success, as after ``--download-only``."""
    return document.get("exception_name") == "CondaExitZero"


@contextmanager
def _private_cache(caches: Sequence[str], offline: bool) -> Iterator[str]:
    """A throw-away package cache for ``--dry-run``, which otherwise writes repodata into the real one.

    The repodata already there is copied along, so that a large channel is not downloaded again. Without
    a network the packages of the real ``caches`` count as well; conda writes to the first cache only.
    """
    directory = tempfile.mkdtemp(prefix="llmfleet-conda-")
    try:
        known = next(
            filter(os.path.isdir, (os.path.join(cache, "cache") for cache in caches)), None
        )
        if known:
            try:
                shutil.copytree(known, os.path.join(directory, "cache"))
            except (OSError, shutil.Error):
                # Unreadable to this user, or being rewritten right now: conda downloads it afresh.
                shutil.rmtree(os.path.join(directory, "cache"), ignore_errors=True)
        # conda splits the variable at commas (conda.common.configuration.SequenceParameter).
        yield ",".join([directory, *caches]) if offline else directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
