"""`make bench`: every figure of build/bench.json."""

from __future__ import annotations

from scripts import proof

PARTS = ("noop", "converge", "observing", "one_package", "pip_phase", "many_hosts")
"""In this order; each is a module of this package with a function ``run``."""

if __name__ == "__main__":
    raise SystemExit(proof.main("bench", PARTS))
