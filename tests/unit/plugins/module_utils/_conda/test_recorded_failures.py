"""Failures of the real conda 24.7.1 and 26.7.1, the latter also with the solver rattler.

``recorded-failures.jsonl`` has what conda printed. conda 24.7.1 is the lab's. conda 26.7.1 ran from its
sources with conda-rattler-solver 0.2.0 and py-rattler 0.26.0 of the package index. The section ``conda_info``
of crash reports is left out, and directories are renamed. The packages are synthetic: ``toy-cuda`` depends on
``__cuda``, and so on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import failure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import (
    Failure,
    find_document,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed

RECORDED = Path(__file__).parents[3] / "data" / "recorded-failures.jsonl"
RUNS: dict[str, dict[str, Any]] = {
    run["name"]: run for run in map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
}

# The kind, words of conda that must stay, and words of the hint.
EXPECTED = {
    "bad-record-of-base-24": ("environment_damaged", "zz-1-0.json", "repair"),
    "channel-denied": ("forbidden", "denylist", "denylist_channels"),
    "channel-not-allowed": ("forbidden", "allowlist", "conda_config"),
    "classic24-cuda": ("host_lacks", "__cuda", "GPU driver"),
    "classic24-glibc": ("host_lacks", "__glibc", "C library"),
    "classic24-missingdep": ("dependency", "toy-nosuchdep", "another version"),
    "classic24-notfound": ("not_found", "nosuch", "correct the name"),
    "classic24-offline-noindex": ("not_found", "toy-a", "correct the name"),
    "classic24-unsat": ("unsatisfiable", "toy-b conflicts", "loosen"),
    "environments-txt-24": ("encoding", "UnicodeDecodeError", "environments.txt"),
    "environments-txt-26": ("encoding", "invalid start byte", "environments.txt"),
    "explicit-offline": ("offline", "EnforceUnusedAdapter", "offline to false"),
    "explicit-offline-24": ("offline", "EnforceUnusedAdapter", "offline to false"),
    "full-pkgs-24": ("disk_full", "No space left", "pkgs_dirs"),
    "invalid-spec": ("spec", "Cannot match on field", "numpy=1.26"),
    "no-rights": ("permission", "/proc/nope", "become_user"),
    "no-solver": ("plugin", "libmamba", "solver that is installed"),
    "odd-file": ("file_format", "Unable to detect", "correct the file"),
    "open-files-24": ("open_files", "", "ulimit -n"),
    "override-disabled": ("not_allowed", "Overriding channels", "option channels"),
    "rattler-constrains": ("unsatisfiable", "toy-b <2", "loosen"),
    "rattler-cuda": ("host_lacks", "__cuda >=12", "GPU driver"),
    "rattler-glibc": ("host_lacks", "__glibc >=9", "C library"),
    "rattler-missingdep": ("dependency", "toy-nosuchdep", "another version"),
    "rattler-notfound": ("not_found", "nosuch", "correct the name"),
    "rattler-noversion": ("not_found", "toy-a=9", "correct the name"),
    "rattler-offline-noindex": ("offline", "failed to open file", "offline to false"),
    "rattler-osx": ("host_lacks", "__osx >=11", "update the host"),
    "rattler-unsat": ("unsatisfiable", "toy-b >=2", "loosen"),
    "update-spec": ("usage", "name-only spec", "does not support"),
}


def judged(run: dict[str, Any]) -> Failure | None:
    completed = Completed(run["rc"], run["stdout"], run["stderr"])
    document = find_document(completed.stdout) or find_document(completed.stderr)
    asked = [word for word in run["command"].split() if word.startswith(("toy-", "nosuch"))]
    return failure_of(completed, document, asked)


def test_every_recording_is_expected() -> None:
    assert set(RUNS) == set(EXPECTED)
    assert all(run["rc"] for run in RUNS.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_kind_and_hint(name: str) -> None:
    kind, said, hint = EXPECTED[name]
    failure = judged(RUNS[name])
    assert failure is not None
    assert failure.kind == kind
    assert said in failure.said
    assert hint in failure.hint
    assert not failure.retry
