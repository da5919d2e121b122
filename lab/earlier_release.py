"""The artifact of an earlier release, built from the tree of its commit.

A test sets a host up with it and runs the checkout's playbooks on that host: whoever upgrades the
collection must not find the fleet changed.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from lab import cache, paths
from lab.errors import LabError, require_tool

NAME = "earlier-release"

VERSION = "0.1.0"
"""The release that is kept."""

COMMIT = "6cfe2bd7249772613745519811fca68c2f94b09a"
"""The commit that the release was built from."""

REPOSITORY = Path(__file__).resolve().parent.parent
"""The clone that has the commit."""


def folder() -> Path:
    """Return the release's folder in the cache."""
    return paths.releases_dir() / VERSION


def path() -> Path:
    """Return the artifact, which ``ansible-galaxy collection install`` takes."""
    return folder() / f"llmfleet-conda-{VERSION}.tar.gz"


def key() -> str:
    """Return the key of the artifact: the commit alone, so that it is built once."""
    return COMMIT


def is_current() -> bool:
    """Say whether the artifact in the cache was built from the release's commit."""
    return cache.published_key(folder()) == key()


def build(progress: Callable[[str], None]) -> None:
    """Export the commit's tree and let ansible-galaxy build the artifact.

    Raises:
        LabError: git or ansible-core is missing, the clone lacks the commit, or the build fails.
    """
    if importlib.util.find_spec("ansible") is None:
        raise LabError(
            f"{sys.executable} has no ansible-core: pip install -r requirements/runtime.txt"
        )
    stage = cache.new_temporary("release-")
    try:
        progress(f"exporting the tree of {COMMIT[:7]}")
        _export(stage / "tree")
        with cache.publishing(folder(), key()) as work:
            progress("ansible-galaxy collection build")
            _build_artifact(stage, work)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    # A git hook sets GIT_DIR and the like for its own repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        [require_tool("git", "git"), "-C", REPOSITORY, *words],
        capture_output=True,
        env=environment,
        check=False,
    )


def _export(tree: Path) -> None:
    """Unpack the commit's tree; the repository is only read.

    Raises:
        LabError: git is missing or cannot give the commit.
    """
    answer = _git("archive", "--format=tar", COMMIT)
    if answer.returncode:
        shallow = _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        advice = (
            "this clone is shallow: run `git fetch --unshallow`"
            if shallow
            else "use a clone with the whole history (`git fetch` or `git clone` without --depth)"
        )
        raise LabError(
            f"release {VERSION} is built from the commit {COMMIT}, which git cannot give "
            f"({answer.stderr.decode(errors='replace').strip()}); {advice}"
        )
    with tarfile.open(fileobj=io.BytesIO(answer.stdout)) as archive:
        archive.extractall(tree, filter="data")


def _build_artifact(stage: Path, target: Path) -> None:
    """Build the artifact of ``stage/tree`` into the folder ``target``.

    Raises:
        LabError: ansible-galaxy fails or builds another version.
    """
    # No configuration of the machine's; ansible-core refuses the empty file /dev/null for its name.
    configuration = stage / "ansible.cfg"
    configuration.touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PYTHON"))}
    own = {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_HOME": str(stage / "ansible")}
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "ansible.cli.galaxy", "collection", "build"),
            *(stage / "tree", "--output-path", target),
        ],
        capture_output=True, text=True, cwd=stage, env=kept | own, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise LabError(f"ansible-galaxy cannot build {VERSION}: {answer.stderr.strip()[-600:]}")
    built = sorted(one.name for one in target.glob("*.tar.gz"))
    if built != [path().name]:
        raise LabError(f"the commit {COMMIT} builds {', '.join(built)}, not {path().name}")
