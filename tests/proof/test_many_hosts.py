"""Slopes over the size of a fleet, and which processes are Ansible's connections."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from bench import connections
from bench.many_hosts import Cost, growth, memory_growth


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
