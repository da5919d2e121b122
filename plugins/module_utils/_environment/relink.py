# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relinks packages that conda linked from an incomplete package cache; conda does not notice that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.damaged_cache import (
    set_aside_linked,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockedPackage,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.frozen import (
    marker_lifted,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    preserve_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


def relink_damaged(
    conda: Conda,
    prefix: str,
    before: Mapping[str, PackageRecord],
    damaged: Collection[str],
    options: Sequence[str],
    lock: Sequence[LockedPackage] | None,
) -> None:
    """Check the packages that conda has just linked, and relink those with a damaged source in the cache.

    This sets damaged sources aside and reports them in ``conda.warnings``. The caller holds the locks of the
    prefix and of the caches.

    Args:
        conda: made the change.
        prefix: the environment.
        before: its records before the change.
        damaged: names of packages that were damaged before the change, and so were relinked by it.
        options: of ``conda install``, such as channels.
        lock: the packages of the lock that the environment follows, if any.

    Raises:
        CondaModuleError: conda failed.
    """
    records = observe_prefix(prefix).records
    names = []
    for name, record in records.items():
        if name in damaged or before.get(name) != record:
            warnings = set_aside_linked(conda.caches, f"{name}-{record.version}-{record.build}")
            conda.warnings += warnings
            names += [name] if warnings else []
    if names:
        relink(conda, prefix, names, options, lock)


def relink(
    conda: Conda,
    prefix: str,
    names: Collection[str],
    options: Sequence[str],
    lock: Sequence[LockedPackage] | None,
) -> None:
    """Let conda link installed packages again, in their versions; the arguments are those of above.

    Raises:
        CondaModuleError: conda failed.
    """
    records = observe_prefix(prefix).records
    with marker_lifted(prefix, put_back=True):
        if lock is not None:
            conda.remove_alone(prefix, list(names))
            lines = [package.line for package in lock if package.name in names]
            offline = [option for option in options if option == "--offline"]
            conda.link_explicitly("install", prefix, lines, offline)
            return
        exact = [f"{name}={records[name].version}={records[name].build}" for name in names]
        with preserve_history(prefix):
            conda.install(prefix, exact, [*options, "--force-reinstall"])
