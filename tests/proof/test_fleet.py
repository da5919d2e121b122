"""What a run on the controller costs is that of all its processes."""

from __future__ import annotations

import os
import subprocess
import sys

from proof.bench.cost import family, proportional, timed

_CHILD = "import sys; block = bytearray(40 << 20); block[::4096] = b'x' * len(block[::4096]);"


def test_children_count_in_processor_time_and_memory() -> None:
    work = _CHILD + "sum(range(30_000_000)); import time; time.sleep(0.6)"
    starter = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    )
    found = timed([sys.executable, "-c", starter, work], os.environ)
    assert found.cpu > 0.2
    assert found.seconds >= 0.6
    assert found.memory > 40


def test_a_process_that_ends_meanwhile_has_no_children_and_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert family(process.pid) == [process.pid]
    assert proportional(process.pid) == 0
