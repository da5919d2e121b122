"""Whether two hosts are the same: by the real conda, by pip, and by every file of the installation."""

from __future__ import annotations

import json
from typing import Any

from lab import counter
from lab.containers import Container
from proof.faults.cases import NotSurvived
from proof.host import Host

# What has the time of its making in it, or is written in the order in which things happened.
_FILES = """
import hashlib, json, os, sys
top, seen = sys.argv[1], {}
for folder, below, names in os.walk(top):
    below[:] = [n for n in below if n != "__pycache__" and os.path.join(folder, n) != top + "/pkgs"]
    for name in below + names:
        path = os.path.join(folder, name)
        s = os.lstat(path)
        if path.endswith((".pyc", "conda-meta/history")) or path == top + "/" + sys.argv[2]:
            continue
        whole = os.readlink(path) if os.path.islink(path) else ""
        if os.path.isfile(path) and not whole:
            whole = hashlib.sha256(open(path, "rb").read()).hexdigest()
        seen[path] = [oct(s.st_mode), s.st_uid, s.st_gid, whole]
print(json.dumps(seen))
"""

# Packages for any Python name their modules and scripts by where they are in the archive.
_SUMS = """
import glob, hashlib, json, os, sys
for prefix in sys.argv[1:]:
    modules = next(iter(glob.glob(prefix + "/lib/python3.*/site-packages")), prefix + "/site-packages")
    for record in glob.glob(prefix + "/conda-meta/*.json"):
        for one in json.load(open(record)).get("paths_data", {}).get("paths", []):
            want = one.get("sha256_in_prefix") or one.get("sha256")
            known = one.get("sha256_in_prefix") or not one.get("prefix_placeholder")
            if not want or not known or one.get("path_type") == "softlink":
                continue
            path = os.path.join(prefix, one["_path"])
            if not os.path.exists(path):
                path = os.path.join(modules, os.path.relpath(one["_path"], "site-packages"))
            if not os.path.exists(path):
                path = os.path.join(prefix, "bin", os.path.relpath(one["_path"], "python-scripts"))
            try:
                whole = open(path, "rb").read()
            except OSError as error:
                print(error)
                continue
            if hashlib.sha256(whole).hexdigest() != want:
                print(path)
"""


def state(container: Container, prefix: str, environment: str) -> dict[str, Any]:
    """All that there is of an installation and of one of its environments.

    Raises NotSurvived when the real conda or pip of the host does not answer.
    """
    host, env = Host(container), f"{prefix}/envs/{environment}"
    listed = [host.conda(prefix, "list", "--prefix", where, "--json") for where in (prefix, env)]
    pip = container.run([f"{env}/bin/python", "-I", "-m", "pip", "list", "--format=json"]).stdout
    files = json.loads(container.python(_FILES, prefix, counter.LOG))
    return {"conda": listed, "pip": json.loads(pip), "files": files}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What differs between the states of two hosts, in words."""
    found = [f"{key} list" for key in ("conda", "pip") if one[key] != other[key]]
    here, there = one["files"], other["files"]
    return found + sorted(
        path for path in here.keys() | there.keys() if here.get(path) != there.get(path)
    )


def wrong_sums(container: Container, *prefixes: str) -> list[str]:
    """Files of packages that are not what the packages say of them."""
    return container.python(_SUMS, *prefixes).splitlines()


def leftovers(container: Container) -> list[str]:
    """Locks, journals and scratch files of ours that nobody has taken away."""
    return container.shell(
        "find / -xdev -name '.*llmfleet*' -not -path '/srv/*' -not -path '/proc/*'"
    ).split()


def must_be_clean(container: Container) -> None:
    """Raise NotSurvived when something was left behind."""
    left = leftovers(container)
    if left:
        raise NotSurvived(f"left behind: {', '.join(left[:5])}")
