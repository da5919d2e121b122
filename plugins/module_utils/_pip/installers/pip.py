# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip as an installer: builds its argv, runs it, reads its report. No other file starts pip."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    Completed,
    child_environment,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.base import Installer
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.failures import (
    PipFailure,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.netrc import (
    netrc_environment,
    without_credentials,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_errors import (
    explain,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import (
    Reported,
    parse_report,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidVersion,
    Version,
)

# The first release with `--dry-run` and `--report`.
_FIRST_WITH_REPORT = Version("22.2")
# Before this release, direct_url.json has a hash only if the URL has one; the report always has it.
_FIRST_WITH_HASHES = Version("23.1")
_LOG_TAIL = 400_000
_QUIET = ("--no-input", "--disable-pip-version-check", "--quiet")


def _without_hashes(one: Reported) -> Reported:
    if not one.direct_url or "archive_info" not in one.direct_url:
        return one
    return replace(one, direct_url={**one.direct_url, "archive_info": {}})


class Pip(Installer):
    """pip of one environment; `version` is the version of this pip, the rest is as for Installer."""

    name = "pip"

    def __init__(
        self, prefix: str, python: str, version: str, sources: Sources, scratch: str, **how: Any
    ) -> None:
        sources, self._netrc = without_credentials(sources)
        super().__init__(prefix, python, sources, scratch, **how)
        self._entry = ["-m", "pip"]
        try:
            known = Version(version)
        except InvalidVersion:
            known = Version("0")
        self.can_report = known >= _FIRST_WITH_REPORT
        self._keeps_hashes = known >= _FIRST_WITH_HASHES

    # -- commands ---------------------------------------------------------------------------------

    def install(
        self,
        lines: Sequence[str],
        constraints: Sequence[str] = (),
        *,
        upgrade: bool = False,
        force_reinstall: bool = False,
        dry_run: bool = False,
    ) -> list[Reported]:
        """See Installer."""
        report = os.path.join(self._scratch, "report.json")
        argv = ["install", *self._common(), "--requirement", self._requirements_file(lines)]
        if constraints:
            argv += ["--constraint", self._write("constraints.txt", constraints)]
        if upgrade:
            argv += ["--upgrade", "--upgrade-strategy", "only-if-needed"]
        if force_reinstall:
            argv += ["--force-reinstall", "--no-deps"]
        if self.can_report:
            # pip compiles on one processor; `compile` does it afterwards on all processors.
            argv += ["--report", report, "--no-compile"]
        if dry_run:
            argv += ["--dry-run"]
        if self._sources.cache_dir and self._writes:
            argv += ["--cache-dir", self._sources.cache_dir]
        self._remove(report)
        self._call(self._argv(argv), asked=list(lines))
        found = self._read_report(report) if self.can_report else []
        if not self._keeps_hashes and not any("#" in line for line in lines):
            found = [_without_hashes(one) for one in found]
        if not dry_run:
            self.compile({one.name for one in found})
        return found

    def uninstall(self, names: Sequence[str]) -> None:
        """See Installer."""
        log = ["--log", os.path.join(self._scratch, "pip.log")]
        argv = self._argv(["uninstall", "--yes", *_QUIET, *log, *names])
        self._call(argv, asked=list(names), attempts=1)

    def check(self) -> list[str]:
        """See Installer; the lines are those of `pip check`."""
        done = self._run(self._argv(["check", "--disable-pip-version-check", "--no-input"]))
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        if done.rc == 0:
            return []
        if done.timed_out or done.rc != 1 or not lines:
            raise self._error(explain(done.rc, done.stderr, "", done.timed_out), [])
        return lines

    def overlook(self, site_packages: str, paths: Sequence[str]) -> None:
        """See Installer."""
        shadow = os.path.join(self._scratch, "site-packages")
        os.mkdir(shadow)
        left_out = {os.path.basename(path) for path in paths}
        for entry in os.listdir(site_packages):
            # A .pth file would add paths beside the real directory; -S ignores them anyway.
            if entry not in left_out and not entry.endswith(".pth"):
                os.symlink(os.path.join(site_packages, entry), os.path.join(shadow, entry))
        code = (
            f"import runpy, sys; sys.path.append({shadow!r}); "
            "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
        )
        self._entry = ["-S", "-c", code]

    # -- execution --------------------------------------------------------------------------------

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        # -I keeps the user's site-packages and PYTHONPATH out; it also ignores
        # PYTHONDONTWRITEBYTECODE, hence -B.
        flags = ["-I"] if self._writes else ["-I", "-B"]
        return [self._python, *flags, *self._entry, *arguments]

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

    def _environment(self) -> dict[str, str]:
        temporary = self._temporary()
        extra = {
            "TMPDIR": temporary,
            # These settings of the host would install the packages elsewhere, or refuse to.
            "PIP_USER": "0",
            "PIP_REQUIRE_VIRTUALENV": "0",
            "PIP_ROOT_USER_ACTION": "ignore",
            **netrc_environment(self._netrc, self._scratch),
        }
        if not self._writes:
            extra["PYTHONDONTWRITEBYTECODE"] = "1"
            if not os.path.isdir(os.path.expanduser("~/.rustup")):
                # pip runs `rustc --version` for its user agent; rustup's wrapper then creates its settings
                # in the home directory (pip, network/session.py, user_agent).
                extra["RUSTUP_HOME"] = os.path.join(temporary, "rustup")
        if self._sources.no_index:
            extra["PIP_NO_INDEX"] = "1"
        elif self._sources.index_url is not None:
            # pip's environment variables override the same keys in its configuration files.
            extra["PIP_INDEX_URL"] = self._sources.index_url
            extra["PIP_EXTRA_INDEX_URL"] = " ".join(
                self._sources.extra_index_urls or [self._sources.index_url]
            )
        if self._sources.replaces_configuration:
            # An empty value overrides nothing; an empty directory does.
            nothing = os.path.join(self._scratch, "none")
            os.makedirs(nothing, exist_ok=True)
            extra["PIP_FIND_LINKS"] = nothing
        return child_environment(extra)

    def _uncached(self, argv: Sequence[str]) -> list[str]:
        installs = self._writes and "install" in argv and "--dry-run" not in argv
        return [*argv, "--no-cache-dir"] if installs else []

    def _explain(self, done: Completed) -> PipFailure:
        output = self._with_lines(f"{done.stdout}\n{done.stderr}")
        log = self._with_lines(self._log())
        self._remove(os.path.join(self._scratch, "pip.log"))  # pip appends to it
        return explain(done.rc, output, log, done.timed_out)

    def _with_lines(self, text: str) -> str:
        """Replace references to lines of private files by the lines themselves."""

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
            # pip writes no report if it has nothing to install.
            return []
        except (OSError, ValueError) as error:
            raise CondaModuleError(
                f"The installation report of pip cannot be read: {error}.",
                prefix=self._prefix,
                hint="run the task again; it starts from what is installed now.",
            ) from error
