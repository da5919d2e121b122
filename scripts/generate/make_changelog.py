"""Writes changelogs/changelog.yaml and CHANGELOG.md from the fragments, for the version of galaxy.yml.

The fragments stay, so that the entry of a version can be written again until it is published.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from scripts.layout import ROOT, VENV_BIN, tool_environment


def release_date(root: Path, version: str) -> str | None:
    """The date that the version's entry has, None where it has no entry yet."""
    entries = yaml.safe_load((root / "changelogs" / "changelog.yaml").read_text())["releases"]
    date = (entries or {}).get(version, {}).get("release_date")
    return str(date) if date else None


def write(root: Path, collections: Path | None = None) -> str:
    """Runs the release in `root`; returns what the tool said.

    collections: where ansible finds the collection, if not in build/collections.
    Raises subprocess.CalledProcessError when the tool fails.
    """
    version = str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])
    date = release_date(root, version)
    argv = [str(VENV_BIN / "antsibull-changelog"), "release", "--reload-plugins"]
    if date:
        argv += ["--update-existing", "--refresh", "--date", date]
    env = tool_environment({"ANSIBLE_COLLECTIONS_PATH": str(collections)} if collections else None)
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, check=True)
    (root / "changelogs" / ".plugin-cache.yaml").unlink(missing_ok=True)
    entries = root / "changelogs" / "changelog.yaml"
    # The linters want a document start in every file; the tool writes none.
    entries.write_text("---\n" + entries.read_text().removeprefix("---\n"))
    return done.stdout + done.stderr


def main() -> int:
    """Writes both files of the checkout."""
    try:
        sys.stdout.write(write(ROOT))
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error.stdout}{error.stderr}{os.linesep}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
