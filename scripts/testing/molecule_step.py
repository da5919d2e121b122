"""The step that runs Molecule's scenarios: two at a time, each on containers of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lab.errors import LabError
from scripts.console import Ticker, duration, labelled, say, style
from scripts.layout import BUILD, LOGS, ROOT, VENV_BIN, shown, tool_environment
from scripts.processes import run
from scripts.setup import engine
from scripts.testing import limit, molecule_lab
from scripts.testing.molecule_progress import MoleculeProgress
from scripts.testing.results import Tally, pytest_tally
from scripts.testing.scenarios import CONVERGED, ModuleRuns, Scenario, table
from scripts.testing.step import SCENARIO_SECONDS, CannotRun, Options, show_failure
from scripts.testing.suites import LabFailed, build_lab

# What `make test` runs: all roles from a bare host, several users, and a host without a network. The longest
# come first, since two run at a time.
TEST_SCENARIOS = ("default", "multiuser", "airgap")

# What `make test` leaves out of a scenario: hosts that only repeat what another host shows.
TEST_LIMITS: Mapping[str, tuple[str, ...]] = {
    "default": ("llmfleet-debian13",),
    # This one gets its installer from the controller.
    "airgap": ("airgap-debian13",),
}

# The parts of the lab that a scenario needs beside the usual ones.
MORE_PARTS: Mapping[str, tuple[str, ...]] = {"full": ("full-wheelhouse",)}

AT_A_TIME = 2


def scenarios() -> list[str]:
    """The Molecule scenarios of the repository."""
    return sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


def chosen_scenarios(options: Options) -> list[str]:
    """Those that were named; else those of ``make test``; in a full run all, these first."""
    if options.scenarios:
        return options.scenarios
    if not options.full:
        return list(TEST_SCENARIOS)
    return [*TEST_SCENARIOS, *(name for name in scenarios() if name not in TEST_SCENARIOS)]


def left_out(options: Options) -> list[str]:
    """What to tell about the scenarios that only a full run has."""
    names = sorted(set(scenarios()) - set(chosen_scenarios(options)))
    if options.scenarios or not names:
        return []
    return [
        f"left out: {', '.join(names)}; run them with: make test-full PART=hosts,"
        " or make molecule SCENARIO=..."
    ]


def molecule(options: Options) -> Tally:
    """the roles and playbooks on Docker hosts: check, converge, idempotence, verify."""
    tally = Tally()
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
        build_lab()
        build_lab(["images", *(part for name in chosen for part in MORE_PARTS.get(name, ()))])
    except LabFailed as error:
        tally.fail(str(error))
        return tally
    for line in left_out(options):
        say(style(f"  {line}", "yellow"))
    rows: list[Scenario] = []
    try:
        with molecule_lab.serving(chosen) as variables, ThreadPoolExecutor(AT_A_TIME) as pool:
            one = labelled(lambda name: _scenario(name, options, variables))
            for counts, row in pool.map(one, chosen):
                tally.add(counts)
                rows.append(row)
    except LabError as error:
        tally.fail(f"the lab could not be served to the hosts: {error}")
    tally.details = [*table(sorted(rows, key=lambda row: row.name)), *left_out(options)]
    return tally


def _scenario(name: str, options: Options, variables: Mapping[str, str]) -> tuple[Tally, Scenario]:
    """One scenario: its testinfra tests count one by one, its whole sequence as one more."""
    xml = LOGS / f"molecule-{name}.xml"
    xml.unlink(missing_ok=True)
    log = LOGS / f"molecule-{name}.log"
    env = tool_environment(variables)
    env["LAB_REPORT"] = str(molecule_lab.report(name))
    if name in TEST_LIMITS and not options.full and not options.scenarios:
        env[limit.VARIABLE] = ",".join(TEST_LIMITS[name])
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
        show_failure(log)
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
