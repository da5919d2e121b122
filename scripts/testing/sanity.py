"""`ansible-test sanity` on a copy of what Galaxy would get: `python -m scripts.testing.sanity [ARGUMENTS]`.

The import and compile tests run on every Python from 3.9 to 3.13 that this machine has.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.console import Ticker, heading
from scripts.layout import BUILD, LOGS, ROOT, VENV_BIN, shown
from scripts.processes import run
from scripts.testing import ansible_test
from scripts.testing.results import Tally, tell

COPY = BUILD / "sanity" / "ansible_collections" / "llmfleet" / "conda"
LOG = LOGS / "sanity.log"
SECONDS = 1200

_RUNNING = re.compile(r'Running sanity test "([^"]+)"(?: on Python ([\d.]+))?')
_FOUND = re.compile(r"ERROR: Found \d+ \S+ issue\(s\)")
_SKIPPED = re.compile(r'WARNING: (Skipping sanity test "([^"]+)"(?: on Python ([\d.]+))?.*)')
_NOTHING = "No tests applicable."


def read_results(text: str, code: int) -> Tally:
    """Counts from ansible-test's output (written with -v): a test on one Python is one test."""
    outcomes: dict[str, str] = {}
    tally = Tally()
    current = ""
    for line in text.splitlines():
        if match := _RUNNING.match(line):
            current = " ".join(filter(None, match.groups()))
            outcomes[current] = "passed"
        elif line == _NOTHING:
            outcomes[current] = "nothing to test"
        elif match := _SKIPPED.match(line):
            # Said twice: all warnings come again at the end.
            outcomes[" ".join(filter(None, match.groups()[1:]))] = "skipped"
            tally.reasons[match[1]] = 1
        elif _FOUND.match(line):
            outcomes[current] = "failed"
    values = list(outcomes.values())
    tally.passed = values.count("passed")
    tally.skipped = values.count("skipped")
    for name, outcome in outcomes.items():
        if outcome == "failed":
            tally.fail(f"sanity {name}; see {shown(LOG)}")
    if (code or not tally.passed) and not tally.failed:
        tally.fail(f"ansible-test sanity ended with exit code {code}; see {shown(LOG)}")
    return tally


def sanity(arguments: list[str]) -> Tally:
    """Runs the tests, saying what each finds; the whole output is in build/logs/sanity.log."""
    ansible_test.copy_collection(ROOT, COPY)
    with Ticker("ansible-test sanity") as ticker, ansible_test.sanity_home() as home:

        def on_line(line: str) -> None:
            if _RUNNING.match(line):
                ticker.update(line)
            elif line.startswith(("ERROR:", "FATAL:")):
                ticker.line(f"  {line}")

        argv: list[str | Path] = [
            VENV_BIN / "ansible-test",
            "sanity",
            "--color",
            "no",
            "-v",
            *arguments,
        ]
        code = run(
            argv,
            log=LOG,
            cwd=COPY,
            env=ansible_test.environment(home),
            timeout=SECONDS,
            on_line=on_line,
        )
    return read_results(LOG.read_text(encoding="utf-8", errors="replace"), code)


def most(pythons: Sequence[str]) -> Tally:
    """All but pylint, which takes as long as the others together, and imports on these Pythons only."""
    tally = sanity(["--skip-test", "pylint", "--skip-test", "import"])
    for version in pythons:
        tally.add(sanity(["--test", "import", "--python", version]))
    return tally


def main(arguments: list[str]) -> int:
    """Runs the tests and counts them; 0 only if some ran and none failed."""
    heading("sanity: ansible-core's own rules for collections")
    return tell(sanity(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
