"""The steps of `make test`, each a function from options to counts."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from scripts import engine, molecule_lab, pythons, sanity
from scripts import units as ansible_units
from scripts.console import Ticker, duration, say, style
from scripts.layout import BUILD, LOGS, PYTHON, ROOT, VENV_BIN, shown, tool_environment
from scripts.molecule_progress import MoleculeProgress
from scripts.processes import run
from scripts.proof import CANNOT_RUN
from scripts.results import Tally, measured, pytest_tally
from scripts.scenarios import CONVERGED, ModuleRuns, Scenario, table

# A step that hangs must not eat the whole of a CI run.
LINTER_SECONDS = 600
SUITE_SECONDS = 2400
SCENARIO_SECONDS = 2400
LAB_SECONDS = 1800

# The scenarios that `make test` leaves out because of what they download and install, and the parts of
# the lab that each needs beside the usual ones.
FULL_SCENARIOS: Mapping[str, tuple[str, ...]] = {"full": ("full-wheelhouse",)}

# What says nothing more on a second Python of the managed host: roles and documented examples are about
# what is asked of modules, pip and uv are compared as they work in one and the same environment.
NOT_OF_THE_PYTHON = (
    "tests/integration/roles",
    "tests/integration/test_examples_environments.py",
    "tests/integration/test_examples_others.py",
    "tests/integration/conda_pip/test_same_outcome.py",
)

# What a run that is not full has on the second Python: the main job of each module, its check mode, and
# child processes and downloads, which lean most on Python's own library. The unit tests have run there too.
MAIN_JOBS = (
    "tests/integration/test_check_mode_contract.py",
    "tests/integration/test_conda_config.py",
    "tests/integration/test_conda_env.py",
    "tests/integration/test_conda_info.py",
    "tests/integration/test_conda_installation.py",
    "tests/integration/test_conda_package.py",
    "tests/integration/conda_pip/test_conda_pip.py",
    "tests/integration/test_download.py",
    "tests/integration/test_hub_model.py",
    "tests/integration/test_killed_conda.py",
    "tests/integration/test_llm_check.py",
    "tests/integration/test_scripted_conda.py",
)

# The site playbook, and what it works out on the controller about a converged host.
SITE_TESTS = ("tests/integration/roles/test_site.py", "tests/integration/roles/test_site_cost.py")


class CannotRun(Exception):
    """A step cannot run on this machine; the text says why and what would help."""


@dataclass
class Options:
    """Choices from the command line."""

    scenarios: list[str] = field(default_factory=list)
    full: bool = False
    pytest_arguments: list[str] = field(default_factory=list)


def describe(name: str) -> str:
    """One line on a step."""
    return (STEPS[name].__doc__ or "").strip().splitlines()[0].rstrip(".")


def _show_failure(log: Path, lines: int = 40) -> None:
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    say("\n".join(f"    {line}" for line in text[-lines:]))
    say(f"    (whole log: {shown(log)})")


def _typed_packages() -> list[str]:
    """mypy's arguments: the collection by its import name, and the code around it."""
    package = "ansible_collections.llmfleet.conda.plugins"
    parts = ("module_utils", "plugin_utils", "modules", "action", "callback", "filter")
    present = [part for part in parts if any((ROOT / "plugins" / part).glob("*.py"))]
    names = [*(f"{package}.{part}" for part in present), "lab", "scripts", "bench", "faults"]
    return [word for name in names for word in ("-p", name)]


def linters() -> dict[str, list[str]]:
    """The linters by name; each counts as one test."""
    return {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy", *_typed_packages()],
        "yamllint": ["yamllint", "--strict", "."],
        "ansible-lint": ["ansible-lint", "--offline", "--nocolor"],
        "changelog": ["antsibull-changelog", "lint"],
    }


def lint(options: Options) -> Tally:
    """linters, and what must hold for every file of the repository."""
    tally = Tally()
    for name, argv in linters().items():
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
        verdict = style("passed", "green") if code == 0 else style("FAILED", "bold", "red")
        say(f"  {name:20} {verdict}  {duration(time.monotonic() - started)}")
        if code == 0:
            tally.passed += 1
        else:
            _show_failure(log)
            tally.fail(f"{name} (exit code {code}); see {shown(log)}")
    tally.add(_sanity())
    tally.add(_pytest("repository", ["tests/repository"], options))
    return tally


def _sanity() -> Tally:
    """ansible-test sanity; each of its tests on each Python counts as one."""
    started = time.monotonic()
    found = sanity.sanity([])
    verdict = style("FAILED", "bold", "red") if found.failed else style("passed", "green")
    say(f"  {'ansible-test sanity':20} {verdict}  {duration(time.monotonic() - started)}")
    return found


# What pytest says and only a reader of the log wants: its workers, the slowest tests.
_CHATTER = re.compile(r"^(bringing up nodes|slowest|\(|\d+\.\d+s (setup|call|teardown) )")


def _worth_showing(line: str) -> bool:
    text = line.strip("= ")
    return bool(text) and not _CHATTER.match(text)


def _pytest(
    name: str,
    paths: Sequence[str],
    options: Options,
    *,
    workers: int = 0,
    env: Mapping[str, str] | None = None,
) -> Tally:
    """One pytest run over the paths; one that is not there is a failure."""
    tally = Tally()
    absent = [path for path in paths if not path.startswith("-") and not (ROOT / path).exists()]
    if absent:
        tally.fail(f"{name}: no {', '.join(absent)}")
        return tally
    xml = LOGS / f"{name}.xml"
    xml.unlink(missing_ok=True)
    log = LOGS / f"{name}.log"
    argv: list[str | Path] = [PYTHON, "-m", "pytest", *paths, f"--junitxml={xml}", "--tb=short"]
    argv += ["-q", "--durations=10", "--durations-min=5"]
    if workers > 1:
        argv += ["-n", str(workers), "--dist", "loadfile"]
    argv += options.pytest_arguments
    with Ticker(f"{name}: pytest") as ticker:
        code = run(
            argv,
            log=log,
            cwd=ROOT,
            env=tool_environment(env),
            timeout=SUITE_SECONDS,
            on_line=lambda line: ticker.line(f"  {line}") if _worth_showing(line) else None,
        )
    tally.add(pytest_tally(xml, code, log))
    return tally


def _workers() -> int:
    return min(4, os.cpu_count() or 1)


def unit(options: Options) -> Tally:
    """pure functions, argument checks, role variables: no conda, no network."""
    return _pytest(
        "unit",
        ["tests/unit", "tests/scripts", "tests/roles", "tests/proof"],
        options,
        workers=_workers(),
    )


def units(options: Options) -> Tally:
    """ansible-test units: the collection's unit tests on every Python from 3.9 to 3.13."""
    return ansible_units.units()


def _build_lab(parts: Sequence[str] = ()) -> None:
    """Builds what is not current; a no-op in seconds once the cache is there.

    Raises LabFailed: a step that needs the lab has then failed, it was not skipped.
    """
    log = LOGS / "lab-build.log"
    with Ticker("building the lab") as ticker:
        argv: list[str | Path] = [PYTHON, "-m", "lab", "build", *parts]
        code = run(
            argv,
            log=log,
            cwd=ROOT,
            env=tool_environment(),
            timeout=LAB_SECONDS,
            on_line=lambda line: ticker.line(f"  {line}"),
        )
    if code != 0:
        raise LabFailed(f"the lab could not be built (exit code {code}); see {shown(log)}")


class LabFailed(Exception):
    """The lab could not be built, so what needs it failed."""


def _with_lab(
    name: str,
    paths: Sequence[str],
    options: Options,
    *,
    env: Mapping[str, str] | None = None,
    images: bool = False,
) -> Tally:
    try:
        _build_lab()
        if images:
            _build_lab(["images"])
    except LabFailed as error:
        tally = Tally()
        tally.fail(str(error))
        return tally
    return _pytest(name, paths, options, workers=_workers(), env=env)


def lab(options: Options) -> Tally:
    """the lab's own promises: channel, installer, mirror, wheelhouse, model, host images."""
    reason = engine.obtain(lambda line: say(f"  {line}"))
    env = {"LLMFLEET_NO_ENGINE": reason} if reason else {}
    return _with_lab("lab", ["tests/lab"], options, env=env, images=not reason)


def integration(options: Options) -> Tally:
    """modules and roles against real conda, on the oldest target Python; our rules against conda's."""
    env = {"LLMFLEET_TARGET_PYTHON": str(pythons.targets()[0].executable)}
    return _with_lab("integration", ["tests/integration", "tests/differential"], options, env=env)


def newest(options: Options) -> Tally:
    """the integration tests of the modules again, on the newest target Python."""
    env = {"LLMFLEET_TARGET_PYTHON": str(pythons.targets()[-1].executable)}
    if options.full:
        paths = ["tests/integration", *(f"--ignore={path}" for path in NOT_OF_THE_PYTHON)]
    else:
        paths = list(MAIN_JOBS)
        say(style("  the main job of each module; all of them: make newest", "yellow"))
    return _with_lab("newest", paths, options, env=env)


def controllers(options: Options) -> Tally:
    """the site playbook run by the other supported releases of ansible-core."""
    python = pythons.for_controllers()
    if python is None:
        raise CannotRun(
            "the other releases of ansible-core need Python 3.12 or newer on this machine"
        )
    tally = Tally()
    for release in pythons.releases():
        with Ticker(f"environment with ansible-core {release}"):
            own = pythons.controller(release, python)
        env = {"LLMFLEET_CONTROLLER_PYTHON": str(own)}
        found = _with_lab(f"controller-{release}", SITE_TESTS, options, env=env)
        say(f"  ansible-core {release}: {found.passed} passed, {found.failed} failed")
        tally.add(found)
    return tally


def scenarios() -> list[str]:
    """The Molecule scenarios of the repository."""
    return sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


def chosen_scenarios(options: Options) -> list[str]:
    """Those that were named; else all, without the ones that only a full run has."""
    return options.scenarios or [
        name for name in scenarios() if options.full or name not in FULL_SCENARIOS
    ]


def left_out(options: Options) -> list[str]:
    """What to tell about the scenarios that only a full run has, a line each."""
    if options.scenarios or options.full:
        return []
    return [
        f"left out: scenario {name}; run it with: make test-full, or make molecule SCENARIO={name}"
        for name in FULL_SCENARIOS
    ]


def molecule(options: Options) -> Tally:
    """the roles and playbooks on Docker hosts: check, converge, idempotence, check, verify."""
    tally = Tally()
    rows: list[Scenario] = []
    chosen = chosen_scenarios(options)
    unknown = sorted(set(chosen) - set(scenarios()))
    if unknown:
        tally.fail(
            f"no Molecule scenario {', '.join(unknown)}; there are: {', '.join(scenarios())}"
        )
        return tally
    reason = engine.obtain(lambda line: say(f"  {line}"))
    if reason:
        raise CannotRun(reason)
    try:
        _build_lab()
        _build_lab(["images", *_full_parts(chosen)])
    except LabFailed as error:
        tally.fail(str(error))
        return tally
    for line in left_out(options):
        say(style(f"  {line}", "yellow"))
    try:
        with molecule_lab.serving(chosen) as variables:
            for name in chosen:
                counts, row = _scenario(name, options, variables)
                tally.add(counts)
                rows.append(row)
    except LabError as error:
        tally.fail(f"the lab could not be served to the hosts: {error}")
    tally.details = [*table(rows), *left_out(options)]
    return tally


def _full_parts(chosen: Sequence[str]) -> list[str]:
    return [part for name in chosen for part in FULL_SCENARIOS.get(name, ())]


def _scenario(name: str, options: Options, variables: Mapping[str, str]) -> tuple[Tally, Scenario]:
    """One scenario: its testinfra tests count one by one, its whole sequence as one more."""
    xml = LOGS / f"molecule-{name}.xml"
    xml.unlink(missing_ok=True)
    log = LOGS / f"molecule-{name}.log"
    env = tool_environment(variables)
    pytest = [f"--junitxml={xml}", *options.pytest_arguments]
    env["PYTEST_ADDOPTS"] = " ".join(pytest)
    runs = ModuleRuns(BUILD / "molecule" / f"{name}-module-runs.jsonl")
    env["LLMFLEET_MODULE_RUNS"] = str(runs.path)
    progress = MoleculeProgress(name, runs.ended)
    with Ticker(f"{name}: starting") as ticker:
        started = time.monotonic()
        code = run(
            [VENV_BIN / "molecule", "test", "--scenario-name", name],
            log=log,
            cwd=ROOT,
            env=env,
            timeout=SCENARIO_SECONDS,
            on_line=lambda line: progress.see(line, ticker),
        )
        progress.close(ticker)
    tally = Tally()
    if code == 0 and progress.missing:
        # Molecule ends with 0 when a playbook of the sequence does not exist.
        tally.fail(f"{name}: Molecule found these playbooks missing: {', '.join(progress.missing)}")
    elif code == 0:
        tally.passed += 1
    else:
        _show_failure(log)
        tally.fail(
            f"{name}: molecule test ended with {code} after"
            f" {duration(time.monotonic() - started)}; see {shown(log)}"
        )
    for warning in progress.warnings:
        tally.fail(f"{name}: Ansible warned: {warning}; see {shown(log)}")
    checks = 0
    if xml.exists() or code == 0:
        tests = pytest_tally(xml, 0, log)
        checks = tests.executed
        if checks == 0:
            tests.fail(f"{name}: the verifier executed no test")
        tally.add(tests)
    seconds = time.monotonic() - started
    return tally, Scenario(name, runs.hosts(), checks, runs.most(CONVERGED), seconds)


def proof(options: Options) -> Tally:
    """a few of the measurements and of the faults: `make bench` and `make faults` have them all."""
    tally = Tally()
    for package in ("bench", "faults"):
        log = LOGS / f"{package}-quick.log"
        found = BUILD / f"{package}-quick.json"
        with Ticker(f"{package}: starting") as ticker:
            code = run(
                [PYTHON, "-m", package, "--quick"],
                log=log,
                cwd=ROOT,
                env=tool_environment(),
                timeout=SUITE_SECONDS,
                on_line=lambda line: ticker.line(f"  {line}"),
            )
        if code == CANNOT_RUN:
            raise CannotRun(log.read_text(encoding="utf-8").strip().splitlines()[-1])
        tally.add(measured(found, code, log))
    return tally


STEPS: dict[str, Callable[[Options], Tally]] = {
    "lint": lint,
    "unit": unit,
    "units": units,
    "lab": lab,
    "integration": integration,
    "newest": newest,
    "controllers": controllers,
    "proof": proof,
    "molecule": molecule,
}


def stop_engine() -> None:
    """Stops the Docker engine if this run started it."""
    engine.release(lambda line: say(f"  {line}"))
