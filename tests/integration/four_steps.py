"""Check, run, check again, run again: what every module owes for every state, asserted in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import counter
from tests.integration.snapshot import changes, snapshot


def _belongs_to_asking(path: str) -> bool:
    return Path(path).is_dir() or "/pkgs/cache/" in path


@dataclass(frozen=True)
class Steps:
    """Takes the four steps with one call of a module.

    Attributes:
        run_module: the fixture of that name.
        roots: directories that a run without effect must leave exactly as they are.
        installation: whose conda must not start when nothing is to do.
    """

    run_module: Callable[..., dict[str, Any]]
    roots: tuple[Path, ...]
    installation: Path

    def __call__(
        self, name: str, options: dict[str, Any], *, asks_conda: bool = False, **how: Any
    ) -> dict[str, Any]:
        """Run the steps and return the result of the real run.

        Args:
            name, options: of the module.
            asks_conda: the state asks conda every time (``latest``), so starts are not counted.
            how: further arguments of ``run_module``.
        """
        results, written, starts = [], [], []
        # Nothing else happens between the steps: what one leaves is what the next one finds.
        after = snapshot(*self.roots)
        for check in (True, False, True, False):
            before, started = after, len(counter.starts(self.installation))
            results.append(self.run_module(name, options, check=check, **how))
            after = snapshot(*self.roots)
            written.append(changes(before, after))
            starts.append(len(counter.starts(self.installation)) - started)
        shown = {key: [result.get(key) for result in results] for key in ("msg", "plan", "diff")}
        assert [result["rc"] for result in results] == [0, 0, 0, 0], shown
        assert [result["changed"] for result in results] == [True, True, False, False], shown
        assert results[0]["diff"] == results[1]["diff"], shown
        for again in results[2:]:
            assert again["diff"]["before"] == again["diff"]["after"], shown
            assert again["diff"]["after"] == results[1]["diff"]["after"], shown
        if asks_conda:
            # Asking for something newer refreshes conda's index cache and takes the lock.
            written[3] = [path for path in written[3] if not _belongs_to_asking(path)]
        assert [written[0], written[2], written[3]] == [[], [], []]
        assert written[1], "the real run says that it changed something, and nothing is different"
        if not asks_conda:
            assert starts[2:] == [0, 0], counter.starts(self.installation)
        return results[1]
