# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uv as an installer with the same result as pip: builds its argv, runs it, reads its list of changes.

Where uv's defaults differ from pip, this overrides them: all indexes have equal priority, files are copied
instead of linked to the cache, a hash on one line requires hashes on all, plain HTTP requires a trusted host,
the host's pip configuration applies, and modules are compiled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    Completed,
    child_environment,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.base import Installer
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.compiled import (
    compiled_goes_too,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.failures import (
    PipFailure,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_conf import (
    PipConfiguration,
    read_configuration,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv_changes import (
    parse_changes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv_errors import (
    explain,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources, plain_http
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    Requirement,
    parse_lines,
)

_AS_JSON = ("--output-format", "json")
# The host decides how uv finds its certificates; this file sets everything else.
_KEPT = frozenset({"UV_SYSTEM_CERTS", "UV_NATIVE_TLS"})
_CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Uv(Installer):
    """uv for one environment; `executable` is its path, the rest is as for Installer."""

    name = "uv"
    tells_requirements = False

    def __init__(
        self, prefix: str, python: str, executable: str, sources: Sources, scratch: str, **how: Any
    ) -> None:
        super().__init__(prefix, python, sources, scratch, **how)
        self._executable = executable
        self._target: str | None = None

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
        """See Installer. uv does not report the requirements of distributions."""
        wanted = parse_lines(lines, "requirements")
        path = self._write("requirements.txt", [*self._source_lines(), *lines])
        argv = ["install", "--requirement", path]
        if constraints:
            argv += ["--constraint", self._write("constraints.txt", constraints)]
        if any(line.hashes for line in wanted):
            argv += ["--require-hashes"]
        if upgrade:
            for name in sorted({line.name for line in wanted}):
                argv += ["--upgrade-package", name]
        if force_reinstall:
            argv += ["--reinstall", "--no-deps"]
        if dry_run:
            return self._foresee(argv, list(lines), wanted)
        with compiled_goes_too(self._prefix):
            done = self._call(self._argv(argv), asked=list(lines))
        found = parse_changes(done.stderr, wanted)
        self.compile({one.name for one in found})
        return found

    def _foresee(
        self, argv: list[str], lines: list[str], wanted: Sequence[Requirement]
    ) -> list[Reported]:
        argv = [*argv, "--dry-run", *(["--target", self._target] if self._target else [])]
        try:
            # The list of a dry run lacks versions of distributions from URLs; the JSON has them.
            done = self._call(self._argv([*argv, *_AS_JSON]), asked=lines)
        except CondaModuleError as error:
            if "unexpected argument '--output-format'" not in str(error.said):
                raise
            done = self._call(self._argv(argv), asked=lines)
        return parse_changes(done.stderr, wanted, done.stdout)

    def uninstall(self, names: Sequence[str]) -> None:
        """See Installer."""
        with compiled_goes_too(self._prefix):
            self._call(self._argv(["uninstall", *names]), asked=list(names), attempts=1)

    def check(self) -> list[str]:
        """See Installer; the lines are those of `uv pip check`."""
        done = self._run(self._argv(["check"]))
        if done.rc == 0 and not done.timed_out:
            return []
        lines = [line.strip() for line in done.stderr.splitlines()]
        found = [line for line in lines if line.startswith("The package ")]
        if done.timed_out or done.rc != 1 or not found:
            raise self._error(self._explain(done), [])
        return found

    def overlook(self, site_packages: str, paths: Sequence[str]) -> None:
        """See Installer. uv reads a shadow directory of site-packages that contains only metadata."""
        shadow = os.path.join(self._scratch, "site-packages")
        left_out = {os.path.basename(path) for path in paths}
        for entry in os.listdir(site_packages):
            path = os.path.join(site_packages, entry)
            if entry in left_out or not entry.endswith((".dist-info", ".egg-info")):
                continue
            if os.path.isdir(path):
                # uv ignores links to directories.
                os.makedirs(os.path.join(shadow, entry))
                for file in os.listdir(path):
                    os.symlink(os.path.join(path, file), os.path.join(shadow, entry, file))
        os.makedirs(shadow, exist_ok=True)
        self._target = shadow

    # -- execution --------------------------------------------------------------------------------

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        command, *rest = arguments
        return [self._executable, "pip", command, "--python", self._python, *rest]

    def _configuration(self) -> PipConfiguration:
        return read_configuration(self._prefix)

    def _places(self) -> Sources:
        """The task's sources, with the additions of the host's pip configuration."""
        host, own = self._configuration(), self._sources
        trusted = (*own.trusted_hosts, *host.trusted_hosts)
        if own.replaces_configuration:
            return replace(own, trusted_hosts=trusted)
        return replace(
            own,
            index_url=host.index_url,
            extra_index_urls=(*host.extra_index_urls, *own.extra_index_urls),
            find_links=(*host.find_links, *own.find_links),
            no_index=host.no_index,
            trusted_hosts=trusted,
        )

    def _source_lines(self) -> list[str]:
        """The sources as lines of the requirements file.

        Raises:
            CondaModuleError: an index by plain HTTP is not trusted.
        """
        places = self._places()
        lines, indexes = ["--no-index"], []
        if not places.no_index:
            first = [places.index_url] if places.index_url else []
            indexes = [*first, *places.extra_index_urls]
            lines = [f"--index-url {url}" for url in first]
            lines += [f"--extra-index-url {url}" for url in places.extra_index_urls]
        distrusted = plain_http([*indexes, *places.find_links], places.trusted_hosts)
        if distrusted:
            raise self._error(
                PipFailure(
                    "untrusted",
                    f"uv does not use an index over plain HTTP unless its host is trusted: {distrusted[0]}.",
                    "trusted_hosts",
                    "use HTTPS, or add the host to trusted_hosts.",
                ),
                [],
            )
        # As a URL, because a path may contain spaces.
        return lines + [
            f"--find-links {link if '://' in link else 'file://' + quote(link)}"
            for link in places.find_links
        ]

    def _environment(self) -> dict[str, str]:
        host, places = self._configuration(), self._places()
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith("UV_")
        }
        temporary = self._temporary()
        extra = {
            "TMPDIR": temporary,
            "NO_COLOR": "1",
            # uv's own configuration could name other sources.
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            # Only with first-index does uv report an index that refuses access.
            "UV_INDEX_STRATEGY": (
                "unsafe-best-match"
                if places.extra_index_urls or places.find_links
                else "first-index"
            ),
            # A damaged file that is linked to the cache is damaged there and in every environment.
            "UV_LINK_MODE": "copy",
            "UV_HTTP_RETRIES": "2",
        }
        if not self._writes:
            extra["UV_CACHE_DIR"] = os.path.join(self._scratch, "cache")
        elif places.cache_dir:
            extra["UV_CACHE_DIR"] = places.cache_dir
        if places.trusted_hosts:
            extra["UV_INSECURE_HOST"] = " ".join(places.trusted_hosts)
        if host.pre:
            extra["UV_PRERELEASE"] = "allow"
        certificate = next((kept[name] for name in _CERTIFICATES if kept.get(name)), host.cert)
        if certificate and not kept.get("SSL_CERT_FILE"):
            extra["SSL_CERT_FILE"] = certificate
        if host.proxy:
            extra.update({"HTTP_PROXY": host.proxy, "HTTPS_PROXY": host.proxy})
            for name in ("http_proxy", "https_proxy"):
                kept.pop(name, None)
        return child_environment(extra, kept)

    def _uncached(self, argv: Sequence[str]) -> list[str]:
        installs = self._writes and "install" in argv and "--dry-run" not in argv
        return [*argv, "--no-cache"] if installs else []

    def _explain(self, done: Completed) -> PipFailure:
        return explain(done.rc, f"{done.stdout}\n{done.stderr}", done.timed_out)
