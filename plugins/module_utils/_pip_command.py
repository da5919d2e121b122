# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that starts pip: builds its argv, runs it, reads its report.

Requirement lines, constraints and addresses go into private files or the child's environment, not
into argv, where every user of the host could read them in the process list.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._child_process import (
    Completed,
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip_errors import (
    PipFailure,
    explain,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._python_marker import normalize_name
from ansible_collections.llmfleet.conda.plugins.module_utils._python_version import (
    InvalidVersion,
    Version,
)

# `--dry-run` and `--report` came together.
_FIRST_WITH_REPORT = Version("22.2")
# Until then direct_url.json had a hash only when the URL had one, while the report always has it.
_FIRST_WITH_HASHES = Version("23.1")
# Seconds before the second and the third attempt; pip has retries of its own for each request.
_PAUSES = (1.0, 4.0)
_LOG_TAIL = 400_000

Runner = Callable[..., Completed]


@dataclass(frozen=True)
class Sources:
    """Where distributions come from; see the options of these names.

    `index_url` and `no_index` replace what the host's pip configuration names, extra indexes and
    `find_links` included; `extra_index_urls` and `find_links` alone add to it.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cache_dir: str | None = None

    @property
    def replaces_configuration(self) -> bool:
        return self.no_index or self.index_url is not None


@dataclass(frozen=True)
class Reported:
    """One distribution that pip installed, or would install."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    direct_url: Mapping[str, Any] | None = field(default=None, compare=False)


def parse_report(text: str) -> list[Reported]:
    """The distributions of an installation report (pip's documentation, "Installation Report").

    Raises:
        ValueError: the text is not such a report.
    """
    report = json.loads(text)
    found = []
    try:
        for item in report["install"]:
            metadata = item["metadata"]
            found.append(
                Reported(
                    name=normalize_name(metadata["name"]),
                    version=str(metadata["version"]),
                    requires=tuple(metadata.get("requires_dist") or ()),
                    extras=frozenset(map(normalize_name, metadata.get("provides_extra") or ())),
                    direct_url=item.get("download_info") if item.get("is_direct") else None,
                )
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an installation report of pip's: {error!r}") from error
    return found


def _without_hashes(one: Reported) -> Reported:
    if not one.direct_url or "archive_info" not in one.direct_url:
        return one
    return replace(one, direct_url={**one.direct_url, "archive_info": {}})


@contextmanager
def scratch_directory(parent: str, name: str) -> Iterator[str]:
    """A private directory `.NAME.llmfleet-pip-*` in `parent`, removed at the end.

    Raises:
        CondaModuleError: it cannot be made.
    """
    try:
        path = tempfile.mkdtemp(prefix=f".{name}.llmfleet-pip-", dir=parent)
    except OSError as error:
        raise CondaModuleError(
            f"No temporary directory can be made in {parent}: {error.strerror}. Nothing was changed.",
            hint="make room on that volume, or run the task as a user who may write there.",
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(parent: str, name: str) -> None:
    """Remove scratch directories that a killed run left; to be called under the prefix's lock."""
    for entry in os.listdir(parent):
        if entry.startswith(f".{name}.llmfleet-pip-"):
            shutil.rmtree(os.path.join(parent, entry), ignore_errors=True)


class Pip:
    """pip of one environment.

    Args:
        prefix: the environment, for messages.
        python: its interpreter.
        version: the version of its pip.
        sources: where distributions come from.
        scratch: a private directory for files and TMPDIR.
        deadline: `time.monotonic()` at which the task's time is over.
        writes: False in check mode: no cache and no compiled files may be written.
        runner: replaces the start of a process in tests.
        sleep: replaces the wait between attempts in tests.
    """

    def __init__(
        self,
        prefix: str,
        python: str,
        version: str,
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
        self._entry = ["-m", "pip"]
        try:
            known = Version(version)
        except InvalidVersion:
            known = Version("0")
        self.can_report = known >= _FIRST_WITH_REPORT
        self._keeps_hashes = known >= _FIRST_WITH_HASHES

    # -- what pip is asked ------------------------------------------------------------------------

    def install(
        self,
        lines: Sequence[str],
        constraints: Sequence[str] = (),
        *,
        upgrade: bool = False,
        again: bool = False,
        dry_run: bool = False,
    ) -> list[Reported]:
        """Install requirement lines; return what was, or with `dry_run` would be, installed.

        Args:
            again: replace exactly these distributions by themselves, dependencies left alone.

        Raises:
            CondaModuleError: pip failed; `kind` and `option` say why.
        """
        report = os.path.join(self._scratch, "report.json")
        argv = ["install", *self._common(), "--requirement", self._requirements_file(lines)]
        if constraints:
            argv += ["--constraint", self._write("constraints.txt", constraints)]
        if upgrade:
            argv += ["--upgrade", "--upgrade-strategy", "only-if-needed"]
        if again:
            argv += ["--force-reinstall", "--no-deps"]
        if self.can_report:
            argv += ["--report", report]
        if dry_run:
            argv += ["--dry-run"]
        if self._sources.cache_dir and self._writes:
            argv += ["--cache-dir", self._sources.cache_dir]
        self._remove(report)
        self._call(argv, asked=list(lines))
        found = self._read_report(report) if self.can_report else []
        if not self._keeps_hashes and not any("#" in line for line in lines):
            found = [_without_hashes(one) for one in found]
        return found

    def uninstall(self, names: Sequence[str]) -> None:
        """Remove distributions by name.

        Raises:
            CondaModuleError: pip failed.
        """
        log = ["--log", os.path.join(self._scratch, "pip.log")]
        self._call(["uninstall", "--yes", *_QUIET, *log, *names], asked=list(names), attempts=1)

    def check(self) -> list[str]:
        """The lines of `pip check`: what does not fit together, empty when all is well.

        Raises:
            CondaModuleError: pip could not check.
        """
        done = self._start(["check", "--disable-pip-version-check", "--no-input"])
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        if done.rc == 0:
            return []
        if done.timed_out or done.rc != 1 or not lines:
            raise self._error(explain(done.rc, done.stderr, "", done.timed_out), [])
        return lines

    def overlook(self, site_packages: str, paths: Sequence[str]) -> None:
        """Ask from now on as if some entries of site-packages were not there; for dry runs only.

        The entries are what a cut-off installation left. The real run removes them first; check
        mode may not, and pip would count them as installed.
        """
        shadow = os.path.join(self._scratch, "site-packages")
        os.mkdir(shadow)
        left_out = {os.path.basename(path) for path in paths}
        for entry in os.listdir(site_packages):
            # A .pth file would lead to the real directory's neighbours; -S leaves them unread anyway.
            if entry not in left_out and not entry.endswith(".pth"):
                os.symlink(os.path.join(site_packages, entry), os.path.join(shadow, entry))
        code = (
            f"import runpy, sys; sys.path.append({shadow!r}); "
            "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
        )
        self._entry = ["-S", "-c", code]

    # -- how it is asked --------------------------------------------------------------------------

    def _common(self) -> list[str]:
        options = [*_QUIET, "--no-warn-script-location", "--progress-bar", "off"]
        options += ["--log", os.path.join(self._scratch, "pip.log"), "--retries", "2"]
        return options if self._writes else [*options, "--no-cache-dir"]

    def _requirements_file(self, lines: Sequence[str]) -> str:
        options = []
        if not self._sources.replaces_configuration:
            options += [f"--extra-index-url {url}" for url in self._sources.extra_index_urls]
        options += [f"--find-links {shlex.quote(link)}" for link in self._sources.find_links]
        options += [f"--trusted-host {host}" for host in self._sources.trusted_hosts]
        return self._write("requirements.txt", [*options, *lines])

    def _write(self, name: str, lines: Sequence[str]) -> str:
        path = os.path.join(self._scratch, name)
        try:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("\n".join([*lines, ""]))
        except OSError as error:
            raise self._error(explain(1, f"OSError: {error}"), list(lines)) from error
        return path

    def _environment(self) -> dict[str, str]:
        temporary = os.path.join(self._scratch, "tmp")
        os.makedirs(temporary, exist_ok=True)
        extra = {
            # Beside the prefix: /tmp may be small, or mounted noexec where builds must run.
            "TMPDIR": temporary,
            # These of the host's configuration would send the packages somewhere else.
            "PIP_USER": "0",
            "PIP_REQUIRE_VIRTUALENV": "0",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
        if not self._writes:
            extra["PYTHONDONTWRITEBYTECODE"] = "1"
            if not os.path.isdir(os.path.expanduser("~/.rustup")):
                # pip asks `rustc --version` for its user agent, and where that is rustup's stand-in it
                # makes its settings in the home directory (pip, network/session.py, user_agent).
                extra["RUSTUP_HOME"] = os.path.join(temporary, "rustup")
        if self._sources.no_index:
            extra["PIP_NO_INDEX"] = "1"
        elif self._sources.index_url is not None:
            # pip's environment variables take the place of the same keys of its configuration files.
            extra["PIP_INDEX_URL"] = self._sources.index_url
            extra["PIP_EXTRA_INDEX_URL"] = " ".join(
                self._sources.extra_index_urls or [self._sources.index_url]
            )
        if self._sources.replaces_configuration:
            # An empty value would not replace anything, an empty directory does.
            nothing = os.path.join(self._scratch, "none")
            os.makedirs(nothing, exist_ok=True)
            extra["PIP_FIND_LINKS"] = nothing
        return child_environment(extra)

    def _start(self, arguments: Sequence[str]) -> Completed:
        # -I keeps the user's site-packages and PYTHONPATH out; it also ignores
        # PYTHONDONTWRITEBYTECODE, hence -B.
        flags = ["-I"] if self._writes else ["-I", "-B"]
        argv = [self._python, *flags, *self._entry, *arguments]
        left = max(1.0, self._deadline - time.monotonic())
        try:
            return self._runner(argv, env=self._environment(), timeout=left)
        except OSError as error:
            raise CondaModuleError(
                f"The environment's Python cannot be started: {self._python}: {error.strerror}.",
                prefix=self._prefix,
                hint="repair the environment with llmfleet.conda.conda_env.",
            ) from error

    def _call(self, arguments: Sequence[str], asked: list[str], attempts: int = 3) -> None:
        for attempt in range(1, attempts + 1):
            self._remove(os.path.join(self._scratch, "pip.log"))
            done = self._start(arguments)
            if done.rc == 0 and not done.timed_out:
                return
            output = self._with_lines(f"{done.stdout}\n{done.stderr}")
            failure = explain(done.rc, output, self._with_lines(self._log()), done.timed_out)
            pause = _PAUSES[min(attempt, len(_PAUSES)) - 1]
            out_of_time = time.monotonic() + pause >= self._deadline
            if not failure.retryable or attempt == attempts or out_of_time:
                raise self._error(failure, asked, attempt)
            self._sleep(pause)

    def _error(self, failure: PipFailure, asked: list[str], attempts: int = 1) -> CondaModuleError:
        message = failure.message
        if attempts > 1:
            message += f" It was tried {attempts} times."
        if failure.option:
            message += f" (option {failure.option})"
        return CondaModuleError(
            message,
            prefix=self._prefix,
            asked=asked,
            said=failure.said,
            hint=failure.hint,
            kind=failure.kind,
            option=failure.option,
        )

    def _with_lines(self, text: str) -> str:
        """The text with the lines themselves where pip names private files and line numbers."""

        def line(match: re.Match[str]) -> str:
            try:
                with open(match["path"], encoding="utf-8") as stream:
                    return f"'{stream.read().splitlines()[int(match['number']) - 1]}'"
            except (OSError, IndexError):
                return match[0]

        private = re.escape(self._scratch)
        pattern = rf"-[rc] (?P<path>{private}/\w+\.txt) \(line (?P<number>\d+)\)"
        text = re.sub(rf" \(from line \d+ of {private}/\w+\.txt\)", "", text)
        return re.sub(pattern, line, text)

    def _log(self) -> str:
        try:
            with open(os.path.join(self._scratch, "pip.log"), "rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - _LOG_TAIL))
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return ""

    @staticmethod
    def _remove(path: str) -> None:
        if os.path.lexists(path):
            os.unlink(path)

    def _read_report(self, path: str) -> list[Reported]:
        try:
            with open(path, encoding="utf-8") as stream:
                return parse_report(stream.read())
        except FileNotFoundError:
            # pip writes no report when it found nothing to install.
            return []
        except (OSError, ValueError) as error:
            raise CondaModuleError(
                f"pip's report of what it installed cannot be read: {error}.",
                prefix=self._prefix,
                hint="run the task again; it observes what is there.",
            ) from error


_QUIET = ("--no-input", "--disable-pip-version-check", "--quiet")


def url_secrets(urls: Sequence[str]) -> set[str]:
    """The credentials in URLs, to be masked wherever they would be shown."""
    found: set[str] = set()
    for url in urls:
        match = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?P<who>[^/\s@]+)@", url)
        if match:
            _user, colon, password = match["who"].partition(":")
            # A short word, as in ssh://git@host, would blank out half of every message.
            found.update(word for word in (match["who"], password) if len(word) >= 6)
            if colon:
                found.add(match["who"])
        found.update(re.findall(r"/t/([A-Za-z0-9._~-]{6,})(?=/|$)", url))
    return found
