# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether a file contains the block that ansible.builtin.blockinfile would write."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_KNOWN = frozenset({"path", "block", "marker", "create", "mode"})
_OCTAL = re.compile(r"0?[0-7]{3,4}")


def block_is_kept(options: Mapping[str, Any]) -> bool:
    """Whether blockinfile with these options would certainly change nothing.

    That is so if the file contains each marker line once, between them exactly the block, and has the
    requested permissions (ansible-core 2.19, the module's source). Other cases, such as a link, another
    option or a symbolic mode, are left to the module itself.
    """
    if set(options) - _KNOWN or not all(
        isinstance(options.get(name), str) and options[name] for name in ("path", "block", "marker")
    ):
        return False
    mode = options.get("mode")
    if mode is not None and not _OCTAL.fullmatch(str(mode)):
        return False
    path = os.path.expanduser(os.path.expandvars(options["path"]))
    try:
        seen = os.lstat(path)
        with open(path, "rb", opener=only_regular) as stream:
            lines = stream.read().split(b"\n")
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(seen.st_mode):
        return False
    if mode is not None and stat.S_IMODE(seen.st_mode) != int(str(mode), 8):
        return False
    begin, end = (options["marker"].replace("{mark}", mark).encode() for mark in ("BEGIN", "END"))
    if lines.count(begin) != 1 or lines.count(end) != 1:
        return False
    first, last = lines.index(begin), lines.index(end)
    # The last line must end with a line end, or blockinfile would add one.
    return (
        last < len(lines) - 1 and lines[first + 1 : last] == options["block"].encode().splitlines()
    )
