# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of an installation, what is observed of it, and the plan that follows: no change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
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
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._version import (
    InvalidSpecError,
    parse_version,
)

# What an installer that was cut off leaves before there is a history (constructor 3.16).
_TRACES = ("_conda", "_conda.exe", ".installer.info", ".nonadmin", "pkgs")


@dataclass(frozen=True)
class InstallationRequest:
    """What a task wants of one installation; the fields are the options of the module."""

    prefix: str
    state: str = "present"
    distribution: str = "miniconda"
    version: str | None = None
    installer_url: str | None = None
    installer_path: str | None = None
    checksum: str | None = None
    mirror: str | None = None
    channels: Sequence[str] = ()
    repair: bool = True
    remove_environments: bool = False
    timeout: float = 3600


@dataclass(frozen=True)
class ObservedInstallation:
    """The base environment, what is wrong with it, and what else lives in the prefix."""

    state: PrefixState
    damaged: dict[str, list[str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    interrupted: str | None = None
    half_made: bool = False

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
    """What must be done: at most one of these, and why."""

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
    if not state.is_environment or "conda" not in state.records:
        traces = any(os.path.lexists(os.path.join(prefix, name)) for name in _TRACES)
        half = bool(state.bad_records) or (
            traces and (bool(state.records) or not state.is_environment)
        )
        return ObservedInstallation(state, interrupted=interrupted, half_made=half)
    return ObservedInstallation(
        state,
        damaged=damaged_files(state) if repair or interrupted else {},
        missing=tuple(missing_dependencies(state.records)),
        environments=tuple(_environments(prefix)),
        interrupted=interrupted,
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
    if observed.is_installation:
        return _plan_existing(request, observed, system, arch)
    if state.empty:
        installer = _installer(request, system, arch)
        return InstallationPlan(
            "install", installer, reasons=(f"there is nothing at {state.path}",)
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
    wanted = parse_installer_version(request.distribution, request.version).conda
    if wanted and observed.version and _is_older(observed.version, wanted):
        reason = f"conda {observed.version} is installed, {wanted} is wanted"
        return InstallationPlan("upgrade", conda_version=wanted, reasons=(reason,))
    return InstallationPlan()


def _is_older(installed: str, wanted: str) -> bool:
    try:
        return parse_version(installed) < parse_version(wanted)
    except InvalidSpecError:
        return False


def host_platform() -> tuple[str, str]:
    """The host's system and architecture, as installer file names have them."""
    name = os.uname()
    return ("MacOSX" if name.sysname == "Darwin" else name.sysname), name.machine
