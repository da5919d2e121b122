"""Short moments at which a kill may hurt most: each is seen on the host's disk, or by what has ended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.faults import moments, victims
from proof.faults.interrupted_operations import ENVIRONMENT
from proof.prepared import PREFIX

Wait = Callable[[int, subprocess.Popen[str]], list[victims.Process]]
"""Waits, with the number of a host's first process and the run, for the processes to be killed."""


@dataclass(frozen=True)
class Critical:
    """A moment of an operation, and the kind of process that is killed then."""

    operation: str
    kind: str
    when: str
    wait: Wait


def all_of() -> list[Critical]:
    """Every moment."""
    meta = f"{ENVIRONMENT}/conda-meta"
    site = f"{ENVIRONMENT}/lib/python3.11/site-packages"
    beside, base = str(Path(ENVIRONMENT).parent), f"{PREFIX}/conda-meta"
    return [
        _shown("install", "module", "the journal was written", "/opt/.miniconda3.llmfleet-journal"),
        _shown("install", "below installer", "the first record was written", f"{base}/*.json"),
        _shown("install", "installer", "its lists were unpacked", f"{base}/history"),
        _ended("install", "module", "installer"),
        _shown("create", "module", "the journal was written", f"{beside}/.app.llmfleet-journal"),
        _shown("create", "conda", "the first record was written", f"{meta}/*.json"),
        _shown("create", "conda", "the history was written", f"{meta}/history"),
        _ended("create", "module", "conda"),
        _gone("update", "everything", "an old record was gone", f"{meta}/lab-upgrade-1.0-*.json"),
        _shown("update", "conda", "a new record was written", f"{meta}/lab-upgrade-2.0-*.json"),
        _gone(
            "other Python", "everything", "the old one was gone", f"{ENVIRONMENT}/bin/python3.11"
        ),
        _ended("update", "module", "conda"),
        _gone("remove packages", "conda", "a record was gone", f"{meta}/tqdm-*.json"),
        _gone("remove environment", "module", "Python was gone", f"{ENVIRONMENT}/bin/python3.11"),
        _gone("remove environment", "everything", "the history was gone", f"{meta}/history"),
        _gone("remove environment", "everything", "the prefix was gone", ENVIRONMENT),
        _ended("remove environment", "module", "conda"),
        _gone("remove installation", "module", "conda was gone", f"{PREFIX}/bin/conda"),
        _gone("remove installation", "module", "the prefix was gone", PREFIX),
        _shown("pip", "pip", "a distribution was set aside", f"{site}/~*"),
        _shown("pip", "everything", "a distribution was set aside", f"{site}/~*"),
        _ended("pip", "module", "pip"),
        _ended("uv", "module", "pip"),
    ]


def _shown(operation: str, kind: str, what: str, path: str) -> Critical:
    return _on_disk(operation, kind, what, lambda root: any(root.glob(path.lstrip("/"))))


def _gone(operation: str, kind: str, what: str, path: str) -> Critical:
    return _on_disk(operation, kind, what, lambda root: not any(root.glob(path.lstrip("/"))))


def _on_disk(operation: str, kind: str, what: str, is_so: Callable[[Path], bool]) -> Critical:
    choose = _choice(kind)

    def wait(first: int, running: subprocess.Popen[str]) -> list[victims.Process]:
        return moments.wait_until(first, is_so, choose, running)

    return Critical(operation, kind, f"when {what}", wait)


def _ended(operation: str, kind: str, other: str) -> Critical:
    of, choose = moments.CHOICES[other], _choice(kind)

    def wait(first: int, running: subprocess.Popen[str]) -> list[victims.Process]:
        return moments.wait_for_end(first, of, choose, running)

    return Critical(operation, kind, f"when {other} had ended", wait)


def _choice(kind: str) -> victims.Choice:
    return moments.CHOICES.get(kind, victims.module)


def of(operations: Sequence[str]) -> list[Critical]:
    """Those of some operations."""
    return [one for one in all_of() if one.operation in operations]
