# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts planned checks into steps of the probe, and the probe's reports into findings.

Checks that need the rules of Python versions, or a comparison of two runs, are judged here instead of in the
probe.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import (
    Report,
    Step,
    user_variables,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    IMPORT_PREFIX,
    USER_CHECK,
    Finding,
    Planned,
    Request,
    verdict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_version import (
    SpecifierSet,
)

# The name of the step that is no check.
LOADED = "loaded"

_FUNCTIONS = {
    "imports.interpreter": "check_interpreter",
    "framework.torch": "check_framework_torch",
    "kernel.numpy": "check_matmul_numpy",
    "kernel.torch": "check_matmul_torch",
    "workload.regression_numpy": "check_regression_numpy",
    "workload.regression_torch": "check_regression_torch",
    "workload.plot": "check_plot",
    "workload.sentiment": "check_sentiment",
}


def _options(name: str, request: Request) -> dict[str, Any]:
    bounds = request.thresholds
    if name == "framework.torch":
        return {"expected_gpus": request.expected_gpus}
    if name.startswith("kernel."):
        return {
            "size": bounds.matmul_size,
            "tolerance": bounds.matmul_tolerance,
            "min_cpu_gflops": bounds.min_cpu_gflops,
            "min_gpu_gflops": bounds.min_gpu_gflops,
        }
    if name.startswith("workload.regression_"):
        return {"tolerance": bounds.regression_tolerance}
    if name == "workload.plot":
        return {"min_colours": bounds.min_plot_colours}
    if name == "workload.sentiment":
        return {
            "model": request.model,
            "local": is_local_model(request.model),
            "text": request.text,
            "expect_label": request.expect_label,
            "min_score": bounds.min_sentiment_score,
        }
    return {"prefix": request.prefix}


def steps_for(planned: Sequence[Planned], request: Request) -> list[Step]:
    """The probe's steps for the planned checks that run inside the environment."""
    steps = []
    for check in planned:
        if check.skip or check.name == USER_CHECK:
            continue
        if check.name in _FUNCTIONS:
            options = _options(check.name, request)
            steps.append(Step(check.name, check.layer, _FUNCTIONS[check.name], options))
        elif check.name.startswith(IMPORT_PREFIX):
            options = {"name": check.name[len(IMPORT_PREFIX) :], "prefix": request.prefix}
            steps.append(Step(check.name, check.layer, "check_import", options))
    return steps


def loaded_step() -> Step:
    """The step after all others: it reports what they have loaded. It runs only if all have passed."""
    return Step(LOADED, LOADED, "check_loaded")


def is_local_model(model: str | None) -> bool:
    """Whether ``model`` is a directory on the host, not a model id."""
    return bool(model) and os.path.isabs(str(model))


def cache_of(cache: str | None) -> str:
    """The cache in which a model id is looked up: ``cache``, or that of the user who runs the checks.

    Hugging Face's order: ``HF_HUB_CACHE``, then ``HF_HOME``, then ``XDG_CACHE_HOME``.
    """
    if cache:
        return cache
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    home = os.environ.get("HF_HOME") or os.path.join(caches, "huggingface")
    found = (
        os.environ.get("HF_HUB_CACHE")
        or os.environ.get("HUGGINGFACE_HUB_CACHE")
        or os.path.join(home, "hub")
    )
    return os.path.expanduser(found)


def model_environment(model: str | None, cache: str | None = None) -> dict[str, str]:
    """Variables with which the libraries find the model and never download one."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    if model is None or is_local_model(model):
        return offline
    return {**offline, "HF_HUB_CACHE": cache_of(cache)}


def model_files(model: str | None, cache: str | None = None) -> list[str]:
    """The directories and files of the model, sorted; empty without one."""
    if model is None:
        return []
    top = model
    if not is_local_model(model):
        top = os.path.join(cache_of(cache), "--".join(["models", *model.split("/")]))
    found = [top]
    for directory, directories, files in os.walk(top):
        found += [os.path.join(directory, name) for name in [*directories, *files]]
    return sorted(found)


def judge(report: Report, request: Request, recorded_python: str) -> Finding:
    """The finding of one step."""
    if report.passed and report.name == "imports.interpreter":
        return _judge_interpreter(report, recorded_python)
    if report.passed and report.name.startswith(IMPORT_PREFIX):
        return _judge_import(report, request)
    return verdict(report.passed, report.detail, report.measured)


def _judge_interpreter(report: Report, recorded: str) -> Finding:
    version = str(report.measured["python_version"])
    if recorded and version != recorded:
        text = f"The interpreter is Python {version}, but conda's record says {recorded}."
        return verdict(False, text, report.measured)
    return verdict(True, report.detail, report.measured)


def _judge_import(report: Report, request: Request) -> Finding:
    """Check the version of a successful import."""
    name = report.name[len(IMPORT_PREFIX) :]
    wanted = request.imports.get(name, "").strip()
    version = report.measured.get("version")
    detail = report.detail.rstrip(".")
    if not wanted:
        return verdict(True, f"{detail}; any version is accepted.", report.measured)
    if not version:
        return verdict(False, f"{detail}; expected {wanted}.", report.measured)
    passed = SpecifierSet(wanted).contains(str(version))
    return verdict(passed, f"{detail}; expected {wanted}.", report.measured)


def judge_user(
    names: Sequence[str],
    clean: Mapping[str, Report],
    users: Mapping[str, Report],
    added: Mapping[str, str],
) -> Finding:
    """Compare the imports with the user's variables to those of the clean run.

    Args:
        names: the import checks, ``imports.NAME``.
        clean: their reports from the clean run, all of them passed.
        users: their reports from the run with the user's variables; empty if there was none.
        added: the user's variables and site-packages (see ``what_users_add``).
    """
    if not added:
        return verdict(
            True,
            f"None of {', '.join(user_variables())} is set and the user has no site-packages, "
            "so the user's imports are the same as those above.",
        )
    settings = ", ".join(f"{name}={value}" for name, value in sorted(added.items()))
    problems = []
    for name in names:
        short = name[len(IMPORT_PREFIX) :]
        mine, theirs = clean[name], users.get(name)
        if theirs is None:
            problems.append(f"{short} was not reached")
        elif not theirs.passed:
            problems.append(f"{short} fails: {theirs.detail.rstrip('.')}")
        elif theirs.measured.get("path") != mine.measured.get("path"):
            problems.append(
                f"{short} {theirs.measured.get('version')} is imported from "
                f"{theirs.measured.get('path')} instead of {mine.measured.get('path')}"
            )
    if problems:
        return verdict(
            False, f"With the user's {settings}: {'; '.join(problems)}.", {"added": dict(added)}
        )
    return verdict(
        True,
        f"All {len(names)} imports are the same with the user's {settings}.",
        {"added": dict(added)},
    )
