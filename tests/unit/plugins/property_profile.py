"""How many examples property-based tests try: 20 where they run on every change, 200 in ``make test-full``.

The number comes from the variable LLMFLEET_EXAMPLES, or from the file tests/unit/examples.txt, since
ansible-test passes no variables on. The 20 are the same in every run, so that a run fails only for what
was changed; the 200 are drawn anew each time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

QUICK, FULL = 20, 200


def examples() -> int:
    """The number of examples for each test."""
    try:
        return int(Path(__file__).parent.with_name("examples.txt").read_text())
    except FileNotFoundError:
        return int(os.environ.get("LLMFLEET_EXAMPLES", QUICK))


def load() -> None:
    """Make it the default of all property-based tests of this run."""
    few = examples() <= QUICK
    # hypothesis refuses a database where examples are the same each time.
    more: dict[str, Any] = {"derandomize": True, "database": None} if few else {}
    # On a loaded machine the first example of a strategy can take seconds.
    more["suppress_health_check"] = [HealthCheck.too_slow]
    settings.register_profile("llmfleet", max_examples=examples(), deadline=None, **more)
    settings.load_profile("llmfleet")
