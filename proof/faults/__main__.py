"""`make faults`: every count of build/faults.json."""

from __future__ import annotations

from proof import runner

PARTS = (
    "killed",
    "disk",
    "bad_mirror",
    "damage",
    "concurrency",
    "hostile",
    "removal",
    "secrets",
    "generations",
)
"""In this order; each is a module of this package with a function ``run``."""

if __name__ == "__main__":
    raise SystemExit(runner.main("faults", PARTS))
