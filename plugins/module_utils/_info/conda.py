# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about a conda installation and its environments, read from files alone."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import (
    CondarcFile,
    is_writable,
    masked,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._host.readings import CONDA_PLATFORMS
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requested_names
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    conda_files,
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    observe_packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    HISTORY,
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    pending_journal,
)

_INSTALLER_NAMES = re.compile(r"(?P<name>Miniconda|Miniforge|Mambaforge|Anaconda)[0-9]?\b", re.I)


def is_installation(state: PrefixState) -> bool:
    """Whether it is a base environment with a record of conda."""
    return state.is_environment and "conda" in state.records


def python_version(state: PrefixState) -> str:
    """The full version of the environment's Python, empty without one."""
    record = state.records.get("python")
    return record.version if record else ""


def _platform(state: PrefixState) -> str:
    for name in ("python", "conda"):
        record = state.records.get(name)
        if record and record.subdir and record.subdir != "noarch":
            return record.subdir
    return CONDA_PLATFORMS.get((platform.system(), platform.machine()), "")


def distribution_of(state: PrefixState) -> tuple[str, str]:
    """The distribution and the source of that fact: the installer's own note, else a package or a channel.

    Empty texts if unknown, as in an environment into which conda was installed as a package.
    """
    try:
        with open(
            os.path.join(state.path, ".installer.info"),
            encoding="utf-8",
            errors="replace",
            opener=only_regular,
        ) as stream:
            note = stream.read().strip()
    except OSError:
        note = ""
    found = _INSTALLER_NAMES.search(note)
    if found:
        name = found["name"].lower()
        return ("miniforge" if name == "mambaforge" else name), note.splitlines()[0][:200]
    for package in ("anaconda", "_anaconda_depends"):
        if package in state.records:
            return "anaconda", f"package {package}"
    conda = state.records.get("conda")
    if conda and conda.channel_name == "conda-forge":
        return "miniforge", "conda comes from conda-forge"
    if conda and conda.channel_name in ("pkgs/main", "defaults"):
        return "miniconda", f"conda comes from {conda.channel_name}"
    return "", ""


def installation_facts(state: PrefixState) -> dict[str, Any]:
    """Facts about the installation itself."""
    conda = state.records.get("conda")
    distribution, told_by = distribution_of(state)
    return {
        "prefix": state.path,
        "conda_version": conda.version if conda else "",
        "python_version": python_version(state),
        "distribution": distribution,
        "distribution_told_by": told_by,
        "platform": _platform(state),
        "writable": is_writable(state.path),
    }


def environment_name(prefix: str, installation: str | None, envs_dirs: list[str]) -> str:
    """The name by which conda knows a prefix; empty if it is known by its path only."""
    if prefix == installation:
        return "base"
    parent, name = os.path.split(prefix)
    return name if parent in envs_dirs else ""


def known_prefixes(installation: str, envs_dirs: list[str]) -> list[str]:
    """Environments, the base first: those below ``envs_dirs``, then those that conda has registered.

    A directory counts if it contains ``conda-meta/history``; conda's list also names removed environments.
    """
    found = [installation]
    for directory in envs_dirs:
        found.extend(os.path.join(directory, name) for name in _names(directory))
    found.extend(_registered())
    return [path for path in dict.fromkeys(found) if os.path.lexists(os.path.join(path, HISTORY))]


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _registered() -> Iterator[str]:
    try:
        with open(
            os.path.expanduser("~/.conda/environments.txt"),
            encoding="utf-8",
            errors="replace",
            opener=only_regular,
        ) as stream:
            for line in stream:
                if line.startswith("/"):
                    yield os.path.normpath(line.strip())
    except OSError:
        return


def environment_facts(
    prefix: str, installation: str | None, envs_dirs: list[str]
) -> dict[str, Any]:
    """Facts about one environment; files that cannot be read are in ``problems``."""
    journal = pending_journal(prefix)
    facts: dict[str, Any] = {
        "prefix": prefix,
        "name": environment_name(prefix, installation, envs_dirs),
        "interrupted": str(journal.get("operation") or "change") if journal else "",
    }
    try:
        state = observe_prefix(prefix, thorough=True, only_report=True)
    except CondaModuleError as error:
        state = PrefixState(prefix, True, True, {}, problems=(error.message,))
    facts.update(
        {
            "python_version": python_version(state),
            "frozen": state.frozen,
            "package_count": len(state.records),
            "problems": list(state.problems),
            "damaged": [
                {"name": name, "files": files}
                for name, files in sorted(damaged_files(state).items())
            ],
        }
    )
    return facts


def package_facts(state: PrefixState) -> list[dict[str, Any]]:
    """The linked packages, by name."""
    requested = requested_names(state.path)
    return [
        {
            "name": record.name,
            "version": record.version,
            "build": record.build,
            "channel": record.channel_name,
            "requested": record.name in requested,
        }
        for _name, record in sorted(state.records.items())
    ]


def distribution_facts(state: PrefixState) -> list[dict[str, str]]:
    """The Python distributions, by name."""
    if state.site_packages is None:
        return []
    packages = observe_packages(
        state.path, state.site_packages, conda_files(state.records.values())
    )
    return [
        {"name": one.name, "version": one.version, "owner": one.owner}
        for _name, one in sorted(packages.by_name.items())
    ]


def config_facts(files: list[CondarcFile], settings: dict[str, Any]) -> dict[str, Any]:
    """The condarc files, the least important first, and the effective settings; credentials are masked."""
    return {
        "files": [
            {"path": file.path, "settings": masked(file.settings), "problem": file.problem}
            for file in files
        ],
        "effective": masked(settings),
    }
