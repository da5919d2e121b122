# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links packages once more that the package cache had only in part: conda does not stop at that."""

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
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    preserve_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


def link_again(
    conda: Conda,
    prefix: str,
    before: Mapping[str, PackageRecord],
    damaged: Collection[str],
    options: Sequence[str],
    lock: Sequence[LockedPackage] | None,
) -> None:
    """Look at what conda has just linked, and link it again where its source was damaged.

    What was damaged is set aside; ``conda.warnings`` tells. Must run under the locks of the prefix and of the
    caches.

    Args:
        conda: has made the change.
        prefix: the environment.
        before: its records before the change.
        damaged: names of packages that were damaged then, and so were linked anew.
        options: of ``conda install``, channels and the like.
        lock: the packages of the lock that the environment follows, if it does.

    Raises:
        CondaModuleError: conda failed.
    """
    records = observe_prefix(prefix).records
    names = []
    for name, record in records.items():
        if name in damaged or before.get(name) != record:
            told = set_aside_linked(conda.caches, f"{name}-{record.version}-{record.build}")
            conda.warnings += told
            names += [name] if told else []
    if not names:
        return
    with marker_lifted(prefix, put_back=True):
        if lock is not None:
            conda.remove_alone(prefix, names)
            lines = [package.line for package in lock if package.name in names]
            offline = [option for option in options if option == "--offline"]
            conda.link_explicitly("install", prefix, lines, offline)
            return
        exact = [f"{name}={records[name].version}={records[name].build}" for name in names]
        with preserve_history(prefix):
            conda.install(prefix, exact, [*options, "--force-reinstall"])
