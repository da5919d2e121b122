# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which Python distributions a package holds that conda has not linked yet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    PipCopy,
    copies,
    holders,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)

_METADATA = re.compile(
    r"(?:lib/python[\d.]+t?/)?site-packages/([^/-]+)-[^/]+\.(?:dist|egg)-info(?:/.*)?"
)
# conda-build puts py311 or py into the build of a package that depends on Python: a package without it, such
# as tzdata, ninja or graphviz, has the name of a distribution and does not hold it.
_PYTHON_BUILD = re.compile(r"(?:^|_)py")
# Packages of conda-forge and defaults that have another name than their distribution.
_OTHER_NAMES = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "python-build": "build",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
}


def to_be_replaced(
    state: PrefixState, labels: Iterable[str], caches: Sequence[str]
) -> list[PipCopy]:
    """The distributions of pip's that packages replace which conda is about to link.

    Args:
        state: the prefix before that.
        labels: name, version, build and channel of each package.
        caches: package caches. What a package holds that is in none of them is taken from its name.
    """
    names = {name for label in labels for name in distributions_of(label, caches)}
    there = copies(state.site_packages)
    found = [one for name in sorted(names) for one in there.get(name, ())]
    held = holders(state) if found else {}
    return [one for one in found if one.path not in held and not one.is_by_conda]


def distributions_of(label: str, caches: Sequence[str]) -> set[str]:
    """Normal names of the distributions in a package: from the package cache, else from its name."""
    name, version, build = [*label.split(" "), "", ""][:3]
    for cache in caches:
        path = os.path.join(cache, f"{name}-{version}-{build}", "info", "paths.json")
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                listed = [str(item["_path"]) for item in json_document.load(stream)["paths"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found = [_METADATA.fullmatch(path) for path in listed]
        return {normalize_name(one[1]) for one in found if one}
    if not _PYTHON_BUILD.search(build):
        return set()
    return {normalize_name(_OTHER_NAMES.get(name, name))}
