"""The steps that read the repository and run nothing of it: linters, documentation, sanity."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from scripts.console import Ticker, duration, labelled, say, style
from scripts.layout import LOGS, ROOT, VENV_BIN, shown, tool_environment
from scripts.processes import run
from scripts.setup import pythons
from scripts.testing import sanity
from scripts.testing.docs_lint import docs_lint
from scripts.testing.results import Tally
from scripts.testing.step import LINTER_SECONDS, Options, show_failure
from scripts.testing.suites import WORKERS, run_pytest


def _typed_packages() -> list[str]:
    """mypy's arguments: the collection by its import name, and the code around it."""
    package = "ansible_collections.llmfleet.conda.plugins"
    parts = ("module_utils", "plugin_utils", "modules", "action", "callback", "filter")
    present = [part for part in parts if any((ROOT / "plugins" / part).rglob("*.py"))]
    names = [*(f"{package}.{part}" for part in present), "lab", "scripts", "proof"]
    return [word for name in names for word in ("-p", name)]


def linters(everything: bool = True) -> dict[str, list[str]]:
    """The linters by name; each counts as one test. The slowest come first, as two run at a time.

    everything: with ansible-lint's look at what is not in the artifact, which takes it three times as long.
    """
    shipped = [] if everything else ["roles", "playbooks", "meta", "galaxy.yml", "changelogs"]
    return {
        "ansible-lint": ["ansible-lint", "--offline", "--nocolor", *shipped],
        "mypy": ["mypy", *_typed_packages()],
        "yamllint": ["yamllint", "--strict", "."],
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "changelog": ["antsibull-changelog", "lint"],
    }


def _told(name: str, tally: Tally, started: float) -> Tally:
    verdict = style("FAILED", "bold", "red") if tally.failed else style("passed", "green")
    say(f"  {name:20} {verdict}  {duration(time.monotonic() - started)}")
    return tally


def _documentation() -> Tally:
    started = time.monotonic()
    return _told("antsibull-docs", docs_lint(), started)


def _linter(name: str, argv: list[str]) -> Tally:
    log = LOGS / f"lint-{name.replace(' ', '-')}.log"
    started = time.monotonic()
    with Ticker(name):
        code = run(
            [VENV_BIN / argv[0], *argv[1:]],
            log=log,
            cwd=ROOT,
            env=tool_environment(),
            timeout=LINTER_SECONDS,
        )
    tally = Tally()
    if code == 0:
        tally.passed += 1
    else:
        tally.fail(f"{name} (exit code {code}); see {shown(log)}")
    _told(name, tally, started)
    if code != 0:
        show_failure(log)
    return tally


def lint(options: Options) -> Tally:
    """linters, the pages of the documentation, and what must hold for every file of the repository."""
    tally = Tally()
    with ThreadPoolExecutor(2) as pool:
        pages = [pool.submit(labelled(_documentation))] if options.full else []
        for found in pool.map(labelled(_linter), *zip(*linters(options.full).items(), strict=True)):
            tally.add(found)
        for page in pages:
            tally.add(page.result())
    tally.add(run_pytest("repository", ["tests/repository"], options, workers=WORKERS))
    return tally


def run_sanity(options: Options) -> Tally:
    """ansible-test sanity with no ignore file; each of its tests on each Python counts as one."""
    if options.full:
        return sanity.sanity([])
    here = {pythons.minor(one) for one in pythons.targets()}
    ends = (pythons.TARGETS[0], pythons.TARGETS[-1])
    return sanity.most([version for version in ends if version in here])
