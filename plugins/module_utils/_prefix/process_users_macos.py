# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the running processes that use files of a prefix, from ``lsof`` and ``ps`` (macOS).

Written after the manual pages of both and tested with texts of that form; not yet run on a Mac.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import run
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    CWD,
    EXE,
    MAPS,
    Places,
    ProcessUser,
    Seen,
    shown_command,
    without_relatives,
)

# -F: one field a line, by its first letter. -d: programs and libraries ("txt"), and working directories.
_LSOF = ("/usr/sbin/lsof", "-nP", "-w", "-d", "txt,cwd", "-F", "pfn")
_PS = ("/bin/ps", "-axww", "-o", "pid=,ppid=,user=,etime=,args=")
_SECONDS = 60.0


def look_with_lsof(places: Places) -> Seen:
    """The processes that use the prefix, as far as this user may see them."""
    try:
        # lsof exits with 1 when it could not inspect something, so only its output counts.
        listed = run(_LSOF, timeout=_SECONDS)
        processes = run(_PS, timeout=_SECONDS)
    except OSError as error:
        return Seen(problem=f"lsof or ps cannot be started: {error.strerror}")
    if listed.timed_out or not listed.stdout or processes.rc:
        return Seen(problem="lsof or ps returned no output")
    return users_in(listed.stdout, processes.stdout, places, os.getpid(), os.geteuid() != 0)


def users_in(listed: str, processes: str, places: Places, own: int, partly: bool) -> Seen:
    """Read the outputs of lsof and ps.

    Args:
        own: the process that asks.
        partly: lsof shows this user's own processes only.
    """
    how = _how_by_pid(listed, places)
    table = dict(_processes(processes, how))
    parents = {pid: parent for pid, (parent, _user) in table.items()}
    users = [table[pid][1] for pid in sorted(without_relatives(parents, own)) if pid in how]
    return Seen(users=tuple(users), unseen=int(partly))


def _how_by_pid(listed: str, places: Places) -> dict[int, str]:
    how: dict[int, str] = {}
    below: dict[str, bool] = {}
    pid, descriptor, first = 0, "", True
    for line in listed.splitlines():
        letter, value = line[:1], line[1:]
        if letter == "p" and value.isdigit():
            pid, first = int(value), True
        elif letter == "f":
            descriptor = value
        elif letter == "n" and value.startswith("/"):
            # lsof lists the program itself as the first "txt".
            kind = CWD if descriptor == "cwd" else EXE if first else MAPS
            first = first and descriptor == "cwd"
            place = value if kind == CWD else os.path.dirname(value)
            if place not in below:
                below[place] = _is_there(place, places)
            if below[place] and how.get(pid) in (None, CWD):
                how[pid] = kind
    return how


def _is_there(directory: str, places: Places) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) in places.directories


def _processes(text: str, how: Mapping[int, str]) -> Iterator[tuple[int, tuple[int, ProcessUser]]]:
    for line in text.splitlines():
        words = line.split(None, 4)
        if len(words) < 4 or not (words[0].isdigit() and words[1].isdigit()):
            continue
        pid = int(words[0])
        command = shown_command(words[4].split(" ") if len(words) > 4 else [])
        user = ProcessUser(pid, words[2], command, _seconds(words[3]), how.get(pid, ""))
        yield pid, (int(words[1]), user)


def _seconds(elapsed: str) -> int:
    """Read ``[[days-]hours:]minutes:seconds``."""
    days, _dash, clock = elapsed.rpartition("-")
    total = 0
    try:
        for part in clock.split(":"):
            total = total * 60 + int(part)
        return total + int(days or 0) * 86400
    except ValueError:
        return 0
