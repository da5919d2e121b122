"""Prints what is in directories of a host, as JSON: it runs in the host, with the host's own Python.

    python3 - ROOT... < proof/faults/host_state.py

For each path below a ROOT its kind, permissions, owner, and SHA-256 or target. Left out is what differs
between two hosts that are the same: compiled files, caches, the texts of histories, the order of lines in
lists of files and of environments, and of package records what says when and from where.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

# What a record says of the moment and of the cache that it was linked from.
_OF_THE_RUN = ("link", "requested_spec", "extracted_package_dir", "package_tarball_full_path")

_LISTS = ("RECORD", "environments.txt")
_LEFT_OUT = ("__pycache__", "pkgs", ".cache", ".lab-conda-starts")


def entry(path: str) -> str:
    """One line about a path."""
    found = os.lstat(path)
    line = f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}"
    if stat.S_ISLNK(found.st_mode):
        return f"{line} {os.readlink(path)}"
    if not stat.S_ISREG(found.st_mode):
        return line
    with open(path, "rb") as stream:
        content = plain(path, stream.read())
    return f"{line} {len(content)} {hashlib.sha256(content).hexdigest()}"


def plain(path: str, content: bytes) -> bytes:
    """What of a file must be the same on every host."""
    directory, name = os.path.split(path)
    if os.path.basename(directory) == "conda-meta":
        if name == "history":
            return b""
        if name.endswith(".json"):
            record = json.loads(content)
            left = {key: value for key, value in record.items() if key not in _OF_THE_RUN}
            return json.dumps(left, sort_keys=True).encode()
    if name in _LISTS:
        return b"\n".join(sorted(content.splitlines()))
    return content


def state(root: str) -> dict[str, str]:
    """All entries of a directory and of what is below it."""
    found = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _LEFT_OUT]
        found[directory] = entry(directory)
        for name in [*files, *names]:
            if not name.endswith(".pyc") and name not in _LEFT_OUT:
                path = os.path.join(directory, name)
                found[path] = entry(path)
    return found


if __name__ == "__main__":
    everything: dict[str, str] = {}
    for each in sys.argv[1:]:
        everything.update(state(each))
    print(json.dumps(everything))
