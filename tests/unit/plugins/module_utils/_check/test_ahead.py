"""The environment's interpreter runs while files are checked, and never outlives the checks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check import ahead as llm_checks_ahead
from ansible_collections.llmfleet.conda.plugins.module_utils._check import run as llm_checks_run
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    LAYERS,
    Request,
    Result,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

if TYPE_CHECKING:
    from .conftest import Prefix

EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)

# Far more than any of these tests takes; one that waits for it has failed.
PATIENCE = 60.0

Waiting = Callable[[Callable[[], object]], None]


def check(prefix: Prefix, scratch: Path | None = None, **options: Any) -> Outcome:
    options.setdefault("thresholds", EASY)
    options.setdefault("imports", {"calm": ""})
    return Checker(
        Request(prefix=str(prefix.path), **options), str(scratch) if scratch else None
    ).run()


def named(outcome: Outcome, name: str) -> Result:
    (found,) = (result for result in outcome.results if result.name == name)
    return found


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file in which the package `calm` writes the id of the process that imports it."""
    return tmp_path / "told"


@pytest.fixture
def observing(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """Lets the first look at the files of a prefix wait until something has happened."""
    observe = llm_checks_run.observe

    def wait(happened: Callable[[], object]) -> None:
        def late(prefix: str, **how: Any) -> Observed:
            until(happened)
            return observe(prefix, **how)

        monkeypatch.setattr(llm_checks_run, "observe", late)

    return wait


def source(told: Path, then: str = "") -> str:
    """Code of a package that writes the id of its process, whole from the first moment on."""
    return (
        "import os, time\n"
        f"with open({f'{told}.new'!r}, 'w') as stream:\n    stream.write(str(os.getpid()))\n"
        f"os.rename({f'{told}.new'!r}, {str(told)!r})\n{then}\n"
    )


def test_the_interpreter_works_while_the_files_are_looked_at(
    prefix: Prefix, told: Path, observing: Waiting
) -> None:
    prefix.pip_package("calm", "1.5", source(told))
    observing(told.exists)
    outcome = check(prefix)
    assert outcome.status == "pass", outcome
    assert not is_running(int(told.read_text()))
    layers = [LAYERS.index(result.layer) for result in outcome.results]
    assert layers == sorted(layers)
    assert [r.name for r in outcome.results][-3:] == [
        "imports.interpreter",
        "imports.calm",
        "imports.user_environment",
    ]


def test_the_seconds_of_a_check_are_its_own(prefix: Prefix, observing: Waiting) -> None:
    prefix.pip_package("calm", "1.5", "import time\ntime.sleep(0.5)\n")
    begun = time.monotonic()
    observing(lambda: time.monotonic() > begun + 1.0)
    outcome = check(prefix)
    assert named(outcome, "environment.exists").seconds >= 0.5
    assert 0.5 <= named(outcome, "imports.calm").seconds <= outcome.seconds


def test_a_damaged_file_ends_the_interpreter(
    prefix: Prefix, told: Path, observing: Waiting, tmp_path: Path
) -> None:
    code = prefix.pip_package("calm", "1.5", source(told, "time.sleep(1000)"))
    (code.parent / "lost.py").write_text("x = 1\n")
    prefix.record("loser", "1", files=(f"{code.parent.relative_to(prefix.path)}/lost.py",))
    (code.parent / "lost.py").unlink()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    observing(told.exists)
    outcome = check(prefix, scratch)
    assert outcome.failed_layer == "environment"
    assert named(outcome, "environment.files").status == "fail"
    assert named(outcome, "imports.calm").status == "skip"
    assert "layer environment failed" in named(outcome, "imports.calm").detail
    assert outcome.facts["sys_version"] == ""
    assert not is_running(int(told.read_text()))
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_check_that_breaks_ends_the_interpreter(
    prefix: Prefix,
    told: Path,
    observing: Waiting,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    def broken(*_given: object) -> None:
        raise error("broken")

    prefix.pip_package("calm", "1.5", source(told, "time.sleep(1000)"))
    monkeypatch.setitem(llm_checks_run.ENVIRONMENT_CHECKS, "environment.files", broken)
    observing(told.exists)
    before = threading.active_count()
    with pytest.raises(error, match="broken"):
        check(prefix)
    assert not is_running(int(told.read_text()))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("then", "options", "said"),
    [
        ("time.sleep(1000)", {"check_timeout": 1}, "did not finish within 1 s"),
        ("time.sleep(1000)", {"timeout": 1}, "did not finish within"),
        ("os.kill(os.getpid(), 9)", {}, "killed by SIGKILL"),
        ("os._exit(7)", {}, "exit status 7"),
        ("raise ImportError('half of it')", {}, "half of it"),
    ],
)
def test_an_import_that_fails_while_the_files_are_looked_at(
    prefix: Prefix,
    told: Path,
    observing: Waiting,
    then: str,
    options: dict[str, int],
    said: str,
) -> None:
    prefix.pip_package("calm", "1.5", source(told, then))
    prefix.pip_package("next", "1.0")
    observing(lambda: told.exists() and not is_running(int(told.read_text())))
    outcome = check(prefix, imports={"calm": "", "next": ""}, **options)
    assert outcome.failed_layer == "imports"
    assert {r.status for r in outcome.results if r.layer == "environment"} == {"pass"}
    assert named(outcome, "imports.calm").status == "fail"
    assert said in named(outcome, "imports.calm").detail
    # Later steps still run, as long as there is time.
    assert named(outcome, "imports.next").status == ("fail" if "timeout" in options else "pass")


def test_noise_on_both_outputs_does_not_stop_it(
    prefix: Prefix, told: Path, observing: Waiting
) -> None:
    """More than a pipe holds, before anybody asks for the reports."""
    noise = "import sys\nprint('{}' * 100_000)\nsys.stderr.write('x' * 200_000)\n"
    prefix.pip_package("calm", "1.5", noise + source(told))
    observing(told.exists)
    assert check(prefix).status == "pass"


def test_nothing_is_started_in_what_is_no_environment(prefix: Prefix, told: Path) -> None:
    prefix.pip_package("calm", "1.5", source(told))
    (prefix.meta / "history").unlink()
    assert check(prefix).failed_layer == "environment"
    assert not told.exists()


def test_nothing_is_started_on_a_poor_host(
    prefix: Prefix, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm_checks_run, "Ahead", None)
    prefix.pip_package("calm", "1.5", source(told))
    outcome = check(prefix, thresholds=Thresholds(min_memory_mb=10**9))
    assert outcome.failed_layer == "host"
    assert not told.exists()


def test_nothing_is_started_where_only_files_are_asked_for(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm_checks_run, "Ahead", None)
    assert check(prefix, imports={}, checks=["environment"]).status == "pass"


def test_without_a_thread_it_comes_later(
    prefix: Prefix, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoThread:
        def __init__(self, **_given: object) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    prefix.pip_package("calm", "1.5", source(told))
    monkeypatch.setattr(llm_checks_ahead.threading, "Thread", NoThread)
    assert check(prefix).status == "pass"
    assert told.exists()


def test_no_room_for_caches_counts_only_where_they_are_needed(
    prefix: Prefix, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    code = prefix.pip_package("calm", "1.5")
    with pytest.raises(CondaModuleError, match="A temporary directory cannot be created"):
        check(prefix, nowhere)
    code.unlink()
    assert check(prefix, nowhere).failed_layer == "environment"


def test_the_collector_of_garbage_is_on_and_looks_seldom(prefix: Prefix, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = (
        f"import gc\nopen({str(told)!r}, 'w').write(f'{{gc.isenabled()}} {{gc.get_threshold()}}')\n"
    )
    prefix.pip_package("calm", "1.5", code)
    assert check(prefix).status == "pass"
    assert told.read_text().startswith("True (100000, ")
