"""How the first converge counts what hosts ask of the mirror, and what its contenders are told to make."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from lab.errors import LabError
from proof.bench import jobs
from proof.bench.converge import asked, in_turn
from proof.bench.cost import Run

RUN = Run(1.0, 0.5, 100.0, "")


def request(client: str, path: str, size: int) -> dict[str, Any]:
    return {"client": client, "path": path, "bytes": size}


def test_each_host_is_charged_what_it_asked_for() -> None:
    log = [
        request("10.0.0.1", "/conda/lab/noarch/a.conda", 10),
        request("10.0.0.2", "/conda/lab/noarch/a.conda", 10),
        request("10.0.0.2", "/wheels/", 5),
        request("10.0.0.2", "/wheels/", 5),
    ]
    found = asked(RUN, log, ["10.0.0.1", "10.0.0.2"])
    assert found.requests == [1, 3]
    assert found.bytes == [10, 20]
    assert found.twice == []


def test_an_artifact_that_one_host_takes_twice_is_named() -> None:
    log = [request("10.0.0.1", "/installers/conda.sh", 10)] * 2
    assert asked(RUN, log, ["10.0.0.1"]).twice == ["/installers/conda.sh by 10.0.0.1"]


def test_asking_whether_an_artifact_has_changed_is_not_taking_it() -> None:
    log = [
        request("10.0.0.1", "/installers/conda.sh", 10),
        request("10.0.0.1", "/installers/conda.sh", 0),
    ]
    assert asked(RUN, log, ["10.0.0.1"]).twice == []


def test_requests_of_somebody_else_are_not_counted_as_a_hosts() -> None:
    with pytest.raises(LabError, match=r"10\.0\.0\.9"):
        asked(RUN, [request("10.0.0.9", "/wheels/", 5)], ["10.0.0.1"])


@pytest.mark.parametrize("job", [jobs.TUTORIAL, jobs.LIGHT])
def test_roles_are_told_all_of_a_job(job: jobs.Job) -> None:
    variables = jobs.for_roles(job)
    assert variables["install_llm_stack_requirements"] == list(job.pip_packages)
    assert variables["install_llm_stack_profile_overrides"]["data"]["conda"] == list(job.packages)
    assert variables["create_conda_env_environments"][0]["name"] == job.environment
    assert variables["install_llm_stack_environment"] == job.environment


def test_what_a_person_types_is_quoted_for_the_shell() -> None:
    job = jobs.Job("other", ("numpy>=2",), ("torch<3",))
    typed = jobs.commands(job, "http://10.0.0.1:80", "Miniconda3.sh")
    assert shlex.split(typed[-2])[-1] == "numpy>=2"
    assert shlex.split(typed[-1])[-1] == "torch<3"


def test_nobody_is_first_in_every_turn() -> None:
    names = ["ours", "by_hand", "plain"]
    assert [in_turn(names, turn)[0] for turn in range(3)] == ["ours", "plain", "ours"]
    assert all(sorted(in_turn(names, turn)) == sorted(names) for turn in range(3))
