# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the probe in an environment's own interpreter and reports its results, or how it died."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check import inside as llm_probe
from ansible_collections.llmfleet.conda.plugins.module_utils._check import (
    inside_checks as llm_probe_checks,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    Completed,
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact,
    redact_value,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made

# Variables that make an interpreter load code from outside the environment, by sys.platform.
_LOADER_VARIABLES = {
    "linux": ("LD_LIBRARY_PATH", "LD_PRELOAD"),
    "darwin": ("DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"),
}
_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME")
# Variables for the caches of libraries; all point to a temporary directory.
_CACHE_VARIABLES = (
    "MPLCONFIGDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "HF_HOME",
    "TORCH_HOME",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "NUMBA_CACHE_DIR",
    "TMPDIR",
)
# Variables that would override that directory.
_CACHE_OVERRIDES = (
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "HF_DATASETS_CACHE",
    "HF_MODULES_CACHE",
    "MATPLOTLIBRC",
)
_STDERR_LINES = 6
# Seconds that the interpreter's own watchdog has to end it before this process kills it.
_GRACE = 5.0


@dataclass(frozen=True)
class Step:
    """One call of a probe function; ``function`` is its name in ``inside_checks``."""

    name: str
    layer: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "layer": self.layer,
            "function": self.function,
            "options": dict(self.options),
        }


@dataclass(frozen=True)
class Limits:
    """The time limits of the probe: ``step`` seconds for one step, ``total`` seconds for all.

    ``deadline`` is the end of ``total`` on the clock of ``time.monotonic``.
    """

    total: float
    step: float
    deadline: float

    @classmethod
    def starting_now(cls, total: float, step: float) -> Limits:
        return cls(total, step, time.monotonic() + total)

    def left(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Report:
    """The result of a step. ``crashed``: the process died in the step or before it."""

    name: str
    passed: bool
    detail: str
    seconds: float
    measured: Mapping[str, Any] = field(default_factory=dict)
    crashed: bool = False


def source_of(module: ModuleType) -> str:
    """The source text of an imported module, even if Ansible imported it from a zip archive.

    Raises:
        CondaModuleError: the module's loader has no source.
    """
    loader = getattr(module.__spec__, "loader", None)
    get_source = getattr(loader, "get_source", None)
    text = None
    if get_source is not None and module.__spec__ is not None:
        try:
            text = get_source(module.__spec__.name)
        except ImportError:
            # A wrapping loader may know only its own names.
            text = None
    if isinstance(text, bytes):
        # Ansible's loader of collections (ansible.utils.collection_loader) returns bytes.
        text = text.decode("utf-8")
    if not text:
        try:
            text = inspect.getsource(module)
        except (OSError, TypeError) as error:
            raise CondaModuleError(
                f"The source of {module.__name__} cannot be read: {error}.",
                hint="install the collection with its .py files.",
            ) from error
    return text


@contextmanager
def scratch_directory(parent: str | None = None) -> Iterator[str]:
    """A temporary directory for the caches of libraries, always removed.

    Raises:
        CondaModuleError: it cannot be created.
    """
    try:
        path = tempfile.mkdtemp(prefix="llm-check-", dir=parent)
    except OSError as error:
        raise CondaModuleError(
            f"A temporary directory cannot be created: {error.strerror or error}.",
            hint="free space in /tmp, or set TMPDIR for the task to a directory with free space.",
        ) from error
    try:
        yield path
    finally:
        remove_made(path)


def _redirected(environment: dict[str, str], scratch: str) -> dict[str, str]:
    for name in _CACHE_OVERRIDES:
        environment.pop(name, None)
    environment.update(dict.fromkeys(_CACHE_VARIABLES, scratch))
    environment.update(
        {
            "PYTHONDONTWRITEBYTECODE": "1",
            # Disable progress bars, usage statistics and advice.
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
    )
    return environment


def clean_environment(scratch: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables for a run that depends only on the conda environment.

    They omit the user's search paths and set a temporary home directory, so that the run neither reads nor
    writes the user's configuration and caches.
    """
    environment = child_environment()
    for name in user_variables():
        environment.pop(name, None)
    environment = _redirected(environment, scratch)
    environment["HOME"] = scratch
    environment.update(extra or {})
    return environment


def user_environment(scratch: str) -> dict[str, str]:
    """The user's environment variables, except that caches go to ``scratch``."""
    return _redirected(dict(os.environ), scratch)


def user_variables(system: str = sys.platform) -> tuple[str, ...]:
    """Variables that make an interpreter on this system load code from outside the environment."""
    return (*_LOADER_VARIABLES.get(system, ()), *_PYTHON_VARIABLES)


def what_users_add(python_version: str, home: str | None = None) -> dict[str, str]:
    """The variables and user site-packages that can make a user's imports differ.

    Args:
        python_version: ``major.minor`` of the environment's Python.
        home: home directory of the user; default: that of this process.
    """
    added = {name: os.environ[name] for name in user_variables() if os.environ.get(name)}
    if not os.environ.get("PYTHONNOUSERSITE"):
        # site.getusersitepackages() of a POSIX CPython; conda's Python keeps that layout.
        base = os.environ.get("PYTHONUSERBASE") or os.path.join(
            home or os.path.expanduser("~"), ".local"
        )
        site = os.path.join(base, "lib", f"python{python_version}", "site-packages")
        try:
            if os.listdir(site):
                added["user site-packages"] = site
        except OSError:
            pass
    return added


def run_steps(
    python: str,
    steps: Sequence[Step],
    *,
    environment: Mapping[str, str],
    limits: Limits,
    isolated: bool,
    given_up: threading.Event | None = None,
) -> dict[str, Report]:
    """Run the steps in ``python`` and return a report for each step that ran, by name.

    All steps share one process, because importing a framework takes seconds. If it dies, the current step has
    failed, and a new process runs the rest of that layer: a broken package must not hide the state of the
    others. Later layers have no reports.

    Args:
        python: the environment's interpreter.
        environment: the complete environment variables of the process.
        limits: the time limits.
        isolated: ignore the user's site-packages and ``PYTHON*`` (Python's ``-I``).
        given_up: if another thread sets this event, the process is ended and no other is started; the reports
            are then meaningless.
    """
    reports: dict[str, Report] = {}
    left = list(steps)
    while left:
        if given_up is not None and given_up.is_set():
            return reports
        if limits.left() <= 0:
            reports.update({step.name: _out_of_time(step, limits) for step in left})
            return reports
        found = _run_once(
            python,
            left,
            environment=environment,
            limits=limits,
            isolated=isolated,
            given_up=given_up,
        )
        reports.update(found)
        crashed = next((report for report in found.values() if report.crashed), None)
        if crashed is None:
            return reports
        layer = next(step.layer for step in left if step.name == crashed.name)
        position = next(n for n, step in enumerate(left) if step.name == crashed.name)
        if crashed.name == "imports.interpreter":
            return reports
        left = [step for step in left[position + 1 :] if step.layer == layer]
    return reports


def _out_of_time(step: Step, limits: Limits) -> Report:
    detail = f"Not reached: the checks before it used up the timeout of {limits.total:g} s."
    return Report(step.name, False, detail, 0.0)


def _run_once(
    python: str,
    steps: Sequence[Step],
    *,
    environment: Mapping[str, str],
    limits: Limits,
    isolated: bool,
    given_up: threading.Event | None,
) -> dict[str, Report]:
    seconds = max(1.0, min(limits.step, limits.left()))
    job = {
        "sources": [
            ["<llm_check probe>", source_of(llm_probe)],
            ["<llm_check probe checks>", source_of(llm_probe_checks)],
        ],
        "request": {"timeout": seconds, "steps": [step.as_dict() for step in steps]},
    }
    # -B in addition to the variable, which -I ignores.
    argv = [python, *(["-I"] if isolated else []), "-B", "-c", llm_probe.BOOTSTRAP]
    started = time.time()
    try:
        completed = run(
            argv,
            env=environment,
            timeout=max(1.0, limits.left()) + _GRACE,
            stdin=json.dumps(job).encode("utf-8"),
            given_up=given_up,
        )
    except OSError as error:
        first = steps[0].name
        detail = f"{python} cannot be started: {error.strerror or error}."
        return {first: Report(first, False, detail, 0.0, crashed=True)}
    return _read_reports(completed, steps, started, limits)


def _read_reports(
    completed: Completed, steps: Sequence[Step], started: float, limits: Limits
) -> dict[str, Report]:
    """Convert the events on stdout to reports; a step that began and did not end crashed."""
    reports: dict[str, Report] = {}
    layers = {step.name: step.layer for step in steps}
    current, since = steps[0].name, started
    failed_layer = None
    for event in _events(completed.stdout):
        name = event["name"]
        if name not in layers:
            continue
        if event["event"] == "begin":
            # The first step includes the start of the interpreter.
            current, since = name, event["at"] if reports else started
            continue
        seconds = event["at"] - since
        measured = redact_value(_finite(event["measured"]))
        reports[name] = Report(name, event["passed"], redact(event["detail"]), seconds, measured)
        if not event["passed"]:
            failed_layer = layers[name]
    ended = all(
        step.name in reports for step in steps if failed_layer is None or step.layer == failed_layer
    )
    if not ended:
        name = current
        if name in reports:  # it died between two steps
            name = next(step.name for step in steps if step.name not in reports)
        detail, measured = explain_death(completed, limits)
        reports[name] = Report(
            name, False, detail, max(0.0, time.time() - since), measured, crashed=True
        )
    return reports


def _finite(value: Any) -> Any:
    """``value`` with None for NaN and infinities, which JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _events(stdout: str) -> Iterator[dict[str, Any]]:
    """The probe's events, without output of the environment's startup files."""
    for line in stdout.splitlines():
        try:
            event = json_document.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and _is_whole(event):
            yield event


def _is_whole(event: dict[str, Any]) -> bool:
    """Whether the event has all fields of the probe's events: other code may print its own JSON."""
    kinds: dict[str, Any] = {"event": str, "name": str, "at": (int, float)}
    if event.get("event") != "begin":
        kinds.update(passed=bool, detail=str, measured=dict)
    return all(isinstance(event.get(key), kind) for key, kind in kinds.items())


_TIMEOUT_MARK = re.compile(r"^Timeout \(", re.MULTILINE)
_FRAME = re.compile(r'^[ \t]*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_NOISE = re.compile(
    r"^\s*(File \"|Thread 0x|Current thread|Extension modules:|<no Python frame>|$)"
)


def explain_death(completed: Completed, limits: Limits) -> tuple[str, dict[str, Any]]:
    """Describe how the process died in a step, with the package and file that its stderr names."""
    stderr = completed.stderr
    measured: dict[str, Any] = {"exit_status": completed.rc}
    if completed.timed_out:
        text = f"It was still running when the timeout of {limits.total:g} s for all checks expired"
    elif _TIMEOUT_MARK.search(stderr):
        text = f"It did not finish within {limits.step:g} s"
    elif completed.rc < 0:
        text = f"The interpreter was killed by {_signal_name(-completed.rc)}"
    else:
        text = f"The interpreter ended with exit status {completed.rc}"
    frames = [match["file"] for match in _FRAME.finditer(stderr)]
    package = next(filter(None, map(llm_probe.package_in, frames)), None)
    missing = llm_probe.missing_file(stderr)
    if package:
        measured["package"] = package
        text += f" in package {package}"
    if missing:
        measured["missing_file"] = missing
        text += f"; missing file {missing}"
    lines = [line.strip() for line in stderr.splitlines() if not _NOISE.match(line)]
    if lines:
        text += "; last lines of stderr: " + " | ".join(lines[-_STDERR_LINES:])
    return redact(text if len(text) <= 1500 else text[:1497] + "...") + ".", measured


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
