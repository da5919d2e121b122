# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be compiled after an installation, and what was compiled before a removal.

pip compiles what it installs, on one processor, and removes what it compiled. uv leaves the first to the
first import, and of the second what lies beside a module without a package. So both are kept from compiling,
and all processors do it afterwards: of a large installation it is the longest part.
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
"""Compiles the modules that a file lists, for the environment's own Python; those that are compiled stay.

A file that does not compile (a template, one for another Python) is left as it is, as by pip. Each process
has a share that it was given at the start: when the first one is killed, the others still come to their end.
"""


def modules_of(prefix: str, names: Collection[str]) -> list[str]:
    """Paths of the Python files that distributions have below site-packages.

    Args:
        prefix: the environment.
        names: normal forms of the distributions' names.
    """
    found = []
    for site_packages in _site_packages(prefix):
        for entry in os.listdir(site_packages):
            if entry.endswith(".dist-info") and normalize_name(entry.split("-")[0]) in names:
                found += _modules(site_packages, entry)
    return found


@contextmanager
def compiled_goes_too(prefix: str) -> Iterator[None]:
    """Remove the compiled files of modules that are gone after the block."""
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
