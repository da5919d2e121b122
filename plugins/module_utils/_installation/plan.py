# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a task about an installation, its observed state, and the plan: changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    listed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
    choose_installer,
    parse_catalogue,
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import (
    Access,
    AccessManager,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import is_of_installers
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    INSTALLER_BEGUN,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
    parse_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    missing_dependencies,
)

_NAMED_VERSION = re.compile(r"[0-9][0-9A-Za-z.!_+]*")

# The program of an installer, which lies there from its first second on (constructor 3.16; the last of these
# names is that of 3.0 to 3.5). A directory ``pkgs`` proves nothing.
_PROGRAMS = ("_conda", "_conda.exe", "conda.exe")
# What only an installer, or conda's own package, puts into a prefix that has packages.
_OF_BASES = (".installer.info", os.path.join("condabin", "conda"))
# The file name of conda's own record.
_CONDA_RECORD = re.compile(r"conda-\d[^-]*-[^-]+\.json")


@dataclass(frozen=True)
class InstallationRequest:
    """The options of a task about one installation."""

    prefix: str
    state: str = "present"
    distribution: str = "miniconda"
    version: str | None = None
    conda_version: str | None = None
    installer_url: str | None = None
    installer_path: str | None = None
    checksum: str | None = None
    mirror: Sequence[str] = ()
    catalogue: Sequence[str] = ()
    channels: Sequence[str] = ()
    repair: bool = True
    remove_environments: bool = False
    remove_foreign: bool = False
    minimum_glibc: str | None = None
    timeout: float = 3600
    in_use: str = "fail"
    in_use_timeout: float = 600
    access: Access = field(default_factory=Access)

    @property
    def conda_spec(self) -> VersionSpec | None:
        """The version condition in the option conda_version.

        Raises:
            CondaModuleError: it is not valid.
        """
        if not self.conda_version:
            return None
        try:
            return VersionSpec(self.conda_version)
        except (InvalidSpecError, UnsupportedSpecError) as error:
            raise CondaModuleError(
                f"The option conda_version is neither a version nor a version condition: {error}. Nothing"
                " was changed.",
                prefix=self.prefix,
                asked=self.conda_version,
                hint="write a version such as 25.3.1, or a condition such as >=25.3,<26.",
            ) from error

    @property
    def installer_option(self) -> str:
        """The option that names the source of the installer, for messages."""
        if self.installer_path:
            return "installer_path"
        return "installer_url" if self.installer_url else "mirror (or version)"


@dataclass(frozen=True)
class ObservedInstallation:
    """The base environment, its faults, and the environments in the prefix.

    ``proved``: the journal of the interrupted run describes the directory that exists now. ``half_made``: an
    installer or conda has worked there, yet it is not an installation. ``unfinished``: an installer was
    interrupted and the base was not changed since. No record tells what is missing then: an installer links
    packages first and does the rest afterwards.
    """

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    interrupted: str | None = None
    proved: bool = True
    half_made: bool = False
    unfinished: bool = False

    @property
    def is_installation(self) -> bool:
        """Whether it is a base environment with a record of conda."""
        return self.state.is_environment and "conda" in self.state.records

    @property
    def version(self) -> str | None:
        """Version of the installed conda."""
        record = self.state.records.get("conda")
        return record.version if record else None

    def faults(self) -> list[str]:
        """One sentence for each fault of an installation."""
        found = [f"{name} is damaged: {files[0]}" for name, files in sorted(self.damaged.items())]
        found += [f"the dependency {text} is missing" for text in self.missing]
        found += self.state.problems
        if "python" not in self.state.records:
            found.append("its Python is missing")
        if self.interrupted:
            found.append(f"an earlier run was interrupted ({self.interrupted})")
        return found


@dataclass(frozen=True)
class InstallationPlan:
    """The change to make, at most one, and the reasons.

    Attributes:
        action: ``install``, ``reinstall``, ``repair``, ``upgrade`` or ``downgrade`` of conda, ``access``
            (owner, group or permissions), ``remove``, or empty.
        installer: the one that ``install``, ``reinstall`` and ``repair`` use.
        conda_version: the version of conda, or a condition on it, that conda has to install.
        reasons: one sentence for each difference from what is wanted.
    """

    action: str = ""
    installer: Installer | None = None
    conda_version: str | None = None
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.action)


def observe_installation(prefix: str, repair: bool = True) -> ObservedInstallation:
    """Read an installation's state from disk."""
    state = observe_prefix(prefix, thorough=True)
    journal = pending_journal(prefix)
    interrupted = str(journal.get("operation") or "change") if journal else None
    begun = (journal or {}).get("installer") == INSTALLER_BEGUN
    unfinished = begun and is_of_installers(prefix)
    proved = "unproved" not in (journal or {})
    if not state.is_environment or "conda" not in state.records:
        half = (begun and proved) or _was_installation(state)
        return ObservedInstallation(
            state,
            damaged=damaged_files(state) if half and (repair or interrupted) else {},
            environments=tuple(_environments(prefix)),
            interrupted=interrupted,
            proved=proved,
            half_made=half,
            unfinished=unfinished,
        )
    return ObservedInstallation(
        state,
        damaged=damaged_files(state) if repair or interrupted else {},
        missing=tuple(missing_dependencies(state.records)),
        environments=tuple(_environments(prefix)),
        interrupted=interrupted,
        unfinished=unfinished,
    )


def _was_installation(state: PrefixState) -> bool:
    """Whether conda is or was recorded there, or an installer's program exists."""
    recorded = "conda" in state.records or any(map(_CONDA_RECORD.fullmatch, state.bad_records))
    traces = (*_PROGRAMS, *(_OF_BASES if state.records or state.bad_records else ()))
    return recorded or any(os.path.isfile(os.path.join(state.path, name)) for name in traces)


def _environments(prefix: str) -> Iterator[str]:
    """Names of the environments in ``envs``.

    Raises:
        CondaModuleError: the directory exists and cannot be read.
    """
    directory = os.path.join(prefix, "envs")
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CondaModuleError(
            f"{directory} cannot be read: {error.strerror}. Nothing was changed.",
            prefix=prefix,
            hint="run the task as a user who may read it (become), and check the volume.",
        ) from error
    for name in names:
        if os.path.isdir(os.path.join(directory, name, "conda-meta")):
            yield name


def plan_installation(
    request: InstallationRequest, observed: ObservedInstallation, system: str, arch: str
) -> InstallationPlan:
    """Decide what to change; changes nothing.

    Args:
        system, arch: of the host, as in the names of installer files.

    Raises:
        CondaModuleError: the prefix contains files of another kind, or an option is invalid.
    """
    state = observed.state
    ours = observed.interrupted in ("install", "remove") and observed.proved
    if request.state == "absent":
        return _plan_removal(request, observed, ours)
    request.conda_spec  # noqa: B018 - a mistake in it is reported before any change
    if observed.is_installation:
        return _plan_existing(request, observed, system, arch)
    if state.empty:
        installer = _installer(request, system, arch)
        return InstallationPlan(
            "install", installer, reasons=(f"{state.path} does not exist or is empty",)
        )
    if observed.unfinished and request.repair and not ours:
        return InstallationPlan(
            "repair",
            _installer(request, system, arch),
            reasons=(f"a repair of {state.path} was interrupted",),
        )
    if observed.half_made and request.repair and not ours:
        # A base in use has lost a record or its history: keep everything else.
        holds = f"; it contains {', '.join(observed.environments)}" if observed.environments else ""
        return InstallationPlan(
            "repair",
            _installer(request, system, arch),
            reasons=(f"{state.path} has lost records of its base{holds}",),
        )
    if ours or state.cleared:
        what = (
            "contains an incomplete installation"
            if ours
            else "contains only files that an earlier removal left there"
        )
        return InstallationPlan(
            "reinstall", _installer(request, system, arch), reasons=(f"{state.path} {what}",)
        )
    what = "an environment without conda" if state.is_environment else "not a conda installation"
    raise CondaModuleError(
        f"{state.path} exists and is {what}{_holds(state)}. Nothing was changed.",
        prefix=state.path,
        hint="choose another prefix, or move those files away yourself.",
    )


def _holds(state: PrefixState) -> str:
    return f"; it contains {listed(state.entries)}" if state.entries else ""


def refuse_environments(request: InstallationRequest, found: Sequence[str]) -> None:
    """Fail if the removal would include environments and the task does not allow that.

    Args:
        found: environments below the prefix, relative to it.

    Raises:
        CondaModuleError: there are some, and ``remove_environments`` is not set.
    """
    if not found or request.remove_environments:
        return
    names = [name[len("envs/") :] if re.fullmatch(r"envs/[^/]+", name) else name for name in found]
    raise CondaModuleError(
        f"The installation {request.prefix} still contains the environments {listed(names)}. Nothing was"
        " changed.",
        prefix=request.prefix,
        hint="remove them first, or set remove_environments to true.",
    )


def _installer(request: InstallationRequest, system: str, arch: str) -> Installer:
    return choose_installer(
        distribution=request.distribution,
        version=request.version,
        system=system,
        arch=arch,
        url=request.installer_url,
        path=request.installer_path,
        checksum=request.checksum,
        mirrors=request.mirror,
        catalogue=parse_catalogue(request.catalogue),
    )


def _plan_removal(
    request: InstallationRequest, observed: ObservedInstallation, ours: bool
) -> InstallationPlan:
    state = observed.state
    if not state.exists or (state.empty and not ours):
        return InstallationPlan()
    if state.cleared and not request.remove_foreign:
        return InstallationPlan()
    if not (observed.is_installation or ours or observed.half_made or state.cleared):
        raise CondaModuleError(
            f"{state.path} is not a conda installation{_holds(state)}, so it is not removed. Nothing was"
            " changed.",
            prefix=state.path,
            hint="set prefix to the installation to remove.",
        )
    return InstallationPlan("remove", reasons=(f"{state.path} is to be absent",))


def _plan_existing(
    request: InstallationRequest, observed: ObservedInstallation, system: str, arch: str
) -> InstallationPlan:
    faults = observed.faults()
    if faults and request.repair:
        return InstallationPlan("repair", _installer(request, system, arch), reasons=tuple(faults))
    wanted = wanted_conda(request, observed)
    reasons = [f"conda {observed.version} is installed, {wanted} is wanted"] if wanted else []
    reasons += AccessManager(request.prefix, request.access).faults() if request.access else []
    if not reasons:
        return InstallationPlan()
    return InstallationPlan(
        _conda_action(observed.version, wanted) if wanted else "access",
        conda_version=wanted,
        reasons=tuple(reasons),
    )


def wanted_conda(request: InstallationRequest, observed: ObservedInstallation) -> str | None:
    """The version of conda that conda has to install, or a condition on it; None if the current one fits.

    The option conda_version is a pin and may also mean an older version. The installer's version is only a
    lower bound, because conda may have been updated since.

    Raises:
        CondaModuleError: the option conda_version is invalid.
    """
    pin = request.conda_spec
    if observed.version is None:
        return None
    if pin is not None:
        try:
            fits = pin.matches(observed.version)
        except InvalidSpecError:
            fits = False
        return None if fits else pin.text
    floor = parse_installer_version(request.distribution, request.version).conda
    return floor if floor and is_older(observed.version, floor) else None


def exact_version(condition: str) -> str | None:
    """The one version that a condition such as ``24.7.1`` or ``==24.7.1`` allows, or None."""
    text = condition[2:] if condition.startswith("==") else condition
    try:
        return None if text.endswith("*") else parse_version(text).text
    except InvalidSpecError:
        return None


def _conda_action(installed: str | None, wanted: str) -> str:
    # If all versions in a condition are older than the installed one, no version that fits can be newer.
    named = [text.rstrip(".") for text in _NAMED_VERSION.findall(wanted)]
    older = installed and named and all(is_older(text, installed) for text in named)
    return "downgrade" if older else "upgrade"


def is_older(installed: str, wanted: str) -> bool:
    """Whether a version is older than another; not if one of them is no version."""
    try:
        return parse_version(installed) < parse_version(wanted)
    except InvalidSpecError:
        return False


def host_platform() -> tuple[str, str]:
    """The host's system and architecture, as in the names of installer files."""
    name = os.uname()
    return ("MacOSX" if name.sysname == "Darwin" else name.sysname), name.machine
