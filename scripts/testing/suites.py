"""The steps that run pytest: the collection's code, the scripts, and modules and roles against the lab."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.console import Ticker, say, style
from scripts.layout import LOGS, PYTHON, ROOT, shown, tool_environment
from scripts.processes import run
from scripts.setup import engine, pythons
from scripts.testing import lab_tested
from scripts.testing import units as ansible_units
from scripts.testing.results import Tally, pytest_tally
from scripts.testing.step import LAB_SECONDS, SUITE_SECONDS, CannotRun, Options

# Examples that each property-based test tries, as tests/unit/plugins/property_profile.py has them.
QUICK_EXAMPLES, FULL_EXAMPLES = 20, 200

# Most tests wait for a child process at times, so a third worker finds work on two cores.
WORKERS = min(4, (os.cpu_count() or 1) + 1)

# These tests show nothing new on a second Python of the managed host: roles and documented examples are about
# what is asked of modules; pip and uv are compared in one environment.
NOT_OF_THE_PYTHON = (
    "tests/integration/roles",
    "tests/integration/test_examples_environments.py",
    "tests/integration/test_examples_others.py",
    "tests/integration/conda_pip/test_same_outcome.py",
)

# On the newest Python of managed hosts: each module converges, finds nothing to do, and predicts both.
SMOKE_TESTS = (
    "tests/integration/test_check_mode_contract.py",
    "tests/integration/test_check_mode_contract_more.py",
)

# The site playbook, and what it works out on the controller about a converged host.
SITE_TESTS = ("tests/integration/roles/test_site.py", "tests/integration/roles/test_site_cost.py")
# Of these, for the other releases of ansible-core: predicted, done, done once.
SITE_SMOKE = "predict or second_run or report_says"

# What pytest says and only a reader of the log wants: its workers, the slowest tests.
_CHATTER = re.compile(r"^(bringing up nodes|slowest|\(|\d+\.\d+s (setup|call|teardown) )")


class LabFailed(Exception):
    """The lab could not be built, so what needs it failed."""


def _worth_showing(line: str) -> bool:
    text = line.strip("= ")
    return (
        bool(text) and not _CHATTER.match(text) and not re.match(r"^[.sxEF]+( +\[ *\d+%\])?$", text)
    )


def run_pytest(
    name: str,
    paths: Sequence[str],
    options: Options,
    *,
    workers: int = 0,
    env: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
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
    argv += ["-q", "--durations=10", "--durations-min=5", *arguments]
    if workers > 1:
        argv += ["-n", str(workers), "--dist", "loadfile"]
    argv += options.pytest_arguments
    examples = str(FULL_EXAMPLES if options.full else QUICK_EXAMPLES)
    with Ticker(f"{name}: pytest") as ticker:
        code = run(
            argv,
            log=log,
            cwd=ROOT,
            env=tool_environment({"LLMFLEET_EXAMPLES": examples, **(env or {})}),
            timeout=SUITE_SECONDS,
            on_line=lambda line: ticker.line(f"  {line}") if _worth_showing(line) else None,
        )
    tally.add(pytest_tally(xml, code, log))
    return tally


# What ansible-test does not run: it knows the collection's own code only.
_TOOLS = ("tests/scripts", "tests/proof")


# Half of the time of all unit tests: they kill processes at every point, or start an interpreter each.
_MANY_PROCESSES = tuple(
    f"tests/unit/plugins/module_utils/{name}.py"
    for name in (
        "_check/test_environments",
        "_check/test_last_pass",
        "_check/test_probe_process",
        "_core/test_process",
        "_environment/test_cycle",
        "_environment/test_relink",
        "_installation/test_cycle",
        "_prefix/test_aside",
    )
)


def unit(options: Options) -> Tally:
    """pure functions and argument checks on one Python: no conda, no network."""
    if absent := [path for path in _MANY_PROCESSES if not (ROOT / path).is_file()]:
        raise FileNotFoundError(f"suites.py leaves out tests that are not there: {absent}")
    without = () if not options.check else [f"--ignore={path}" for path in _MANY_PROCESSES]
    return run_pytest("unit", ["tests/unit"], options, workers=WORKERS, arguments=without)


def scripts(options: Options) -> Tally:
    """the scripts behind the Makefile, bench and faults: no conda, no network."""
    return run_pytest("scripts", _TOOLS, options, workers=WORKERS)


def roles(options: Options) -> Tally:
    """roles and playbooks by ansible-playbook on this machine: variables, refusals, waves; no conda."""
    which = () if options.full else ("-m", "not full")
    return run_pytest("roles", ["tests/roles"], options, workers=WORKERS, arguments=which)


def units(options: Options) -> Tally:
    """ansible-test units: the collection's unit tests on the Pythons of managed hosts."""
    if options.full:
        return ansible_units.units(examples=FULL_EXAMPLES)
    return ansible_units.units(pythons.TARGETS[:1], examples=QUICK_EXAMPLES)


def build_lab(parts: Sequence[str] = ()) -> None:
    """Builds what is not current; a no-op in seconds once the cache is there.

    Raises LabFailed: a step that needs the lab has then failed, it was not skipped.
    """
    log = LOGS / f"lab-build{''.join('-' + part for part in parts)}.log"
    with Ticker("building the lab") as ticker:
        argv: list[str | Path] = [PYTHON, "-m", "lab", "build", *parts]
        code = run(
            argv,
            log=log,
            cwd=ROOT,
            env=tool_environment(),
            timeout=LAB_SECONDS,
            on_line=lambda line: ticker.update(f"building the lab: {line}"),
        )
    if code != 0:
        raise LabFailed(f"the lab could not be built (exit code {code}); see {shown(log)}")


def _with_lab(
    name: str,
    paths: Sequence[str],
    options: Options,
    *,
    env: Mapping[str, str] | None = None,
    images: bool = False,
    workers: int = WORKERS,
    arguments: Sequence[str] = (),
) -> Tally:
    try:
        build_lab()
        if images:
            build_lab(["images"])
    except LabFailed as error:
        tally = Tally()
        tally.fail(str(error))
        return tally
    return run_pytest(name, paths, options, workers=workers, env=env, arguments=arguments)


def lab(options: Options) -> Tally:
    """the lab's own promises: channel, installer, mirror, wheelhouse, model, host images."""
    key = lab_tested.key()
    if not options.full and not options.pytest_arguments and lab_tested.passed(key):
        tally = Tally(skipped=1)
        tally.reasons["the lab's own tests passed before with this lab; make lab-tests"] = 1
        raise NothingNew(tally)
    reason = engine.obtain(lambda line: say(f"  {line}"))
    env = {"LLMFLEET_NO_ENGINE": reason} if reason else {}
    tally = _with_lab("lab", ["tests/lab"], options, env=env, images=not reason)
    if tally.passed and not tally.failed and not reason and not options.pytest_arguments:
        lab_tested.remember(key)
    return tally


class NothingNew(Exception):
    """A step whose outcome is known: the tally says why, and how to run it all the same."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(*tally.reasons)
        self.tally = tally


def integration(options: Options) -> Tally:
    """modules and roles against real conda, on the oldest target Python; our rules against conda's."""
    env = {"LLMFLEET_TARGET_PYTHON": str(pythons.targets()[0].executable)}
    paths = ["tests/integration", "tests/differential"]
    # The rows with the mark smoke run in the step newest.
    which = () if options.full else ("-m", "not full and not smoke")
    return _with_lab("integration", paths, options, env=env, arguments=which)


def newest(options: Options) -> Tally:
    """the modules against real conda again, on the newest target Python."""
    env = {"LLMFLEET_TARGET_PYTHON": str(pythons.targets()[-1].executable)}
    if options.full:
        paths = ["tests/integration", *(f"--ignore={path}" for path in NOT_OF_THE_PYTHON)]
        return _with_lab("newest", paths, options, env=env)
    say(style("  each module's main job; all of their tests: make newest", "yellow"))
    return _with_lab("newest", SMOKE_TESTS, options, env=env, workers=2, arguments=("-m", "smoke"))


def controllers(options: Options) -> Tally:
    """the site playbook run by the other releases of ansible-core, on a host with the newest Python."""
    python = pythons.for_controllers()
    if python is None:
        raise CannotRun(
            "the other releases of ansible-core need Python 3.12 or newer on this machine"
        )
    tally = Tally()
    # The oldest differs most from the one that all other tests use.
    for release in pythons.releases() if options.full else pythons.releases()[:1]:
        with Ticker(f"environment with ansible-core {release}"):
            own = pythons.controller(release, python)
        env = {
            "LLMFLEET_CONTROLLER_PYTHON": str(own),
            "LLMFLEET_TARGET_PYTHON": str(pythons.targets()[-1].executable),
        }
        paths = SITE_TESTS if options.full else SITE_TESTS[:1]
        which = () if options.full else ("-k", SITE_SMOKE)
        name = f"controller-{release}"
        found = _with_lab(name, paths, options, env=env, workers=len(paths), arguments=which)
        say(f"  ansible-core {release}: {found.passed} passed, {found.failed} failed")
        tally.add(found)
    return tally
