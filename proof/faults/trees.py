"""What lies in a prefix of a host, file by file, and how two such looks differ: the judge is no module.

Left out is what every run of Python or conda may write anew: compiled files, indexes, lists of URLs.
"""

from __future__ import annotations

import json
import re

from proof.faults.cases import NotSurvived
from proof.host import Host

Tree = dict[str, str]
"""By path: kind, permissions, owner, and of a file its SHA-256, of a link its target."""

_LOOK = """
import hashlib, json, os, sys
seen, found = {}, {}
def digest(path, status):
    key = (status.st_dev, status.st_ino)
    if key not in seen:
        with open(path, "rb") as stream:
            seen[key] = hashlib.sha256(stream.read()).hexdigest()
    return seen[key]
for root in sys.argv[1:]:
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            who = f"{status.st_mode:o} {status.st_uid}:{status.st_gid}"
            if os.path.islink(path):
                found[path] = f"link {who} {os.readlink(path)}"
            elif os.path.isdir(path):
                found[path] = f"folder {who}"
            else:
                found[path] = f"file {who} {digest(path, status)}"
print(json.dumps(found))
"""

_PASSING = re.compile(
    r"\.pyc$|/__pycache__(/|$)|/pkgs/cache(/|$)|/pkgs/urls(\.txt)?$|/pkgs/\.llmfleet-quarantine(/|$)"
    r"|/\.lab-conda-starts$|/\.conda_envs_dir_test$"
)
# Records and the history hold times and places; that they are there is what counts.
_DATED = re.compile(r"/conda-meta/(history|[^/]+\.json)$|/pkgs/[^/]+/info/repodata_record\.json$")


def look(host: Host, *roots: str) -> Tree:
    """All that is below the roots.

    Raises LabError when a file cannot be read.
    """
    found: Tree = json.loads(host.container.python(_LOOK, *roots))
    return {
        path: "there" if _DATED.search(path) else what
        for path, what in found.items()
        if not _PASSING.search(path)
    }


def differences(expected: Tree, found: Tree) -> list[str]:
    """One line for each path that is not as expected."""
    paths = sorted(path for path in {*expected, *found} if expected.get(path) != found.get(path))
    return [
        f"{path} is {'gone' if path not in found else 'new' if path not in expected else 'another'}"
        for path in paths
    ]


def must_be(expected: Tree, found: Tree, what: str) -> None:
    """Raise NotSurvived where two looks differ; ``what`` begins the sentence."""
    wrong = differences(expected, found)
    if wrong:
        raise NotSurvived(f"{what}: {len(wrong)} differences: {'; '.join(wrong[:6])}")


def without_caches(tree: Tree) -> Tree:
    """A look less the package caches, which hold more after some runs and less after others."""
    return {path: what for path, what in tree.items() if "/pkgs" not in path}


def below(tree: Tree, root: str) -> Tree:
    """The part of a look that is below a folder."""
    return {path: what for path, what in tree.items() if path.startswith(f"{root}/")}
