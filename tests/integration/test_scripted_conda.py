"""The real modules over a conda that says odd things, or nothing, or does not do what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scripted_conda import ScriptedConda

SECRET = "hush-TOKEN-1"
CHANNEL = f"https://somebody:{SECRET}@mirror.example.com/t/{SECRET}/lab"
GOOD = json.dumps({"success": True, "actions": {"FETCH": [], "PREFIX": "/p", "LINK": []}})
MISSING = json.dumps(
    {
        "caused_by": "None",
        "error": "PackagesNotFoundError: no six",
        "exception_name": "PackagesNotFoundError",
        "message": f"The following packages are not available from {CHANNEL}:\n  - six=1.0",
    }
)
SEVERAL = json.dumps(
    {
        "error": "Multiple Errors Encountered.",
        "exception_name": "CondaMultiError",
        "errors": [
            {"exception_name": "LinkError", "error": "LinkError: post-link script failed: boom"},
            {"exception_name": "CondaError", "message": "and something else"},
        ],
    }
)
CRASH = json.dumps(
    {
        "error": "RuntimeError('dictionary changed size')",
        "exception_name": "RuntimeError",
        "traceback": 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nRuntimeError: ...',
        "command": "conda create",
        "conda_info": {"conda_version": "24.7.1"},
    }
)
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/opt/conda/x.py", line 1, in f\n    g()\n'
    "TypeError: unexpected nonsense\n"
)


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedConda:
    """The scripted conda of the test."""
    return ScriptedConda(tmp_path / "program")


@pytest.fixture
def options(tmp_path: Path, scripted: ScriptedConda) -> dict[str, Any]:
    """Options of conda_env and conda_package that start it."""
    return {
        "installation": str(tmp_path / "base"),
        "executable": str(scripted.executable),
        "prefix": str(tmp_path / "envs" / "env"),
        "packages": ["six=1.0"],
        "channels": [CHANNEL],
    }


# What it prints while it does its work as it should.
FINE: dict[str, dict[str, Any]] = {
    "clean": {"stdout": GOOD},
    "words before": {"stdout": f"Warning: pip is missing\nCollecting: {{done}}\n{GOOD}"},
    "words after": {"stdout": f"{GOOD}\nThank you for using this package!\n"},
    "two documents": {"stdout": f'{{"fetch": "six", "progress": 0.5}}\x00{GOOD}\x00'},
    "an error, then success": {"stdout": f"{MISSING}\n{GOOD}"},
    "silence": {},
    "silence and a warning": {"stderr": "DeprecationWarning: soon\n"},
    "on stderr": {"stderr": GOOD},
    "aborts at exit": {"stdout": GOOD, "rc": 134},
    "crashes at exit": {"stdout": GOOD, "stderr": "Segmentation fault\n", "rc": -11},
    "bytes that are no UTF-8": {"stdout": b"\xff\xfe\xe9 " + GOOD.encode() + b"\xff"},
    "much output": {"stdout": GOOD, "megabytes": 150},
}


@pytest.mark.parametrize("shape", FINE)
def test_what_it_prints_does_not_matter_when_the_disk_is_right(
    shape: str, scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({**FINE[shape], "link": ["six=1.0"]})
    result = run_module("conda_env", options)
    assert result["rc"] == 0, result
    assert result["changed"]
    assert [package["name"] for package in result["packages"]] == ["six"]
    assert SECRET not in json.dumps(result)
    scripted.reply({**FINE[shape], "link": ["six=2.0"]})
    result = run_module("conda_package", {**options, "packages": ["six=2.0"]})
    assert (result["rc"], result["changed"]) == (0, True), result
    assert [package["version"] for package in result["packages"]] == ["2.0"]
    assert len(scripted.calls()) == 2


# What it says when it fails: the reply, the kind, words of conda's own, words of the hint.
FAILED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "an error": ({"stdout": MISSING, "rc": 1}, "not_found", "six=1.0", "option packages"),
    "an error and exit 0": ({"stdout": MISSING}, "not_found", "six=1.0", "option packages"),
    "an error that aborts": (
        {"stdout": MISSING, "rc": 134},
        "not_found",
        "six=1.0",
        "option packages",
    ),
    "an error on stderr": ({"stderr": MISSING, "rc": 1}, "not_found", "six=1.0", "packages"),
    "success, then an error": (
        {"stdout": f"{GOOD}\n{MISSING}", "rc": 1},
        "not_found",
        "six=1.0",
        "packages",
    ),
    "several errors": ({"stdout": SEVERAL, "rc": 1}, "script", "boom", "by hand"),
    "a crash": ({"stdout": CRASH, "rc": 1}, "crash", "dictionary changed size", "by hand"),
    "a traceback": (
        {"stderr": TRACEBACK, "rc": 1},
        "crash",
        "TypeError: unexpected nonsense",
        "by hand",
    ),
    "silence": ({"rc": 1}, "unknown", "no output (exit status 1)", "by hand"),
    "words of mamba": (
        {"stderr": "critical libmamba Multiple errors occurred:\n", "rc": 1},
        "unknown",
        "Multiple errors",
        "by hand",
    ),
    "half a document": ({"stdout": GOOD[:-2], "rc": 1}, "unknown", '"success": true', "by hand"),
    "a usage error": (
        {"stderr": "usage: conda [-h]\nconda: error: unrecognized arguments: --x\n", "rc": 2},
        "usage",
        "unrecognized arguments: --x",
        "version",
    ),
    "killed": ({"rc": -9}, "killed", "signal 9", "memory"),
    "no room": (
        {"stderr": "OSError: [Errno 28] No space left on device\n", "rc": 1},
        "disk_full",
        "No space left",
        "make room",
    ),
    "bytes that are no UTF-8": (
        {"stderr": b"\xff\xfe kaputt \xe9\n", "rc": 1},
        "unknown",
        "kaputt",
        "by hand",
    ),
}


def told(result: dict[str, Any], options: dict[str, Any], said: str, hint: str) -> None:
    """The message has the prefix, what was asked, what conda said and what to do; and no secret."""
    assert result["rc"] == 1
    message = result["msg"]
    for words in (options["prefix"], *options["packages"], said):
        assert words in message
    assert hint in message.partition("What to do: ")[2]
    assert SECRET not in json.dumps(result)
    assert "Traceback" not in message


@pytest.mark.parametrize("shape", FAILED)
def test_a_failure_is_told_whole_and_leaves_nothing(
    shape: str, scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    reply, kind, said, hint = FAILED[shape]
    scripted.reply(reply)
    result = run_module("conda_env", options)
    told(result, options, said, hint)
    assert result["error_kind"] == kind
    assert not Path(options["prefix"]).parent.exists()
    assert len(scripted.calls()) == 1
    checked = run_module("conda_env", options, check=True)
    told(checked, options, said, hint)
    assert not Path(options["prefix"]).parent.exists()


@pytest.mark.parametrize("reply", [{"stdout": GOOD}, {}, {"stdout": GOOD, "link": ["six=2.0"]}])
@pytest.mark.parametrize("module", ["conda_env", "conda_package"])
def test_success_that_the_disk_does_not_show_is_a_failure(
    module: str, reply: dict[str, Any], scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    if module == "conda_package":
        scripted.reply({"link": ["other=1.0"]})
        made = run_module("conda_env", {**options, "packages": ["other=1.0"]})
        assert made["changed"], made
    scripted.reply(reply)
    result = run_module(module, options)
    assert "conda reported success, but" in result["msg"]
    told(result, options, "success, but", "check the option packages")


def test_a_removal_that_the_disk_does_not_show_is_a_failure(
    scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({"link": ["six=1.0"], "stdout": GOOD})
    assert run_module("conda_env", options)["changed"]
    removal = {**options, "packages": ["six"], "state": "absent"}
    scripted.reply({"stdout": GOOD})
    result = run_module("conda_package", removal)
    assert result["rc"] == 1
    assert "six is still installed" in result["msg"]
    scripted.reply({"stdout": GOOD, "unlink": ["six"]})
    assert run_module("conda_package", removal)["changed"]


def ended(pid: int) -> bool:
    """Gone, or a zombie that only waits for its parent to look."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in {"Z", "X"}:
            return True
        time.sleep(0.1)
    return False


def test_a_hang_ends_with_the_timeout_and_leaves_no_process(
    scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({"stderr": "Solving environment\n", "sleep": 1000, "child": 1000})
    result = run_module("conda_env", {**options, "timeout": 3})
    told(result, options, "Solving environment", "option timeout")
    assert result["error_kind"] == "timeout"
    assert ended(scripted.pid())
    assert ended(scripted.pid("child"))
    assert len(scripted.calls()) == 1
    assert not Path(options["prefix"]).parent.exists()


def test_a_child_that_keeps_the_output_open_does_not_hold_up_the_task(
    scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({"stdout": GOOD, "link": ["six=1.0"], "child": 1000})
    assert run_module("conda_env", options)["changed"]
    assert ended(scripted.pid("child"))
    assert not run_module("conda_env", options)["changed"]


NETWORK = json.dumps(
    {
        "exception_name": "CondaHTTPError",
        "message": f"HTTP 503 SERVICE UNAVAILABLE for url <{CHANNEL}/noarch/repodata.json>",
    }
)


def test_what_may_pass_is_tried_again_and_told(
    scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({"stdout": NETWORK, "rc": 1})
    result = run_module("conda_env", options)
    told(result, options, "HTTP 503", "this host can reach the channel")
    assert "(tried 3 times)" in result["msg"]
    assert (result["attempts"], len(scripted.calls())) == (3, 3)
    # Another kind of failure ends it at once.
    scripted.reply({"stdout": NETWORK, "rc": 1}, {"stdout": MISSING, "rc": 1})
    result = run_module("conda_env", options)
    assert (result["error_kind"], result["attempts"]) == ("not_found", 2)
    scripted.reply({"stdout": NETWORK, "rc": 1}, {"stdout": GOOD, "link": ["six=1.0"]})
    assert run_module("conda_env", options)["changed"]


def test_all_attempts_together_take_no_longer_than_the_timeout(
    scripted: ScriptedConda, options: Any, run_module: Any
) -> None:
    scripted.reply({"stdout": NETWORK, "rc": 1, "sleep": 2})
    result = run_module("conda_env", {**options, "timeout": 4})
    assert result["rc"] == 1
    assert len(scripted.calls()) == 2
    assert result["error_kind"] in {"network", "timeout"}


def test_much_output_is_kept_in_bounded_memory(scripted: ScriptedConda, tmp_path: Path) -> None:
    """A child that never stops talking must not take the host's memory."""
    scripted.reply({"stdout": GOOD, "megabytes": 400})
    code = (
        "import resource, sys\n"
        "from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import run\n"
        "done = run([sys.argv[1], 'create', '--prefix', sys.argv[2]])\n"
        "assert done.stdout.endswith('}'), done\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(scripted.executable), str(tmp_path / "x")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 300
