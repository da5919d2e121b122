"""`make bench`: every figure of build/bench.json; `make proof-page` writes them into docs/proof.md."""

from __future__ import annotations

from proof import runner

PARTS = (
    *("noop", "converge", "observing", "one_package", "pip_phase", "many_hosts"),
    "generations",
)
"""In this order; each is a module of this package with a function ``run``."""

if __name__ == "__main__":
    raise SystemExit(runner.main("bench", PARTS, strict=False))
