# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that keeps a Python process in the generation whose interpreter it runs.

An interpreter that was started as ``envs/NAME/bin/python3.11`` takes the link for its prefix and imports
through it, also after the link was switched. Two ``.pth`` files in site-packages call this module at the
start of every process. One comes first, before other ``.pth`` files import anything. The other comes last,
because relative paths in ``.pth`` files are added below the name by which Python knows site-packages.
"""

from __future__ import annotations

from collections.abc import Mapping

MODULE = "_llmfleet_generation"
_PTH = ("00-llmfleet-generation.pth", "zz-llmfleet-generation.pth")

# Runs in every process of the environment, under any Python that conda has: keep it short and plain. The
# code is in functions, because site executes the lines of a .pth file inside one.
_SOURCE = '''\
"""Keeps this process in the generation of its interpreter (llmfleet.conda). Do not change this file."""

import os
import sys

REAL = {real!r}


def _start_again(interpreter):
    """Start over with an interpreter by its real path: the link was switched while this process started."""
    words = getattr(sys, "orig_argv", None)
    if words is None:
        with open("/proc/self/cmdline", "rb") as stream:
            words = [os.fsdecode(word) for word in stream.read().split(b"\\0")[:-1]]
    os.execv(interpreter, [interpreter] + words[1:])


def _moved(path, old):
    """The path below the real prefix, if it is below the old one."""
    if isinstance(path, str) and (path == old or path.startswith(old + "/")):
        return REAL + path[len(old):]
    return path


def _move_module(module, old):
    for name in ("__file__", "__cached__"):
        value = getattr(module, name, None)
        if isinstance(value, str) and value.startswith(old + "/"):
            setattr(module, name, _moved(value, old))
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return
    if isinstance(spec.origin, str):
        spec.origin = _moved(spec.origin, old)
    if isinstance(getattr(spec, "cached", None), str):
        spec.cached = _moved(spec.cached, old)
    places = spec.submodule_search_locations
    if isinstance(places, list):
        places[:] = [_moved(place, old) for place in places]
    loader = spec.loader
    if isinstance(getattr(loader, "path", None), str):
        try:
            loader.path = _moved(loader.path, old)
        except AttributeError:
            pass


def keep():
    """Replace the link by the real path wherever this process would look for modules."""
    old = sys.prefix
    if old == REAL:
        # Started by the real path, or the second call.
        old = _left[0] if _left else REAL
    elif old != sys.base_prefix or not os.path.islink(old) or not os.path.isdir(REAL):
        # A virtual environment, or a place where the prefix has another path, as in a container.
        return
    if old == REAL:
        return
    try:
        interpreter = os.readlink("/proc/self/exe")
    except OSError:
        interpreter = ""
    store = os.path.dirname(REAL) + "/"
    if interpreter.startswith(store) and not interpreter.startswith(REAL + "/"):
        _start_again(interpreter)
    for name in (
        "prefix", "exec_prefix", "base_prefix", "base_exec_prefix",
        "executable", "_base_executable", "_stdlib_dir",
    ):
        if hasattr(sys, name):
            setattr(sys, name, _moved(getattr(sys, name), old))
    sys.path[:] = [_moved(path, old) for path in sys.path]
    for path in list(sys.path_importer_cache):
        if _moved(path, old) != path:
            del sys.path_importer_cache[path]
    site = sys.modules.get("site")
    if site is not None:
        site.PREFIXES[:] = [_moved(path, old) for path in site.PREFIXES]
    for module in list(sys.modules.values()):
        _move_module(module, old)
    _left[:] = [old]


# The link, for the second call.
_left = []
'''


def python_hooks(prefix: str) -> Mapping[str, str]:
    """The content of the module and of the ``.pth`` files by their names in site-packages.

    Args:
        prefix: real path of the generation.
    """
    # One statement: site skips a line that does not begin with "import".
    line = f"import {MODULE}; {MODULE}.keep()\n"
    return {f"{MODULE}.py": _SOURCE.replace("{real!r}", repr(prefix)), **dict.fromkeys(_PTH, line)}
