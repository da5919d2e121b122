# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of an installation, what is observed of it, and the plan that follows: no change."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._history import is_of_installers
from ansible_collections.llmfleet.conda.plugins.module_utils._installation_access import (
    Access,
    AccessManager,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installer import (
    Installer,
    choose_installer,
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._linked_files import damaged_files
from ansible_collections.llmfleet.conda.plugins.module_utils._plan import missing_dependencies
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._transaction import (
    INSTALLER_BEGUN,
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._version import (
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
    parse_version,
)

_NAMED_VERSION = re.compile(r"[0-9][0-9A-Za-z.!_+]*")

# What an installer that was cut off leaves before there is a history (constructor 3.16).
_TRACES = ("_conda", "_conda.exe", ".installer.info", ".nonadmin", "pkgs")


@dataclass(frozen=True)
class InstallationRequest:
    """What a task wants of one installation; the fields are the options of the module."""

    prefix: str
    state: str = "present"
    distribution: str = "miniconda"
    version: str | None = None
    conda_version: str | None = None
    installer_url: str | None = None
    installer_path: str | None = None
    checksum: str | None = None
    mirror: str | None = None
    channels: Sequence[str] = ()
    repair: bool = True
    remove_environments: bool = False
    minimum_glibc: str | None = None
    timeout: float = 3600
    in_use: str = "fail"
    in_use_timeout: float = 600
    access: Access = field(default_factory=Access)

    @property
    def conda_spec(self) -> VersionSpec | None:
        """The condition on the version of conda in the option conda_version.

        Raises:
            CondaModuleError: it is none.
        """
        if not self.conda_version:
            return None
        try:
            return VersionSpec(self.conda_version)
        except (InvalidSpecError, UnsupportedSpecError) as error:
            raise CondaModuleError(
                f"The option conda_version is no version and no condition on one: {error}."
                " Nothing was changed.",
                prefix=self.prefix,
                asked=self.conda_version,
                hint="write a version such as 25.3.1, or a condition such as >=25.3,<26.",
            ) from error

    @property
    def installer_option(self) -> str:
        """The option that names where the installer comes from, for messages."""
        if self.installer_path:
            return "installer_path"
        return "installer_url" if self.installer_url else "mirror (or version)"


@dataclass(frozen=True)
class ObservedInstallation:
    """The base environment, what is wrong with it, and what else lives in the prefix.

    ``unfinished``: an installer was cut off and nobody has changed the base since. What is missing then, no
    record tells: an installer links packages first and does the rest afterwards.
    """

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    interrupted: str | None = None
    half_made: bool = False
    unfinished: bool = False

    @property
    def is_installation(self) -> bool:
        """A base environment with a conda in its records."""
        return self.state.is_environment and "conda" in self.state.records

    @property
    def version(self) -> str | None:
        """Version of the installed conda."""
        record = self.state.records.get("conda")
        return record.version if record else None

    def faults(self) -> list[str]:
        """One sentence for each thing that keeps a finished installation from being whole."""
        found = [f"{name} is damaged: {files[0]}" for name, files in sorted(self.damaged.items())]
        found += [f"the dependency {text} is missing" for text in self.missing]
        found += self.state.problems
        if "python" not in self.state.records:
            found.append("its Python is missing")
        if self.interrupted:
            found.append(f"an earlier run was cut off ({self.interrupted})")
        return found


@dataclass(frozen=True)
class InstallationPlan:
    """What must be done: at most one of these, and why.

    Attributes:
        action: ``install``, ``reinstall``, ``repair``, ``upgrade`` or ``downgrade`` of conda, ``access``
            (owner, group or permissions), ``remove``, or empty.
        installer: the one that ``install``, ``reinstall`` and ``repair`` use.
        conda_version: a version of conda or a condition on one, where conda has to bring it.
        reasons: one sentence for each thing that is not as wanted.
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
    if not state.is_environment or "conda" not in state.records:
        traces = any(os.path.lexists(os.path.join(prefix, name)) for name in _TRACES)
        half = (
            begun
            or bool(state.bad_records)
            or (traces and (bool(state.records) or not state.is_environment))
        )
        return ObservedInstallation(
            state,
            damaged=damaged_files(state) if half and (repair or interrupted) else {},
            environments=tuple(_environments(prefix)),
            interrupted=interrupted,
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


def _environments(prefix: str) -> Iterator[str]:
    directory = os.path.join(prefix, "envs")
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if os.path.isdir(os.path.join(directory, name, "conda-meta")):
            yield name


def plan_installation(
    request: InstallationRequest, observed: ObservedInstallation, system: str, arch: str
) -> InstallationPlan:
    """Decide what must be done; nothing is touched.

    Args:
        system, arch: of the host, as installer file names have them.

    Raises:
        CondaModuleError: the prefix holds somebody else's files, or an option cannot be used.
    """
    state = observed.state
    ours = observed.interrupted in ("install", "remove")
    if request.state == "absent":
        return _plan_removal(request, observed, ours)
    request.conda_spec  # noqa: B018 - a mistake in it is found before anything happens
    if observed.is_installation:
        return _plan_existing(request, observed, system, arch)
    if state.empty:
        installer = _installer(request, system, arch)
        return InstallationPlan(
            "install", installer, reasons=(f"there is nothing at {state.path}",)
        )
    if observed.unfinished and request.repair and not ours:
        return InstallationPlan(
            "repair",
            _installer(request, system, arch),
            reasons=(f"a repair of {state.path} was cut off",),
        )
    if observed.half_made and request.repair and not ours and observed.environments:
        # No installer was cut off here: a base that people work with has lost a record or its history.
        named = ", ".join(observed.environments)
        return InstallationPlan(
            "repair",
            _installer(request, system, arch),
            reasons=(f"{state.path} has lost records of its base; it holds {named}",),
        )
    if ours or (observed.half_made and request.repair):
        installer = _installer(request, system, arch)
        return InstallationPlan(
            "reinstall", installer, reasons=(f"{state.path} was left half made",)
        )
    what = "an environment without conda" if state.is_environment else "no conda installation"
    raise CondaModuleError(
        f"{state.path} exists and is {what}. Nothing was changed.",
        prefix=state.path,
        hint="choose another prefix, or move those files away yourself.",
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
        mirror=request.mirror,
    )


def _plan_removal(
    request: InstallationRequest, observed: ObservedInstallation, ours: bool
) -> InstallationPlan:
    state = observed.state
    if not state.exists or (state.empty and not ours):
        return InstallationPlan()
    if not (observed.is_installation or ours or observed.half_made):
        raise CondaModuleError(
            f"{state.path} is no conda installation, so it will not be removed. Nothing was changed.",
            prefix=state.path,
            hint="name the prefix that is really meant.",
        )
    if observed.environments and not request.remove_environments:
        raise CondaModuleError(
            f"The installation {state.path} still holds the environments"
            f" {', '.join(observed.environments)}. Nothing was changed.",
            prefix=state.path,
            hint="remove them first, or set remove_environments to true.",
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
    """The version of conda that conda has to bring, or a condition on it; None when all is well.

    The option conda_version is a pin that may also mean an older one. The installer's version is only a
    floor, because conda may have been updated since.

    Raises:
        CondaModuleError: the option conda_version cannot be used.
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
    return floor if floor and _is_older(observed.version, floor) else None


def exact_version(condition: str) -> str | None:
    """The one version that a condition such as ``24.7.1`` or ``==24.7.1`` allows, or None."""
    text = condition[2:] if condition.startswith("==") else condition
    try:
        return None if text.endswith("*") else parse_version(text).text
    except InvalidSpecError:
        return None


def _conda_action(installed: str | None, wanted: str) -> str:
    # Where all versions that a condition names are older, no version that fits it can be newer.
    named = [text.rstrip(".") for text in _NAMED_VERSION.findall(wanted)]
    older = installed and named and all(_is_older(text, installed) for text in named)
    return "downgrade" if older else "upgrade"


def _is_older(installed: str, wanted: str) -> bool:
    try:
        return parse_version(installed) < parse_version(wanted)
    except InvalidSpecError:
        return False


def host_platform() -> tuple[str, str]:
    """The host's system and architecture, as installer file names have them."""
    name = os.uname()
    return ("MacOSX" if name.sysname == "Darwin" else name.sysname), name.machine
