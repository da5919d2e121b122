"""Rolling waves: a wave with too many failures is the last one, and the hosts behind it are not touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.roles.conftest import Played

# Only in make test-full: many runs of a playbook on several hosts.
FULL = pytest.mark.full

# Two waves of two hosts; the first one has one host whose variables are refused.
WRONG = {"verify_environment": "no such name"}
# Nothing listens on this port of this machine.
DOWN = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


@pytest.fixture
def roll(play: Callable[..., Played], tmp_path: Path) -> Callable[..., Played]:
    def run(playbook: str, lost: dict[str, Any] = WRONG, **variables: Any) -> Played:
        common = {
            "install_miniconda_prefix": str(tmp_path / "conda"),
            "verify_report": str(tmp_path / "report.json"),
            "verify_checks": ["host"],
            "verify_thresholds": {
                "min_glibc": "2.0",
                "min_free_disk_mb": 0,
                "min_free_inodes": 0,
                "min_memory_mb": 1,
            },
        }
        hosts = {"a1": common, "a2": {**common, **lost}, "b1": common, "b2": common}
        return play(playbook, hosts, "--tags", "verify", llmfleet_serial=2, **variables)

    return run


def states(played: Played) -> dict[str, str]:
    return {name: host["state"] for name, host in played.summary["hosts"].items()}


@FULL
@pytest.mark.parametrize("playbook", ["site", "verify"])
def test_a_failed_host_does_not_stop_the_waves_behind_it_by_default(
    playbook: str, roll: Callable[..., Played]
) -> None:
    played = roll(f"llmfleet.conda.{playbook}")
    assert played.code == 2
    assert states(played) == {"a1": "ok", "a2": "failed", "b1": "ok", "b2": "ok"}


@FULL
@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("site", {"llmfleet_max_fail_percentage": 49}),
        ("verify", {"llmfleet_max_fail_percentage": 0}),
        # An update stops by default: what broke one host would break the next wave too.
        ("update", {}),
    ],
)
def test_too_many_failures_stop_the_waves_behind_them(
    playbook: str, variables: dict[str, Any], roll: Callable[..., Played]
) -> None:
    played = roll(f"llmfleet.conda.{playbook}", **variables)
    assert played.code == 2
    assert set(states(played)) == {"a1", "a2"}
    assert states(played)["a2"] == "failed"


@FULL
def test_an_update_goes_on_where_failures_are_borne(roll: Callable[..., Played]) -> None:
    played = roll("llmfleet.conda.update", llmfleet_max_fail_percentage=50)
    assert states(played) == {"a1": "ok", "a2": "failed", "b1": "ok", "b2": "ok"}


def test_an_unreachable_host_stops_the_waves_behind_it(roll: Callable[..., Played]) -> None:
    """Ansible counts only failed hosts for max_fail_percentage."""
    played = roll("llmfleet.conda.update", DOWN)
    assert played.code == 4, played.text
    assert states(played) == {"a1": "ok", "a2": "unreachable"}
    assert (
        "a2 failed or could not be reached, which is more than llmfleet_max_fail_percentage (0) allows for a"
        " wave of 2. The next waves are not begun. Not touched: b1, b2."
    ) in played.flat


@FULL
@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("update", {"llmfleet_max_fail_percentage": 50}),
        ("site", {}),
        ("verify", {}),
        ("verify", {"llmfleet_max_fail_percentage": "50"}),
    ],
)
def test_an_unreachable_host_is_borne_where_failures_are(
    playbook: str, variables: dict[str, Any], roll: Callable[..., Played]
) -> None:
    played = roll(f"llmfleet.conda.{playbook}", DOWN, **variables)
    assert played.code == 4, played.text
    assert states(played) == {"a1": "ok", "a2": "unreachable", "b1": "ok", "b2": "ok"}


@FULL
@pytest.mark.parametrize("playbook", ["site", "verify"])
def test_the_limit_counts_unreachable_hosts_in_the_other_playbooks(
    playbook: str, roll: Callable[..., Played]
) -> None:
    played = roll(f"llmfleet.conda.{playbook}", DOWN, llmfleet_max_fail_percentage=49)
    assert played.code == 4, played.text
    assert set(states(played)) == {"a1", "a2"}


@FULL
def test_nothing_is_said_of_waves_when_the_last_one_loses_a_host(
    play: Callable[..., Played], tmp_path: Path
) -> None:
    common = {"verify_checks": ["host"], "verify_report": str(tmp_path / "report.json")}
    played = play(
        "llmfleet.conda.update",
        {"a1": {**common, **DOWN}, "a2": common},
        "--tags",
        "verify-host",
    )
    assert "Not touched" not in played.flat
