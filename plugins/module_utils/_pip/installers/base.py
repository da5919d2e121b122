# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the installers of Python distributions: start, retries, errors.

Requirement lines, constraints and URLs go into private files or the child's environment. In argv, every user
of the host could read them in the process list.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core.compiled import (
    is_short_of_room,
    remove_cut_short,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    Completed,
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.compiled import (
    COMPILE,
    modules_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.failures import (
    PipFailure,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.git import (
    Credentials,
    git_environment,
    without_credentials,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_conf import (
    read_configuration,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_errors import (
    explain,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources

# Seconds before the second and the third attempt; the installers also retry each request themselves.
_PAUSES = (1.0, 4.0)

Runner = Callable[..., Completed]


# Failures that a damaged page or file in the cache can cause.
_MAY_BE_CACHED = frozenset(["no_match", "hash", "download", "other"])
# Failures whose message names the index.
_OF_THE_INDEX = frozenset(
    ["no_match", "hash", "network", "http", "credentials", "tls", "download", "timeout", "other"]
)


class Installer(ABC):
    """An installer of Python distributions, for one environment.

    Args:
        prefix: the environment, for messages.
        python: its interpreter.
        sources: where distributions come from.
        scratch: a private directory for files and TMPDIR.
        deadline: `time.monotonic()` at which the task's timeout expires.
        writes: False in check mode: write no cache and no compiled files.
        runner: replaces the start of a process in tests.
        sleep: replaces the wait between attempts in tests.
    """

    name = ""
    can_report = True
    # Whether the report of a dry run has the requirements of distributions.
    tells_requirements = True

    def __init__(
        self,
        prefix: str,
        python: str,
        sources: Sources,
        scratch: str,
        *,
        deadline: float,
        writes: bool = True,
        runner: Runner = run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._prefix = prefix
        self._python = python
        self._sources = sources
        self._scratch = scratch
        self._deadline = deadline
        self._writes = writes
        self._runner = runner
        self._sleep = sleep
        self._credentials: list[Credentials] = []

    # -- commands ---------------------------------------------------------------------------------

    @abstractmethod
    def install(
        self,
        lines: Sequence[str],
        constraints: Sequence[str] = (),
        *,
        upgrade: bool = False,
        force_reinstall: bool = False,
        dry_run: bool = False,
    ) -> list[Reported]:
        """Install requirement lines; return what was, or with `dry_run` would be, installed.

        Args:
            upgrade: install newer versions of the distributions that the lines name.
            force_reinstall: reinstall exactly these distributions, without their dependencies.

        Raises:
            CondaModuleError: the installer failed; `kind` and `option` say why.
        """

    @abstractmethod
    def uninstall(self, names: Sequence[str]) -> None:
        """Remove distributions by name.

        Raises:
            CondaModuleError: the installer failed.
        """

    @abstractmethod
    def check(self) -> list[str]:
        """Conflicts between the installed distributions, one line each; empty if there are none.

        Raises:
            CondaModuleError: the check did not run.
        """

    @abstractmethod
    def overlook(self, site_packages: str, paths: Sequence[str]) -> None:
        """Hide some entries of site-packages from the installer; for dry runs only.

        These are remains of an interrupted installation. The real run removes them first; check mode may not,
        and the installer would count them as installed, or fail on them.
        """

    def compile(self, names: Collection[str]) -> None:
        """Compile the modules of distributions by name, on all processors, unless pip.conf forbids it.

        Users without write access to the environment could never compile them. Compiled modules stay.
        """
        modules = modules_of(self._prefix, names) if names else []
        if modules and read_configuration(self._prefix).compiles:
            listed = self._write("modules.txt", modules)
            argv = [self._python, "-I", "-c", COMPILE, listed]
            self._run(argv, child_environment({"TMPDIR": self._temporary()}))

    # -- execution --------------------------------------------------------------------------------

    @abstractmethod
    def _environment(self) -> dict[str, str]:
        """The complete environment variables of the child."""

    @abstractmethod
    def _explain(self, done: Completed) -> PipFailure:
        """Why a run failed."""

    @abstractmethod
    def _uncached(self, argv: Sequence[str]) -> list[str]:
        """The same command without the cache; empty if the command uses none."""

    def _temporary(self) -> str:
        """A directory for TMPDIR, beside the prefix: /tmp may be small, or mounted noexec."""
        path = os.path.join(self._scratch, "tmp")
        os.makedirs(path, exist_ok=True)
        return path

    def _write(self, name: str, lines: Sequence[str]) -> str:
        path = os.path.join(self._scratch, name)
        lines, found = without_credentials(
            lines, self._environment() if "${" in "".join(lines) else {}
        )
        self._credentials += found
        try:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("\n".join([*lines, ""]))
        except OSError as error:
            raise self._error(explain(1, f"OSError: {error}"), list(lines)) from error
        return path

    def _run(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Completed:
        """Start a process and wait for it, at most until the deadline.

        Raises:
            CondaModuleError: it cannot be started.
        """
        left = max(1.0, self._deadline - time.monotonic())
        variables = dict(environment or self._environment())
        try:
            variables.update(git_environment(self._credentials, variables, self._scratch))
            return self._runner(argv, env=variables, timeout=left)
        except OSError as error:
            raise CondaModuleError(
                f"{argv[0]} cannot be started: {error.strerror}.",
                prefix=self._prefix,
                hint=hint_for(
                    error,
                    "repair the environment with llmfleet.conda.conda_env."
                    if argv[0] == self._python
                    else "correct uv_executable, or use installer: pip.",
                ),
            ) from error

    def _call(self, argv: Sequence[str], asked: list[str], attempts: int = 3) -> Completed:
        """Run a command, and retry it after failures that may be temporary.

        A wrong response of a mirror stays in the installer's cache as long as the mirror reports the page as
        unchanged. So after a failure that the cache can cause, this runs the command once without the cache.

        Raises:
            CondaModuleError: the command failed; `kind` and `option` say why.
        """
        attempt = 0
        uncached = self._uncached(argv)
        swept = False
        while True:
            attempt += 1
            done = self._run(argv)
            if done.rc == 0 and not done.timed_out:
                if self._writes and is_short_of_room(self._prefix):
                    remove_cut_short(self._prefix)
                return done
            failure = self._explain(done)
            if uncached and failure.kind in _MAY_BE_CACHED and time.monotonic() < self._deadline:
                argv, uncached = uncached, []
                attempt -= 1
                continue
            if self._writes and failure.kind in ("disk_full", "compiled"):
                # Compiled files that a full disk truncated would fail in every run.
                removed = remove_cut_short(self._prefix)
                if removed and failure.kind == "compiled" and not swept:
                    swept = True
                    continue
            pause = _PAUSES[min(attempt, len(_PAUSES)) - 1]
            out_of_time = time.monotonic() + pause >= self._deadline
            if not failure.retryable or attempt >= attempts or out_of_time:
                raise self._error(failure, asked, attempt)
            self._sleep(pause)

    def _error(self, failure: PipFailure, asked: list[str], attempts: int = 1) -> CondaModuleError:
        message = failure.message
        if attempts > 1:
            message += f" {self.name} was run {attempts} times."
        if failure.option:
            message += f" (option {failure.option})"
        index = self._sources.index_url
        if index and failure.kind in _OF_THE_INDEX and index not in f"{message} {failure.said}":
            message += f" The index was {index}."
        hint = failure.hint
        if failure.kind == "disk_full" and not self._writes:
            hint = f"make room in {os.path.dirname(self._scratch)}, which check mode uses (TMPDIR)."
        return CondaModuleError(
            message,
            prefix=self._prefix,
            asked=asked,
            said=failure.said,
            hint=hint,
            cut_off=failure.kind in ("killed", "crash", "timeout"),
            kind=failure.kind,
            option=failure.option,
        )
