"""Whether the bytes on a host are those that were published: judged by plain files, not by our modules."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zstandard

from lab import paths
from lab.containers import Container
from proof.faults.cases import NotSurvived

# Runs on the host: what lies below some roots, and how.
_LIST = r"""
import hashlib, json, os, sys
roots, passed_by = (
    [os.path.expanduser(path) for path in each] for each in json.loads(sys.argv[1])
)
found = {}
def digest(path):
    with open(path, "rb") as stream:
        whole = hashlib.sha256()
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            whole.update(chunk)
        return whole.hexdigest()
def look(path):
    seen = os.lstat(path)
    content = ""
    if os.path.islink(path):
        content = os.readlink(path)
    elif os.path.isfile(path):
        content = digest(path)
    found[path] = [oct(seen.st_mode), seen.st_uid, seen.st_gid, content]
for root in roots:
    for place, below, names in os.walk(root):
        below[:] = [name for name in below if os.path.join(place, name) not in passed_by]
        for name in below + names:
            path = os.path.join(place, name)
            # Compiled by whatever Python looks at a module; lock files and the lab's counter stay.
            if not path.endswith((".pyc", ".llmfleet.lock", "/.lab-conda-starts")) and name != "__pycache__":
                look(path)
print(json.dumps(found))
"""

Snapshot = Mapping[str, list[Any]]


def snapshot(host: Container, roots: Sequence[str], passed_by: Sequence[str] = ()) -> Snapshot:
    """Mode, owner, group and SHA-256 (or a link's target) of everything below some directories."""
    found: Snapshot = json.loads(host.python(_LIST, json.dumps([roots, passed_by])))
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """The paths that were added, removed or altered, with a word on which."""
    lines = [f"new: {path}" for path in sorted(after.keys() - before.keys())]
    lines += [f"gone: {path}" for path in sorted(before.keys() - after.keys())]
    both = sorted(before.keys() & after.keys())
    return lines + [f"altered: {path}" for path in both if before[path] != after[path]]


def check_environment(host: Container, prefix: str) -> int:
    """Compare every linked file with what the package's own list says; returns how many there were.

    Files into which conda writes the prefix, and links, are compared by existence.

    Raises NotSurvived: a file is missing or has other bytes.
    """
    seen = snapshot(host, [prefix])
    compared = 0
    for record in (path for path in seen if _is_record(path, prefix)):
        name = Path(record).name.removesuffix(".json")
        for entry in published(name):
            if entry["_path"].endswith(".pyc"):
                continue  # compiled anew by whatever Python looks at a module
            # noarch Python files move to where this environment's Python looks for them.
            places = _places(entry["_path"], prefix, seen)
            if not places:
                raise NotSurvived(f"{prefix}: {entry['_path']} of {name} is not there")
            whole = entry["path_type"] == "hardlink" and not entry.get("prefix_placeholder")
            if whole and seen[places[0]][3] != entry["sha256"]:
                raise NotSurvived(f"{prefix}: {entry['_path']} of {name} has other bytes")
            compared += 1
    if not compared:
        raise NotSurvived(f"{prefix} holds no file of any package")
    return compared


def _is_record(path: str, prefix: str) -> bool:
    return path.startswith(f"{prefix}/conda-meta/") and path.endswith(".json")


def _places(inside: str, prefix: str, seen: Snapshot) -> list[str]:
    if not inside.startswith(("site-packages/", "python-scripts/")):
        return [path for path in (f"{prefix}/{inside}",) if path in seen]
    folder, _slash, rest = inside.partition("/")
    if folder == "python-scripts":
        return [path for path in (f"{prefix}/bin/{rest}",) if path in seen]
    ends = f"/site-packages/{rest}"
    return [
        path for path in seen if path.startswith(f"{prefix}/lib/python") and path.endswith(ends)
    ]


@functools.cache
def published(name: str) -> tuple[dict[str, Any], ...]:
    """The list of files in the package itself, as the lab's channel has it.

    name: NAME-VERSION-BUILD. Raises FileNotFoundError when the channel has no such package.
    """
    found = next(iter(sorted(paths.channel_dir().glob(f"*/{name}.conda"))), None)
    if found is None:
        raise FileNotFoundError(f"{name}.conda")
    with zipfile.ZipFile(found) as archive:
        (inner,) = [one for one in archive.namelist() if one.startswith("info-")]
        with (
            archive.open(inner) as packed,
            zstandard.ZstdDecompressor().stream_reader(packed) as stream,
            tarfile.open(fileobj=stream, mode="r|") as files,
        ):
            for member in files:
                if member.name == "info/paths.json":
                    content = files.extractfile(member)
                    assert content is not None
                    return tuple(json.load(content)["paths"])
    raise FileNotFoundError(f"info/paths.json in {name}.conda")


def check_archives(host: Container, cache: str) -> None:
    """Compare every archive in a package cache with the channel's.

    Raises NotSurvived: one has other bytes.
    """
    for path, (_mode, _uid, _gid, digest) in snapshot(host, [cache]).items():
        if path.endswith(".conda") and "/.llmfleet-quarantine/" not in path:
            for one in paths.channel_dir().glob(f"*/{Path(path).name}"):
                if sha256(one) != digest:
                    raise NotSurvived(f"{path} has other bytes than the channel's")


@functools.cache
def sha256(path: Path) -> str:
    """SHA-256 of a file of this machine that does not change."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_wheel(host: Container, site_packages: str, wheel: str) -> None:
    """Compare every file of an installed wheel with the wheel's own RECORD.

    Raises NotSurvived: a file is missing or has other bytes.
    """
    seen = snapshot(host, [site_packages])
    with zipfile.ZipFile(paths.wheels_dir() / wheel) as archive:
        (record,) = [one for one in archive.namelist() if one.endswith(".dist-info/RECORD")]
        lines = archive.read(record).decode().splitlines()
    for line in lines:
        name, digest, _size = line.rsplit(",", 2)
        if not digest:
            continue
        wanted = base64.urlsafe_b64decode(digest.removeprefix("sha256=") + "==").hex()
        if seen.get(f"{site_packages}/{name}", [""])[-1] != wanted:
            raise NotSurvived(f"{name} of {wheel} is missing or has other bytes")
