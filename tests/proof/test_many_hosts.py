"""Slopes over the size of a fleet, and which processes are Ansible's connections."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from proof.bench import connections, many_hosts
from proof.bench.many_hosts import Cost, growth, memory_growth
from proof.runner import Lab


def _fleet(cpu: Callable[[int], float], memory: Callable[[int], float]) -> dict[int, list[Cost]]:
    return {
        size: [Cost(size, 1.0, cpu(size), memory(size), 6 * size, 0)] * 3 for size in (8, 32, 128)
    }


def test_a_start_that_costs_much_hides_no_growth() -> None:
    steady = _fleet(lambda size: 100 + 0.5 * size, lambda _size: 50)
    assert growth(steady) == pytest.approx(1)
    rising = _fleet(lambda size: 100 + 0.01 * size**2, lambda _size: 50)
    assert growth(rising) == pytest.approx(4)


def test_memory_is_by_the_host_that_comes_in_addition() -> None:
    assert memory_growth(_fleet(lambda _size: 1, lambda size: 200 + 2.5 * size)) == pytest.approx(
        2.5
    )


def test_connections_are_known_by_their_title_and_ended() -> None:
    with connections.opened() as held:
        # Bash gives what it runs the title that ssh gives itself.
        script = f"exec -a 'ssh: {held.folder}/0123 [mux]' sleep 60"
        other = "exec -a 'ssh: /somewhere/else/0123 [mux]' sleep 60"
        ours, theirs = (subprocess.Popen(["bash", "-c", text]) for text in (script, other))
        try:
            while b"ssh: " not in _title(ours) or b"ssh: " not in _title(theirs):
                assert ours.poll() is None
            assert held.processes() == [ours.pid]
            assert held.memory() > 0
            assert held.cpu() >= 0
            held.close()
            assert ours.wait(10) == -15
            assert theirs.poll() is None
        finally:
            for one in (ours, theirs):
                one.kill()
                one.wait()
    assert not held.folder.exists()


def _title(process: subprocess.Popen[bytes]) -> bytes:
    with open(f"/proc/{process.pid}/cmdline", "rb") as stream:
        return stream.read().partition(b"\0")[0]


def test_all_sizes_are_measured_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[int, str, bool]] = []

    def fake(_hosts: object, size: int, play: list[str], env: object = None) -> Cost:
        runs.append((size, Path(play[0]).name, env is not None))
        return Cost(size, size * (3.0 if env else 1.0), 3.0 + size, 90 + 2.0 * size, 6 * size, 0)

    monkeypatch.setattr(many_hosts, "LightHosts", lambda _lab: None)
    monkeypatch.setattr(many_hosts, "measured", fake)
    (tmp_path / "many_hosts").mkdir()
    lab = Lab("bench", "image", cast(Any, None), tmp_path, quick=False)
    found = {one.name: one for one in many_hosts.run(lab)}
    site, pings = many_hosts.SITE, "pings.json"
    assert runs == [
        *((8, site, False), (8, pings, False)),
        *((32, site, False), (32, pings, False), (32, site, True)),
        *((32, "wait.json", False), (32, "wait.json", True)),
        *((128, site, False), (128, pings, False)),
        (8, site, False),
    ]
    assert len(json.loads((tmp_path / "many_hosts" / pings).read_text())[0]["tasks"]) == 6
    assert all(one.met is not False for one in found.values())
    assert found["many_hosts.ours.cpu_growth"].value == pytest.approx(1)
    assert found["many_hosts.ours.memory_growth"].value == pytest.approx(2)
    assert found["many_hosts.settings.faster_in_a_no_op"].value == pytest.approx(3)
    assert found["many_hosts.settings.faster_where_hosts_work"].value == pytest.approx(3)
    assert found["many_hosts.ours.8.modules"].samples == [6, 6]

    quick = many_hosts.run(Lab("bench", "image", cast(Any, None), tmp_path, quick=True))
    assert [one.name for one in quick if one.met] == [
        f"many_hosts.quick.{name}" for name in ("changed", "modules", "cpu")
    ]
