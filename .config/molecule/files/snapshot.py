#!/usr/bin/python3
"""Writes down all files of a host, so that two moments can be compared without asking any module of ours.

    snapshot.py DIRECTORY    writes DIRECTORY/N.json, N counting from 1

The file maps each path to its kind, mode, owner, group, and digest or link target. Times do not count. What
belongs to the running system, or comes from outside, is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

LEFT_OUT = {"/dev", "/proc", "/run", "/sys", "/tmp", "/var/log", "/var/tmp", "/srv/llmfleet-lab"}

# Ansible's own on a host, in the home directory of whoever it logs in as.
LEFT_OUT_BY_NAME = {".ansible"}


def entry(path: str) -> list[object]:
    """What a path is, but for its times."""
    status = os.lstat(path)
    found: list[object] = [
        stat.filemode(status.st_mode),
        status.st_uid,
        status.st_gid,
    ]
    if stat.S_ISLNK(status.st_mode):
        found.append(os.readlink(path))
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            found.append(hashlib.sha256(file.read()).hexdigest())
    return found


def snapshot(directory: str, found: dict[str, list[object]]) -> None:
    """Adds all that is below a directory."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if path in LEFT_OUT or name in LEFT_OUT_BY_NAME:
            continue
        found[path] = entry(path)
        if os.path.isdir(path) and not os.path.islink(path):
            snapshot(path, found)


def main() -> None:
    """Writes the next snapshot."""
    (target,) = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    found: dict[str, list[object]] = {}
    snapshot("/", found)
    with open(os.path.join(target, f"{len(os.listdir(target)) + 1}.json"), "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
