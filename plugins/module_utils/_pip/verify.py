# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the disk after a change with the plan and with the installer's report."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.exact import unneeded
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.observe import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    InvalidVersion,
    Version,
)


def verify(
    request: Request,
    plan: Plan,
    before: Observed,
    seen: Observed,
    reported: Sequence[Reported],
) -> None:
    """Compare the environment after a change with the plan and with what the installer reported.

    Raises:
        CondaModuleError: the disk differs; the message names every difference.
    """
    there = seen.packages.by_name
    missing = [f"{name} is still installed" for name in plan.remove if name in there]
    if request.desired.state != "absent":
        missing += [shortfall.reason for shortfall in seen.closure.shortfalls]
        for name, files in seen.damage.items():
            missing.append(f"{name} is still damaged ({files[0]})")
    if request.desired.exact:
        left = unneeded(request.desired.requirements, seen.packages, seen.environment)
        missing += [f"{name} is still installed" for name in left if name not in plan.remove]
    for one in reported:
        now = there.get(one.name)
        if now is None or not _same(now.version, one.version):
            missing.append(f"{one.name} {one.version} is not installed")
    if not request.desired.replace_conda_packages:
        for owned in before.packages.owned_by_conda():
            now = there.get(owned.name)
            if now is None or now.version != owned.version:
                found = f"was replaced by {now.version}" if now else "was removed"
                missing.append(f"conda's {owned.name} {owned.version} {found}")
    if missing:
        raise CondaModuleError(
            f"{before.choice.name} reported success, but {'; '.join(missing)}.",
            prefix=request.prefix,
            asked=[line.text for line in request.desired.requirements],
            hint="run the task again; if a file stays damaged, its wheel has a wrong RECORD: set "
            "repair: false to ignore it.",
            changed=True,
        )


def _same(left: str, right: str) -> bool:
    """Whether two spellings mean the same version; uv reports the normal form, metadata may not."""
    try:
        return left == right or Version(left) == Version(right)
    except InvalidVersion:
        return False
