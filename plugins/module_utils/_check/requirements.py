# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether the requirements of an environment's packages are met. Pure: judges what was read.

conda packages must meet the ``depends`` of their records. Their Python metadata counts less: conda splits and
renames packages (``matplotlib-base``, ``tzdata``), so a Requires-Dist without a distribution is not a defect
as long as conda's own requirements are met. Distributions of pip, and everything that requires them, must
meet their metadata, as in ``pip check``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    CONDA,
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_metadata_requirement,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


def broken_conda_requirements(records: Mapping[str, PackageRecord]) -> list[str]:
    """One sentence for each dependency of a conda package that is missing or has a wrong version.

    A package with the right name meets a spec that only conda can parse. Virtual packages such as ``__glibc``
    are facts about the host, not packages.
    """
    broken = []
    for record in sorted(records.values(), key=lambda record: record.name):
        for text in record.depends:
            name = text.split(" ", 1)[0].split("[", 1)[0].rpartition("::")[2]
            if name.startswith("__"):
                continue
            linked = records.get(name)
            whose = f"conda's {record.name} {record.version} requires {text}"
            if linked is None:
                broken.append(f"{whose}, which is not installed")
            elif not _matches(text, linked):
                broken.append(f"{whose}, but {linked.version} {linked.build} is installed")
    return broken


def _matches(text: str, record: PackageRecord) -> bool:
    try:
        return parse_match_spec(text).matches(record)
    except (UnsupportedSpecError, InvalidSpecError):
        return True


def broken_python_requirements(packages: Packages, python: str, subdir: str) -> list[str]:
    """One sentence for each unmet requirement of a Python distribution.

    Args:
        packages: the distributions of the environment.
        python: full version of its Python.
        subdir: conda's name of the platform.
    """
    environment = environment_of(python, subdir)
    broken = []
    for name, one in sorted(packages.by_name.items()):
        for text in one.requires:
            requirement = parse_metadata_requirement(text)
            if requirement is None or not requirement.applies(environment):
                continue
            found = packages.by_name.get(requirement.name)
            whose = f"{name} {one.version} requires {requirement.name}{requirement.specifier}"
            if found is None:
                if one.owner != CONDA:
                    broken.append(f"{whose}, which is not installed")
            elif not _will_do(one, found) and not requirement.specifier.contains(found.version):
                broken.append(f"{whose}, but {found.version} is installed")
    return broken


def _will_do(one: Distribution, found: Distribution) -> bool:
    """Whether conda owns both distributions: it ignores Python's specifiers."""
    return one.owner == CONDA and found.owner == CONDA
