"""What the checks say of each host, in report, table and exit code; and that they only look."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

GOOD, DRIFT, IMPORT, LICENCE, GPU, ABSENT, SMALL, SEVERAL = HOSTS = [
    "verify-good-debian12",
    "verify-drift-debian13",
    "verify-import-debian12",
    "verify-licence-debian13",
    "verify-gpu-debian12",
    "verify-absent-debian13",
    "verify-small-debian13",
    "verify-several-debian12",
]
# The layer in which each of the failed hosts fails, its check, and what is to be said of it.
FAILURES = {
    IMPORT: ("imports", "imports.six", "this is not the six you are looking for"),
    LICENCE: ("environment", "environment.channels", "tqdm"),
    GPU: ("framework", "framework.torch", "sees 0 GPUs, expected 1"),
    ABSENT: ("environment", "environment.exists", "/opt/miniconda3/envs/llm"),
    SMALL: ("host", "host.memory", "(at least 1000000000)"),
}
# The check that finds each of the damaged environments, its status, and what is to be said.
SPOILT = {
    "lost-file": ("environment.files", "fail", "six.py"),
    "bad-record": ("environment.records", "fail", "is not a package record"),
    "two-owners": ("environment.owners", "fail", "six (conda's 1.17.0, and six-1.16.0.dist-info)"),
    "no-pin": ("drift.settings", "drift", "the requested pins are not set: six<2"),
    "other-variable": ("drift.settings", "drift", "OMP_NUM_THREADS"),
    "other-version": ("drift.packages", "drift", "six=1.17 is declared, but six 1.16.0"),
    "gone": ("environment.exists", "fail", "/opt/miniconda3/envs/gone does not exist"),
}
LAYERS = [
    "host",
    "installation",
    "environment",
    "drift",
    "imports",
    "framework",
    "kernel",
    "workload",
]


Packages = dict[str, dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def listed() -> Packages:
    """By host and name, the packages of the environment as the real conda lists them."""
    found = {}
    for host in (GOOD, DRIFT, LICENCE):
        command = [
            "docker",
            "exec",
            host,
            "/opt/miniconda3/bin/conda",
            "list",
            "-n",
            "llm",
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[host] = {item["name"]: item for item in json.loads(done.stdout)}
    return found


@pytest.fixture(scope="module")
def before(listing: Callable[[str], str], listed: Packages) -> dict[str, str]:
    """The hosts before any run of the playbook; conda, which leaves its traces, was asked before."""
    return {host: listing(host) for host in HOSTS}


@pytest.fixture(scope="module")
def looked(look: Any, before: dict[str, str]) -> Any:
    """The playbook over all hosts."""
    return look()


@pytest.fixture(scope="module")
def in_check_mode(look: Any, before: dict[str, str]) -> Any:
    """The same under --check."""
    return look("--check")


def checks(looked: Any, host: str) -> list[dict[str, Any]]:
    assert looked.report is not None
    found: list[dict[str, Any]] = looked.report["hosts"][host]["checks"]
    return found


def test_the_run_says_by_its_exit_code_that_hosts_failed(looked: Any) -> None:
    assert looked.code == 2
    assert looked.summary["rc"] == 2
    assert looked.summary["warnings"] == []


def test_each_host_has_its_status_and_drift_is_one_of_its_own(looked: Any) -> None:
    failed = dict.fromkeys([*FAILURES, SEVERAL], "fail")
    assert looked.status() == {GOOD: "pass", DRIFT: "drift", **failed}


@pytest.mark.parametrize("host", HOSTS)
def test_there_is_one_result_for_each_check(looked: Any, host: str) -> None:
    names = [(check.get("environment"), check["name"]) for check in checks(looked, host)]
    assert len(names) == len(set(names)) >= 15
    for check in checks(looked, host):
        assert set(check) - {"environment"} == {"name", "status", "detail", "seconds"}
        assert check["status"] in ("pass", "fail", "drift", "skip")
        assert check["detail"]
        assert check["seconds"] >= 0


@pytest.mark.parametrize("host", FAILURES)
def test_the_first_failed_layer_is_the_last_one(looked: Any, host: str) -> None:
    layer, name, said = FAILURES[host]
    found = {check["name"]: check for check in checks(looked, host)}
    assert [one for one in found if found[one]["status"] == "fail"] == [name]
    assert said in found[name]["detail"]
    assert looked.own(host)["failed_layer"] == layer
    # What is declared is compared with an environment that is damaged, too.
    later = [
        one for one in LAYERS[LAYERS.index(layer) + 1 :] if (layer, one) != ("environment", "drift")
    ]
    behind = [check for check in found.values() if check["name"].split(".")[0] in later]
    assert behind
    assert {check["status"] for check in behind} == {"skip"}
    assert any(check["status"] == "pass" for check in found.values())


def test_drift_is_what_conda_lists_against_what_the_inventory_declares(
    looked: Any, listed: Packages
) -> None:
    assert listed[DRIFT]["six"]["version"] == "1.16.0"
    assert listed[GOOD]["six"]["version"].startswith("1.17")
    found = {check["name"]: check for check in checks(looked, DRIFT)}
    assert [name for name in found if found[name]["status"] == "drift"] == ["drift.packages"]
    assert "six=1.17" in found["drift.packages"]["detail"]
    assert "1.16.0" in found["drift.packages"]["detail"]
    # It works, so the layers behind it are carried out.
    assert found["imports.six"]["status"] == "pass"


def test_each_of_several_environments_is_checked_and_named(looked: Any) -> None:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for check in checks(looked, SEVERAL):
        found.setdefault(check.get("environment", ""), {})[check["name"]] = check
    assert set(found) == {"", "llm", "sound", *SPOILT}
    # Base is damaged as well, which keeps nobody from finding the rest.
    assert found[""]["installation.files"]["status"] == "fail"
    assert "requests/api.py" in found[""]["installation.files"]["detail"]
    assert looked.own(SEVERAL)["failed_layer"] == "installation"
    for name in ("llm", "sound"):
        assert {check["status"] for check in found[name].values()} <= {"pass", "skip"}
    assert found["sound"]["imports.six"]["status"] == "pass"
    screen = "\n".join(looked.screen)
    for environment, (name, status, said) in SPOILT.items():
        assert found[environment][name]["status"] == status
        assert said in found[environment][name]["detail"]
        word = {"fail": "failed", "drift": "drift"}[status]
        assert f"{SEVERAL}: {word}: {environment}: {name}:" in screen
    assert f"{SEVERAL}: failed: installation.files:" in screen


def test_a_pass_is_not_repeated_and_its_date_is_told(look: Any, looked: Any) -> None:
    again = look("--limit", f"{GOOD},{SEVERAL}")
    (own,) = again.own(GOOD)["last_passes"]
    assert f"not run again: llm: nothing changed since {own['since']}" in again.log
    found = {check["name"]: check for check in checks(again, GOOD)}
    assert found["imports.six"]["detail"].endswith(
        f"Not run again: nothing changed since {own['since']}."
    )
    # Drift keeps nothing from being imported, so these passed, too.
    drifted = {name for name, (_, status, _) in SPOILT.items() if status == "drift"}
    reused = {one["environment"] for one in again.own(SEVERAL)["last_passes"]}
    assert reused == {"llm", "sound", *drifted}


def test_the_licence_audit_names_the_package_that_conda_lists_there(
    looked: Any, listed: Packages
) -> None:
    assert listed[LICENCE]["tqdm"]["base_url"] == "file:///srv/mirror/pkgs/main"
    assert {row["name"] for row in listed[LICENCE].values() if "/pkgs/main" in row["base_url"]} == {
        "tqdm"
    }
    (audit,) = [
        check for check in looked.own(LICENCE)["checks"] if check["name"] == "environment.channels"
    ]
    (label,) = audit["measured"]["from_defaults"]
    assert label.split()[0] == "tqdm"


def test_bounds_of_the_inventory_are_those_that_count(looked: Any) -> None:
    found = {check["name"]: check["detail"] for check in checks(looked, GOOD)}
    assert "(at least 17)" in found["host.disk"]
    others = {check["name"]: check["detail"] for check in checks(looked, DRIFT)}
    assert "(at least 512)" in others["host.disk"]


def test_the_summary_table_is_on_the_screen(looked: Any) -> None:
    words = " ".join(looked.log.split())
    for host, status in looked.status().items():
        assert re.search(rf"{host} {status} \d+ of \d+ \d", words)
    assert "8 hosts: 1 pass, 1 drift, 6 fail" in looked.log
    screen = "\n".join(looked.screen)
    for host, (_layer, name, _said) in FAILURES.items():
        assert f"{host}: failed: {name}:" in screen
    assert f"{DRIFT}: drift: drift.packages:" in screen


def test_a_host_costs_at_most_two_module_runs(looked: Any) -> None:
    assert {host: looked.module_runs[host] for host in HOSTS} == dict.fromkeys(HOSTS, 1)


def test_check_mode_finds_the_same_and_writes_no_report(looked: Any, in_check_mode: Any) -> None:
    assert in_check_mode.code == 2
    assert in_check_mode.report is None
    assert not (in_check_mode.folder / "report.d").exists()
    # The environment that nobody made could come from an earlier task of a play.
    assert "8 hosts: 1 pass, 1 drift, 1 not there yet, 5 fail" in in_check_mode.log


@pytest.mark.parametrize("mode", ["looked", "in_check_mode"])
def test_no_host_is_reported_as_changed(request: pytest.FixtureRequest, mode: str) -> None:
    summary = request.getfixturevalue(mode).summary
    assert {host: counts["changed"] for host, counts in summary["hosts"].items()} == dict.fromkeys(
        HOSTS, 0
    )


def test_tags_choose_layers(look: Any, before: dict[str, str]) -> None:
    chosen = look("--tags", "verify-host", "--limit", f"{IMPORT},{ABSENT}")
    assert chosen.code == 0
    assert chosen.status() == {IMPORT: "pass", ABSENT: "pass"}
    ran = [check["name"] for check in checks(chosen, IMPORT) if check["status"] != "skip"]
    assert ran
    assert {name.split(".")[0] for name in ran} == {"host"}


def test_a_layer_by_tag_still_fails_what_it_finds(look: Any, before: dict[str, str]) -> None:
    chosen = look("--tags", "verify-drift", "--limit", f"{GOOD},{DRIFT}")
    assert chosen.code == 2
    assert chosen.status() == {GOOD: "pass", DRIFT: "drift"}
    assert not [check for check in checks(chosen, DRIFT) if check["name"].startswith("imports")]


def test_drift_can_be_told_without_failing(look: Any, before: dict[str, str]) -> None:
    chosen = look("--limit", f"{GOOD},{DRIFT}", "-e", '{"verify_drift_fails": false}')
    assert chosen.code == 0
    assert chosen.status() == {GOOD: "pass", DRIFT: "drift"}


@pytest.mark.usefixtures("looked", "in_check_mode")
@pytest.mark.parametrize("host", HOSTS)
def test_nothing_on_the_host_changed(
    listing: Callable[[str], str], before: dict[str, str], host: str
) -> None:
    assert len(before[host].splitlines()) > 1000
    assert listing(host) == before[host]
