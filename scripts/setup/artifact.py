"""Build the collection's artifact and unpack it where Ansible looks for collections."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from scripts.layout import VENV_BIN, tool_environment
from scripts.processes import run

BUILD_SECONDS = 120


class BuildFailed(Exception):
    """ansible-galaxy built no artifact."""


def build(root: Path, folder: Path, log: Path) -> Path:
    """Builds the collection that lies at ``root`` into the emptied ``folder`` and returns the archive.

    Raises BuildFailed with what ansible-galaxy's log is called.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = run(
        [VENV_BIN / "ansible-galaxy", "collection", "build", "--output-path", folder],
        log=log,
        cwd=root,
        env=tool_environment(),
        timeout=BUILD_SECONDS,
    )
    archives = list(folder.glob("*.tar.gz"))
    if code or len(archives) != 1:
        raise BuildFailed(f"ansible-galaxy collection build ended with exit code {code}; see {log}")
    return archives[0]


def unpack(archive: Path, tree: Path) -> Path:
    """Unpacks an artifact below ``tree``/ansible_collections and returns the collection's folder."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("MANIFEST.json")
        assert manifest is not None
        info = json.load(manifest)["collection_info"]
        target: Path = tree / "ansible_collections" / info["namespace"] / info["name"]
        shutil.rmtree(tree / "ansible_collections", ignore_errors=True)
        target.mkdir(parents=True)
        tar.extractall(target, filter="data")
    return target


def own_repository(folder: Path) -> None:
    """Makes a folder below build/ a git repository of its own.

    Linters ask git which files a folder has. In this checkout git ignores build/, so they would find none,
    check nothing and succeed (antsibull-docs 2.28.0 with antsibull-fileutils 1.5.3).
    """
    subprocess.run(["git", "init", "--quiet", folder], check=True)
