# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the modules to compile after an installation, and removes compiled files after a removal.

pip compiles modules on one processor, and removes their compiled files. uv leaves compilation to the first
import, and does not remove compiled files of top-level modules. So neither of them compiles here: all
processors do it after the installation. In a large installation, compilation takes longest.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)

COMPILE = """
import compileall, os, sys
with open(sys.argv[1], encoding="utf-8") as stream:
    paths = stream.read().splitlines()
try:
    processors = len(os.sched_getaffinity(0))
except AttributeError:
    processors = os.cpu_count() or 1
processes = min(processors, 1 + len(paths) // 64)
shares = [paths[first::processes] for first in range(processes)]
children = []
for share in shares[1:]:
    try:
        child = os.fork()
    except OSError:
        shares[0] += share
        continue
    if child == 0:
        try:
            for path in share:
                compileall.compile_file(path, quiet=2)
        finally:
            os._exit(0)
    children.append(child)
for path in shares[0]:
    compileall.compile_file(path, quiet=2)
for child in children:
    os.waitpid(child, 0)
"""
"""Code for the environment's own Python that compiles the modules listed in a file; compiled ones stay.

Like pip, it skips a file that does not compile (a template, or code for another Python). Each process has a
fixed share of the files: if the first process is killed, the others still finish.
"""


def modules_of(prefix: str, names: Collection[str]) -> list[str]:
    """Paths of the Python files of distributions below site-packages.

    Args:
        prefix: the environment.
        names: normalized names of the distributions.
    """
    found = []
    for site_packages in _site_packages(prefix):
        for entry in os.listdir(site_packages):
            if entry.endswith(".dist-info") and normalize_name(entry.split("-")[0]) in names:
                found += _modules(site_packages, entry)
    return found


@contextmanager
def compiled_goes_too(prefix: str) -> Iterator[None]:
    """Remove the compiled files of top-level modules that the block removed."""
    before = {place: _top_modules(place) for place in _site_packages(prefix)}
    yield
    for place, modules in before.items():
        gone = modules - _top_modules(place)
        compiled = os.path.join(place, "__pycache__")
        for entry in os.listdir(compiled) if gone and os.path.isdir(compiled) else []:
            if entry.endswith(".pyc") and entry.split(".")[0] in gone:
                os.unlink(os.path.join(compiled, entry))


def _site_packages(prefix: str) -> list[str]:
    found = []
    library = os.path.join(prefix, "lib")
    for entry in os.listdir(library) if os.path.isdir(library) else []:
        path = os.path.join(library, entry, "site-packages")
        # Some builds of Python have a link python3.1 beside python3.11.
        known = os.path.islink(os.path.join(library, entry))
        if entry.startswith(("python", "pypy")) and os.path.isdir(path) and not known:
            found.append(path)
    return found


def _top_modules(site_packages: str) -> set[str]:
    return {entry[:-3] for entry in os.listdir(site_packages) if entry.endswith(".py")}


def _modules(site_packages: str, dist_info: str) -> list[str]:
    """The Python files of a distribution below site-packages, by its RECORD."""
    try:
        with open(os.path.join(site_packages, dist_info, "RECORD"), encoding="utf-8") as stream:
            paths = [line.split(",")[0] for line in stream]
    except (OSError, UnicodeDecodeError):
        return []
    return [
        os.path.join(site_packages, path)
        for path in paths
        if path.endswith(".py") and not path.startswith(("..", "/"))
    ]
