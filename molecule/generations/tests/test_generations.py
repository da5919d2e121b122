"""What the job saw while its environment was changed, and what a person finds afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

testinfra_hosts = ["docker://generations-debian12"]

ENVS = "/opt/miniconda3/envs"
STORE = f"{ENVS}/.job"


@pytest.fixture
def lines(host: Any) -> list[dict[str, Any]]:
    """The rounds of the job, and its last line."""
    text = host.file("/home/ada/lines").content_string
    return [json.loads(line) for line in text.splitlines()]


def test_the_link_was_switched_ten_times(host: Any) -> None:
    links = host.file("/srv/links").content_string.split()
    assert len(links) == 10
    assert links[1::2] == [".job/1"] * 5
    # Generations that were there are found again, not built.
    assert links[0::2] == [f".job/{number}" for number in (2, 3, 2, 3, 2)]


def test_no_import_of_the_job_failed(host: Any, lines: list[dict[str, Any]]) -> None:
    assert host.file("/home/ada/said").content_string == ""
    assert lines[-1] == {"end": "1.16.0"}
    assert len(lines) > 10


def test_the_job_and_its_workers_kept_their_generation(lines: list[dict[str, Any]]) -> None:
    strange = {
        path
        for line in lines[:-1]
        for kind in ("own", "forked", "fresh")
        for path in line[kind]
        if not path.startswith((f"{STORE}/1/", "/home/ada/"))
    }
    assert strange == set()
    assert any(path.endswith("/six.py") for line in lines[:-1] for path in line["fresh"])


def test_a_failed_check_left_nothing_behind(host: Any) -> None:
    state = json.loads(host.file(f"{STORE}/state.json").content_string)
    assert state["current"] == 1
    assert sorted(state["generations"]) == ["1", "2", "3"]
    assert sorted(host.check_output(f"ls {STORE}").split()) == [
        "1", "1.txt", "2", "2.txt", "3", "3.txt", "state.json",
    ]  # fmt: skip


def test_people_find_a_plain_environment(ada: Any) -> None:
    assert f"{ENVS}/job" in ada.types("conda env list")
    assert ".job" not in ada.types("conda env list")
    listed = json.loads(ada.types("conda list -n job --json"))
    assert {one["name"]: one["version"] for one in listed}["six"] == "1.16.0"
    assert ada.python("import six, sys; print(sys.prefix, six.__version__)", "job") == (
        f"{STORE}/1 1.16.0"
    )


def test_who_logs_in_cannot_change_it(ada: Any) -> None:
    ada.is_refused(f"touch {ENVS}/job/mine")
    ada.is_refused(f"touch {STORE}/1/lib/python3.11/site-packages/mine")
