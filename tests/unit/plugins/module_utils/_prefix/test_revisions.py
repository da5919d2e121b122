"""Revisions in histories, as conda 24.7 reads them (``conda.history.History.construct_states``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests_of
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    add_requests,
    last_revision,
    mend_revisions,
    old_history,
    preserve_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix

HEAD = "==> 2026-01-02 03:04:05 <==\n"
OLD = f"{HEAD}# cmd: conda create six\n+lab/noarch::six-1.0-0\n# update specs: ['six']\n"
CHANNEL = "http://localhost/conda/lab/noarch"


def record(name: str, version: str, channel: str = CHANNEL) -> PackageRecord:
    return PackageRecord(name, version, "0", channel=channel, subdir="noarch")


@pytest.mark.parametrize(
    ("revisions", "packages"),
    [
        ([], set()),
        ([["+a-1-0", "+b-1-0"], ["-a-1-0", "+a-2-0"]], {"a-2-0", "b-1-0"}),
        # A list of all packages, as conda before 4.4 wrote it.
        ([["+a-1-0"], ["b-1-0"]], {"b-1-0"}),
        # conda takes a revision without lines for an empty list.
        ([["+a-1-0"], []], set()),
        # To name a package that is there, or to remove one that is not, changes nothing.
        ([["+a-1-0"], ["+a-1-0", "-b-1-0"]], {"a-1-0"}),
    ],
)
def test_last_revision(revisions: list[list[str]], packages: set[str]) -> None:
    assert last_revision(revisions) == packages


@pytest.mark.parametrize(
    ("text", "records", "added"),
    [
        # It is true already.
        (OLD, [record("six", "1.0")], []),
        # conda was killed before it wrote. The channel is named as in the history.
        (
            OLD,
            [record("six", "1.0"), record("tqdm", "4.0")],
            ["==>", "# cmd: llmfleet.conda", "+lab/noarch::tqdm-4.0-0"],
        ),
        (
            OLD.replace("lab/noarch", "http://localhost/conda/lab/noarch"),
            [record("six", "1.0"), record("tqdm", "4.0")],
            ["==>", "# cmd: llmfleet.conda", f"+{CHANNEL}::tqdm-4.0-0"],
        ),
        (
            OLD,
            [record("six", "2.0")],
            ["==>", "# cmd: llmfleet.conda", "-lab/noarch::six-1.0-0", "+lab/noarch::six-2.0-0"],
        ),
        # conda linked the same package again and wrote a revision without lines.
        (f"{OLD}{HEAD}# cmd: conda install\n", [record("six", "1.0")], ["+lab/noarch::six-1.0-0"]),
        (
            f"{OLD}{HEAD}# cmd: conda install\n",
            [record("six", "1.0"), record("tqdm", "4.0")],
            ["+lab/noarch::tqdm-4.0-0"],
        ),
        # A killed process left half a line.
        (
            f"{OLD}{HEAD}+lab/noarch::tq",
            [record("six", "1.0")],
            ["", "==>", "# cmd: llmfleet.conda", "-lab/noarch::tq"],
        ),
        # An environment without packages.
        (HEAD, [], []),
        ("", [], []),
    ],
)
def test_mend_revisions(
    text: str, records: list[PackageRecord], added: list[str], tmp_path: Path
) -> None:
    history = FakePrefix(tmp_path / "env").meta / "history"
    history.write_text(text)
    mend_revisions(str(tmp_path / "env"), records)
    written = history.read_text()
    assert written.startswith(text)
    lines = written[len(text) :].split("\n") if written != text else [""]
    assert lines.pop() == ""
    assert ["==>" if line.startswith("==> 20") else line for line in lines] == added
    mend_revisions(str(tmp_path / "env"), records)
    assert history.read_text() == written


def test_added_requests_do_not_empty_the_last_revision(tmp_path: Path) -> None:
    history = FakePrefix(tmp_path / "env").meta / "history"
    history.write_text(OLD)
    add_requests(str(tmp_path / "env"), ["tqdm=4"], ["six"], [record("six", "1.0")])
    assert requests_of(history.read_text()) == {"tqdm": "tqdm=4"}
    assert history.read_text().splitlines()[-4:] == [
        "# cmd: llmfleet.conda",
        "# remove specs: ['six']",
        "# update specs: ['tqdm=4']",
        "+lab/noarch::six-1.0-0",
    ]


def test_a_repair_keeps_its_changes_and_not_its_requests(tmp_path: Path) -> None:
    history = FakePrefix(tmp_path / "env").meta / "history"
    history.write_text(OLD)
    changes = (
        f"{HEAD}# cmd: conda install six<2\n# conda version: 24.7.1\n-lab::a-1-0\n+lab::a-2-0\n"
    )
    relinked = f"{HEAD}# cmd: conda install --force-reinstall\n# update specs: ['a==2']\n"
    with preserve_history(str(tmp_path / "env")), history.open("a") as stream:
        stream.write(f"{changes}# update specs: ['a==2']\n{relinked}{HEAD}+lab::half")
    assert history.read_text() == OLD + changes


def test_the_history_that_a_killed_repair_changed_is_put_back(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    history = env.meta / "history"
    before = history.read_text()
    repair = preserve_history(str(env.path))
    repair.__enter__()
    # As a killed process leaves it: nothing after this happens.
    history.write_text(f"{before}# update specs: ['six==1.0']\n")
    copies = {path.name: path.read_bytes() for path in env.meta.iterdir()}
    repair.__exit__(None, None, None)
    for name, content in copies.items():
        (env.meta / name).write_bytes(content)
    assert history.read_text() != before
    old_history(str(env.path))
    assert history.read_text() == before
    assert [path.name for path in env.meta.iterdir() if path.name.startswith(".")] == []
    old_history(str(env.path))
    assert history.read_text() == before
