# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs conda: builds its command lines, starts it and reads its output. No other file starts conda."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.damaged_cache import (
    set_aside_indexes,
    set_aside_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.dialect import (
    COMMON,
    dialect_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.kinds import KINDS
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.noted_addresses import (
    forget_addresses,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import (
    CURABLE,
    Failure,
    classify,
    find_document,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.traces import traces
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.denied_channels import (
    refuse_denied,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.package_cache import (
    package_caches,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.secrets import (
    secrets_of_conda,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import (
    combined,
    read_condarcs,
)
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
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._core.scratch import (
    LITTLE,
    roomy_directory,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import beginning
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    BUILDING,
    MADE,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import canonical_channel

# Kinds that conda shows when it cannot import one of its modules; some crashes print nothing at all.
_CRASHES = frozenset({"crash", "unknown", "plugin"})
# Seconds to wait before each retry of a network failure; conda itself has made three attempts by then.
_RETRY_DELAYS = (1.0, 4.0)
_TERMS_PLUGIN = "conda-anaconda-tos"
_MOVED = re.compile(
    r"\[Errno \d+\] (?:No such file or directory|Directory not empty|File exists)\b"
    # Another user's conda has extracted the package meanwhile.
    r"|write permissions to a required path\.\s+path: \S+/info/repodata_record\.json"
)


@dataclass(frozen=True)
class ToLink:
    """A package that conda will link.

    Attributes:
        stem: ``name-version-build``, the name of the extracted package.
        file_name: of the archive, empty if unknown.
        size: bytes of the archive, 0 if unknown.
        md5, sha256: hex digits, empty if unknown.
    """

    stem: str
    file_name: str = ""
    size: int = 0
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Solution:
    """Packages that conda linked and unlinked, or would: ``name version build channel`` lines.

    ``packages`` has those of ``link`` with the sizes that conda told: of those that it would download.
    """

    link: tuple[str, ...]
    unlink: tuple[str, ...]
    packages: tuple[ToLink, ...] = field(default=(), compare=False)

    def apply_to(self, labels: Sequence[str]) -> list[str]:
        """The sorted package lines of an environment after this solution is applied to ``labels``."""
        return sorted((set(labels) - set(self.unlink)) | set(self.link))


def _label(item: Mapping[str, Any]) -> str:
    build = item.get("build_string") or item.get("build") or ""
    channel = canonical_channel(str(item.get("channel") or item.get("base_url") or ""))
    return f"{item['name']} {item['version']} {build} {channel}"


def _stem(item: Mapping[str, Any]) -> str:
    build = item.get("build_string") or item.get("build") or ""
    return f"{item['name']}-{item['version']}-{build}"


def _to_link(actions: Mapping[str, Any]) -> tuple[ToLink, ...]:
    fetched = actions.get("FETCH")
    told = {
        _stem(item): item
        for item in (fetched if isinstance(fetched, list) else ())
        if isinstance(item, Mapping) and {"name", "version"} <= set(item)
    }
    found = []
    for item in actions.get("LINK") or ():
        # micromamba writes whole records here, too.
        one = {**item, **told.get(_stem(item), {})}
        size = one.get("size")
        found.append(
            ToLink(
                _stem(item),
                str(one.get("fn") or ""),
                size if isinstance(size, int) and size > 0 else 0,
                str(one.get("md5") or ""),
                str(one.get("sha256") or ""),
            )
        )
    return tuple(found)


def solution_of(document: Mapping[str, Any] | None) -> Solution:
    """Read LINK and UNLINK of conda's JSON document; a document without actions changes nothing.

    Raises:
        CondaModuleError: the entries have an unknown format.
    """
    actions = (document or {}).get("actions") or {}
    # When all packages are removed, conda 4 to 24 writes a list with one set of actions.
    if isinstance(actions, list):
        actions = actions[0] if actions else {}
    try:
        return Solution(
            link=tuple(_label(item) for item in actions.get("LINK") or ()),
            unlink=tuple(_label(item) for item in actions.get("UNLINK") or ()),
            packages=_to_link(actions),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise CondaModuleError(
            f"conda's JSON output has an unknown format ({type(error).__name__}: {error}).",
            said=beginning(str(actions), 2000),
            hint="check the conda of the installation with: conda create --dry-run --json",
        ) from error


@dataclass(frozen=True)
class Archive:
    """Where a package comes from; ``md5`` and ``sha256`` are empty if the channel does not give them."""

    url: str
    md5: str = ""
    sha256: str = ""


def archives_of(document: Mapping[str, Any] | None) -> dict[str, Archive]:
    """The archives that conda's JSON document says it would download, by ``name version build``.

    A dry run with an empty package cache names those of all packages that it would link. Entries without a
    URL, as of other programs than conda, are left out.
    """
    actions = (document or {}).get("actions") or {}
    if isinstance(actions, list):
        actions = actions[0] if actions else {}
    entries = actions.get("FETCH") if isinstance(actions, Mapping) else None
    return {
        _label(item).rpartition(" ")[0]: Archive(
            str(item["url"]), str(item.get("md5") or ""), str(item.get("sha256") or "")
        )
        for item in entries or ()
        if isinstance(item, Mapping) and {"name", "version", "url"} <= set(item)
    }


class Conda:
    """conda of one installation.

    Args:
        installation: the base prefix; its own Python runs conda, so a long shebang line cannot break it.
        executable: absolute path of another conda or mamba to run instead.
        timeout: seconds for one command, including its retries.
        settings: environment variables for every run, such as ``CONDA_CHANNEL_PRIORITY``.

    Attributes:
        warnings: messages about commands that succeeded in the end.
        replaced: a line for each distribution of pip's that a linked package has replaced.
        stand_ins: temporary prefixes used only to query conda, each with the prefix it stands for, which
            messages name.
        archives: where the packages of dry runs would come from, by ``name version build``.
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
        self.warnings: list[str] = []
        self.replaced: list[str] = []
        self.stand_ins: dict[str, str] = {}
        self.archives: dict[str, Archive] = {}
        self._last_failure = ""
        self._name = os.path.basename(executable or "conda")
        self._dialect = dialect_of(executable)

    @property
    def creates_in_directories(self) -> bool:
        """Whether ``create`` accepts a directory that contains a file."""
        return self._dialect.creates_in_directories

    @property
    def caches(self) -> list[str]:
        """The package caches that conda reads or writes."""
        return [*package_caches(self.installation), *self._dialect.caches()]

    @property
    def caches_in_order(self) -> list[str]:
        """The same, in the order in which conda tries to write them."""
        settings = combined(read_condarcs(self.installation))
        named = settings.get("pkgs_dirs")
        chosen = [
            os.path.expanduser(os.path.expandvars(str(one)))
            for one in (named if isinstance(named, list) else ())
        ]
        return list(dict.fromkeys([*filter(os.path.isabs, chosen), *self.caches]))

    @property
    def copies(self) -> bool:
        """Whether the condarc makes conda copy packages instead of linking them."""
        return combined(read_condarcs(self.installation)).get("always_copy") is True

    def _program(self, dry_run: bool) -> list[str]:
        if self.executable:
            return [self.executable]
        # -I: neither the working directory nor the user's site-packages may shadow conda's modules. -B: a dry
        # run writes no compiled files either.
        options = ["-I", *(["-B"] if dry_run else [])]
        return [os.path.join(self.installation, "bin", "python"), *options, "-m", "conda"]

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        environment = child_environment(
            {
                "CONDA_AUTO_UPDATE_CONDA": "false",
                "CONDA_REPORT_ERRORS": "false",
                "CONDA_NUMBER_CHANNEL_NOTICES": "0",
                **self._dialect.environment(self.installation),
                **self.settings,
                **extra,
            }
        )
        # If CI is set, conda accepts terms of service by itself; only the user may do that.
        environment.pop("CI", None)
        return environment

    def create(
        self, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        """``conda create``: only for a prefix that is not an environment yet, because it wipes the prefix."""
        return self._change("create", prefix, specs, options, dry_run)

    def install(
        self, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        """``conda install`` into an existing environment."""
        return self._change("install", prefix, specs, options, dry_run)

    def link_explicitly(
        self, command: str, prefix: str, lines: Sequence[str], options: Sequence[str]
    ) -> None:
        """``conda create`` or ``conda install`` of package URLs: no solver, no further packages.

        The URLs are passed in a private file, because they may contain tokens. There is no dry run of this,
        and no JSON document on success (conda 24.7): read the prefix to see the result.
        """
        with roomy_directory([os.path.dirname(prefix), self.installation]) as directory:
            path = os.path.join(directory, "packages.txt")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("".join(f"{line}\n" for line in ("@EXPLICIT", *lines)))
            argv = [command, "--prefix", prefix, *COMMON, *options, "--file", path]
            self._run(argv, prefix, lines)

    def remove_alone(self, prefix: str, names: Sequence[str]) -> None:
        """``conda remove --force``: only these packages, without those that depend on them; no solver."""
        self._change("remove", prefix, names, ["--force"], dry_run=False)

    def remove(self, prefix: str, names: Sequence[str], dry_run: bool = False) -> Solution:
        """``conda remove`` of packages and of those that depend on them."""
        return self._change("remove", prefix, names, [], dry_run)

    def _change(
        self, command: str, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool
    ) -> Solution:
        if command != "remove":
            given = [two for one, two in zip(options, options[1:]) if one == "--channel"]
            refuse_denied(self.installation, given, specs)
        installed = observe_prefix(prefix).records if "--update-specs" in options else ()
        if dry_run:
            options = [*options, "--dry-run"]
        run_one = self._foresee if dry_run else self._run
        solutions = []
        for argv in self._dialect.commands(command, prefix, specs, options, installed):
            document = run_one(argv, prefix, specs)
            if dry_run:
                self.archives.update(archives_of(document))
            solutions.append(solution_of(document))
        return Solution(
            link=tuple(label for solution in solutions for label in solution.link),
            unlink=tuple(label for solution in solutions for label in solution.unlink),
            packages=tuple(one for solution in solutions for one in solution.packages),
        )

    def _foresee(
        self, argv: Sequence[str], prefix: str, asked: Sequence[str]
    ) -> dict[str, Any] | None:
        """Run conda with ``--dry-run``, so that it writes only to a temporary package cache."""
        offline = "--offline" in argv
        try:
            with _private_cache(self.caches, offline) as variables:
                return self._run(argv, prefix, asked, variables)
        except CondaModuleError as error:
            if error.facts.get("error_kind") != "index" or offline:
                raise
        # The index in the cache is damaged. The real run will set it aside; the dry run only ignores it.
        with _private_cache(self.caches, offline, with_index=False) as variables:
            return self._run(argv, prefix, asked, variables)

    def _run(
        self,
        arguments: Sequence[str],
        prefix: str,
        asked: Sequence[str],
        extra: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """Run conda to its end, and remove secrets from the URLs that it stores."""
        try:
            return self._run_keeping_users_files(arguments, prefix, asked, extra)
        finally:
            used = secrets_in([*arguments, *asked]) or secrets_of_conda([self.installation])
            if used and "--dry-run" not in arguments:
                forget_addresses(self.caches)

    def _run_keeping_users_files(
        self,
        arguments: Sequence[str],
        prefix: str,
        asked: Sequence[str],
        extra: Mapping[str, str] | None,
    ) -> dict[str, Any] | None:
        if (
            arguments[0] != "install"
            or "--dry-run" in arguments
            or not self._dialect.tells_collisions
        ):
            return self._run_on(arguments, prefix, asked, extra)
        from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.collisions import (
            PREVENTED,
            collisions,
            out_of_the_way,
        )
        from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.handover import (
            at_these_paths,
            moved,
        )

        try:
            return self._run_on(arguments, prefix, asked, {**(extra or {}), **PREVENTED})
        except CondaModuleError as error:
            if error.facts.get("error_kind") != "clobber":
                raise
        # Files that two packages install are handled as always.
        paths = collisions(self._last_failure)
        of_pip = at_these_paths(prefix, paths)
        with moved(prefix, of_pip):
            left = [path for path in paths if os.path.lexists(os.path.join(prefix, path))]
            with out_of_the_way(prefix, left, self.warnings, self.caches):
                document = self._run_on(arguments, prefix, asked, extra)
        self.replaced += [one.label for one in of_pip]
        return document

    def _run_on(
        self,
        arguments: Sequence[str],
        prefix: str,
        asked: Sequence[str],
        extra: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """Run conda until it succeeds or fails for a permanent reason.

        A network failure is retried after a pause. A damaged file in the package cache is set aside and
        downloaded again once. All attempts together take at most ``timeout`` seconds.
        """
        deadline = time.monotonic() + self.timeout
        delays = list(_RETRY_DELAYS)
        dry_run = "--dry-run" in arguments
        curable = not dry_run
        before = traces(prefix)
        fresh = arguments[0] == "create" and curable and _is_absent_or_empty(prefix)
        attempt = 0
        crashes = 0
        aside: list[str] = []
        while True:
            attempt += 1
            completed = self._start(arguments, prefix, extra or {}, deadline - time.monotonic())
            document = find_document(completed.stdout) or find_document(completed.stderr)
            failure = failure_of(completed, document, asked)
            if failure is None:
                if not dry_run and is_short_of_room(prefix):
                    self._remove_compiled(prefix)
                return document
            if failure.kind == "disk_full" and not dry_run:
                # Compiled files that Python wrote to a full disk fail on every import.
                self._remove_compiled(prefix)
            if curable and failure.kind in CURABLE:
                curable = False
                aside = self._set_aside(failure, prefix)
                # Nothing to set aside: conda has deleted its download itself.
                again = f"conda downloaded a damaged file and downloaded it again: {failure.said}"
                self.warnings += aside or ([] if failure.kind == "compiled" else [again])
            elif curable and failure.kind in _CRASHES and (aside := self._remove_compiled(prefix)):
                curable = False
                self.warnings += aside
            elif failure.kind == "crash" and failure.signal and not crashes:
                crashes += 1
                if traces(prefix) != before:
                    break
                self.warnings.append(
                    f"Signal {failure.signal} ended {self._name} before it changed anything; it was started"
                    " again."
                )
            elif (
                (failure.retry or self._is_race_with_other_conda(failure))
                and delays
                and time.monotonic() + delays[0] < deadline
            ):
                time.sleep(delays.pop(0))
            else:
                break
            if fresh:
                # conda create does not continue an incomplete prefix.
                _clear_prefix(prefix, self.caches)
        verb = " ".join(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
        tried = f" (tried {attempt} times)" if attempt > 1 else ""
        meant = self.stand_ins.get(prefix, prefix)
        self._last_failure = failure.whole
        failure = self._seen_from_here(failure, arguments, meant)
        raise CondaModuleError(
            f"{self._name} {verb} failed for {meant}: {failure.headline}{failure.hosts}{tried}.",
            prefix=meant,
            asked=list(asked),
            said=failure.said.replace(prefix, meant),
            hint=_hint(failure, attempt) + self._channels_hint(failure, arguments),
            cut_off=completed.timed_out or completed.rc < 0,
            error_kind=failure.kind,
            command=[self._name, *arguments],
            rc=completed.rc,
            attempts=attempt,
            set_aside=aside,
        )

    def _seen_from_here(self, failure: Failure, arguments: Sequence[str], prefix: str) -> Failure:
        """The failure with what only this command's options and paths tell about its cause."""
        records = f"{os.path.join(self.installation, 'conda-meta')}{os.sep}"
        if (
            failure.kind == "environment_damaged"
            and prefix != self.installation
            and records in failure.whole
        ):
            return _as(failure, "base_damaged")
        if failure.kind in ("not_found", "dependency") and "--offline" in arguments:
            offline = _as(failure, "offline")
            return replace(offline, kind=failure.kind)
        return failure

    def _channels_hint(self, failure: Failure, arguments: Sequence[str]) -> str:
        """The channel URLs, for failures in which conda does not print them."""
        if (
            failure.kind not in ("timeout", "index")
            or "--offline" in arguments
            or arguments[0] == "remove"
        ):
            return ""
        settings = combined(read_condarcs(self.installation))
        given = [one for at, one in enumerate(arguments) if at and arguments[at - 1] == "--channel"]
        channels = given or settings.get("channels") or ()
        addresses = [url for one in channels for url in channel_addresses(str(one), settings)]
        return f" The channels of this run are {', '.join(addresses)}." if addresses else ""

    def _remove_compiled(self, prefix: str) -> list[str]:
        places = dict.fromkeys((self.installation, prefix))
        removed = [path for place in places for path in remove_cut_short(place)]
        return [f"The compiled file {path} was truncated; it was removed." for path in removed]

    def _is_race_with_other_conda(self, failure: Failure) -> bool:
        """Whether another process changed a package cache while this conda used it.

        A user's own conda does not take the collection's lock: two processes that extract the same package
        remove each other's directory first (conda 24.7, ``core.path_actions.ExtractPackageAction``).
        """
        return _MOVED.search(failure.whole) is not None and any(
            f"{cache}/" in failure.whole for cache in self.caches
        )

    def _set_aside(self, failure: Failure, prefix: str) -> list[str]:
        if failure.kind == "compiled":
            return self._remove_compiled(prefix)
        if failure.kind == "index":
            return set_aside_indexes(self.caches)
        return set_aside_packages(self.caches, failure.whole)

    def _start(
        self, arguments: Sequence[str], prefix: str, extra: Mapping[str, str], timeout: float
    ) -> Completed:
        program = self._program("--dry-run" in arguments)
        try:
            with self._dialect.hidden(arguments) as (shown, variables):
                environment = self._environment({**extra, **variables})
                return run([*program, *shown], env=environment, timeout=timeout)
        except OSError as error:
            raise CondaModuleError(
                f"conda cannot be started: {program[0]}: {error.strerror}.",
                prefix=prefix,
                hint=hint_for(
                    error,
                    "install conda there with llmfleet.conda.conda_installation, or correct the option"
                    " installation (or executable).",
                ),
            ) from error


def _clear_prefix(prefix: str, caches: Sequence[str]) -> None:
    from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
        remove_half_made,
    )

    with suppress(CondaModuleError):
        kept = os.path.lexists(os.path.join(prefix, MADE))
        remove_half_made(prefix, caches=caches, keep_token=kept)


def _is_absent_or_empty(directory: str) -> bool:
    try:
        return not set(os.listdir(directory)) - {MADE, BUILDING}
    except OSError:
        return not os.path.lexists(directory)


def _as(failure: Failure, kind: str) -> Failure:
    return replace(failure, kind=kind, headline=KINDS[kind].headline, hint=KINDS[kind].hint)


def _hint(failure: Failure, attempt: int) -> str:
    if failure.kind in CURABLE - {"compiled"} and attempt > 1:
        return (
            "the file was downloaded again and is still damaged: do not trust that channel;"
            f" {failure.hint}"
        )
    return failure.hint


def failure_of(
    completed: Completed, document: Mapping[str, Any] | None, asked: Sequence[str] = ()
) -> Failure | None:
    """Return None if conda reports success: its document counts more than its exit status.

    Args:
        completed: how conda ended.
        document: its result, None if it printed none.
        asked: the specs of the run.
    """
    rc, out, err = completed.rc, completed.stdout, completed.stderr
    if completed.timed_out:
        return classify(rc, out, err, document, timed_out=True)
    if (
        document is not None
        and document.get("success") is True
        and "exception_name" not in document
    ):
        return None
    if document is not None and rc == 0 and _is_good_end(document):
        return None
    if document is None and rc == 0:
        # Explicit installs and removals of empty environments print nothing; the caller reads the prefix.
        return None
    return classify(rc, out, err, document, asked=asked)


def _is_good_end(document: Mapping[str, Any]) -> bool:
    """Whether conda's "error" only means that it stopped early with success, as after ``--download-only``."""
    return document.get("exception_name") == "CondaExitZero"


@contextmanager
def _private_cache(
    caches: Sequence[str], offline: bool, with_index: bool = True
) -> Iterator[dict[str, str]]:
    """Variables for ``--dry-run`` that name temporary caches; conda would write into the real ones.

    The existing repodata is copied, so that a large channel is not downloaded again. Offline, the packages of
    the real ``caches`` count as well; conda writes to the first cache only. The plugin for terms of service
    writes what it downloads below XDG_CACHE_HOME (conda-anaconda-tos, path.py; on macOS in ~/Library/Caches).
    """
    known = next(filter(os.path.isdir, (os.path.join(cache, "cache") for cache in caches)), None)
    if not with_index:
        known = None
    terms = os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), _TERMS_PLUGIN
    )
    near = [os.path.dirname(cache) for cache in caches]
    with roomy_directory(near, LITTLE + (_size(known) if known else 0)) as directory:
        if known:
            _copy(known, os.path.join(directory, "cache"))
        users = os.path.join(directory, "users")
        os.mkdir(users)
        if os.path.isdir(terms):
            _copy(terms, os.path.join(users, _TERMS_PLUGIN))
        # conda splits the variable at commas (conda.common.configuration.SequenceParameter).
        places = ",".join([directory, *caches]) if offline else directory
        variables = {"CONDA_PKGS_DIRS": places, "XDG_CACHE_HOME": users}
        if os.path.dirname(directory) != tempfile.gettempdir():
            variables["TMPDIR"] = directory
        yield variables


def _size(directory: str) -> int:
    """Bytes of the files in a directory, without those of its directories."""
    try:
        with os.scandir(directory) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _copy(source: str, target: str) -> None:
    try:
        shutil.copytree(source, target)
    except (OSError, shutil.Error):
        # This user may not read it, or another process rewrites it: conda downloads it again.
        remove_made(target)
