"""What the last lines of `make test` say, and its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.testing import run_tests, steps, suites
from scripts.testing.results import Tally
from scripts.testing.step import CannotRun, Options
from scripts.testing.suites import NothingNew

ROOT = Path(__file__).resolve().parents[2]


def outcome(name: str, tally: Tally, *blocked: str) -> run_tests.Outcome:
    return run_tests.Outcome(name, tally, 1.0, list(blocked))


def test_closing_line_stands_alone_and_is_last(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_tests.report([outcome("lint", Tally(passed=4)), outcome("unit", Tally(passed=7))])
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[-1] == "11 passed, 0 failed, 0 skipped"
    assert lines[-2] == ""
    assert sum("passed," in line for line in lines) == 1


def test_failures_are_named_and_decide_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Tally(passed=2, skipped=1)
    bad.fail("tests.scripts.test_x::test_y")
    bad.reasons["needs root"] += 1
    code = run_tests.report([outcome("unit", bad)])
    text = capsys.readouterr().out
    assert code == 1
    assert "tests.scripts.test_x::test_y" in text
    assert "needs root" in text
    assert text.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"


def test_blocked_step_is_said_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    def blocked(_options: Options) -> Tally:
        raise CannotRun("no Docker engine: only root can install one")

    done = run_tests.run_step("molecule", blocked, Options())
    code = run_tests.report([outcome("unit", Tally(passed=3)), done])
    text = capsys.readouterr().out
    assert code == 0
    assert "NOT RUN" in text
    assert "THE WHOLE STEP: no Docker engine" in text
    assert text.splitlines()[-1] == "3 passed, 0 failed, 1 skipped"


def test_step_that_executes_nothing_fails(capsys: pytest.CaptureFixture[str]) -> None:
    done = run_tests.run_step("unit", lambda _options: Tally(skipped=5), Options())
    assert run_tests.report([done]) == 1
    assert "unit: executed no test" in capsys.readouterr().out


def test_step_that_crashes_fails_and_lets_the_others_speak(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def crash(_options: steps.Options) -> Tally:
        raise KeyError("nothing of that name")

    done = run_tests.run_step("lab", crash, Options())
    assert run_tests.report([outcome("unit", Tally(passed=1)), done]) == 1
    text = capsys.readouterr().out
    assert "the test driver itself failed: KeyError('nothing of that name')" in text
    assert text.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize("lanes", [(), (("units",),)], ids=["one lane", "two lanes"])
def test_interruption_ends_the_run_and_what_it_started(
    tmp_path: Path, lanes: tuple[tuple[str, ...], ...]
) -> None:
    program = (
        "from scripts import processes\n"
        "from scripts.testing import run_tests, steps\n"
        "from pathlib import Path\n"
        "def step(options):\n"
        "    'a step'\n"
        "    print('begun', flush=True)\n"
        "    processes.run(['sleep', '61.7'], log=Path('sleep.log'))\n"
        "def never(options):\n"
        "    'a step that is not reached'\n"
        "    processes.run(['sleep', '62.7'], log=Path('never.log'))\n"
        "steps.STEPS.update(unit=step, units=never)\n"
        "steps.CHECK = (('unit', 'units'),) + lanes\n"
        "raise SystemExit(run_tests.main(['--check']))\n"
    )
    program = f"lanes = {lanes!r}\n" + program
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        # Two lanes may write their words before either ends its line.
        while "begun" not in run.stdout.readline():
            assert run.poll() is None
        while not (tmp_path / "sleep.log").exists():
            assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        rest = run.stdout.read()
        assert run.wait(30) == 128 + signal.SIGTERM
    assert "interrupted (SIGTERM)" in rest
    assert "passed" not in rest
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert "sleep 61.7" not in processes.splitlines()


def test_nothing_passed_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests.report([outcome("unit", Tally(skipped=1))]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 0 failed, 1 skipped"


def test_steps_keep_their_order_and_take_pytest_arguments() -> None:
    plans, options = run_tests.parse(["unit", "lint", "--", "-k", "name"])
    assert plans == [(("lint", "unit"),)]
    assert options.pytest_arguments == ["-k", "name"]
    assert run_tests.parse(["molecule", "--scenario", "a"])[1].scenarios == ["a"]


def test_each_command_has_its_plan() -> None:
    assert run_tests.parse([])[0] == [steps.TEST]
    assert run_tests.parse(["--check"])[0] == [steps.CHECK]
    plans, options = run_tests.parse(["--full"])
    assert plans == list(steps.PARTS.values())
    assert options.full
    assert run_tests.parse(["--full", "--part", "code"])[0] == [steps.PARTS["code"]]


def test_a_part_needs_the_full_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_tests.parse(["--part", "code"])
    assert "--part goes with --full" in capsys.readouterr().err


def test_the_full_run_has_every_step_and_no_step_twice() -> None:
    named = [name for plan in steps.PARTS.values() for lane in plan for name in lane]
    # The step units has the tests of the step unit on every Python, proof has the faults of make test.
    assert sorted([*named, "unit", "faults"]) == sorted(steps.STEPS)


@pytest.mark.parametrize(("words", "left_out"), [(["--check"], True), (["unit"], False)])
def test_only_make_check_leaves_out_unit_tests(
    words: list[str], left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pytest_run(*_given: object, arguments: Sequence[str], **_how: object) -> Tally:
        asked.extend(arguments)
        return Tally(passed=1)

    monkeypatch.setattr(suites, "run_pytest", pytest_run)
    _plans, options = run_tests.parse(words)
    suites.unit(options)
    assert any(word.startswith("--ignore=") for word in asked) is left_out


def test_lanes_run_side_by_side_and_each_line_says_whose_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(2, timeout=30)

    def step(_options: Options) -> Tally:
        meeting.wait()
        return Tally(passed=1)

    monkeypatch.setattr(steps, "STEPS", {"one": step, "two": step})
    monkeypatch.setattr(steps, "describe", lambda name: f"about {name}")
    outcomes = run_tests.run_plan((("two",), ("one",)), Options())
    assert [outcome.name for outcome in outcomes] == ["one", "two"]
    lines = capsys.readouterr().out.splitlines()
    assert "one         one: about one" in lines
    assert {line.split()[0] for line in lines} == {"one", "two"}


def test_a_step_whose_outcome_is_known_is_told_and_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def known(_options: Options) -> Tally:
        tally = Tally(skipped=1)
        tally.reasons["passed before"] += 1
        raise NothingNew(tally)

    done = run_tests.run_step("lab", known, Options())
    assert run_tests.report([outcome("unit", Tally(passed=1)), done]) == 0
    assert "lab          passed before" in capsys.readouterr().out


def test_unknown_step_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_tests.parse(["unitz"])
    assert "unknown step unitz; known: lint, sanity" in capsys.readouterr().err
