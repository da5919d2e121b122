# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the options of llm_check into a request; plugins/modules/llm_check.py documents them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check.declared import OPTIONS
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Declared,
    Model,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.steps import cache_of
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import (
    check_prefix,
    environment_prefix,
)

THRESHOLD_OPTIONS: dict[str, dict[str, Any]] = {
    "min_glibc": {"type": "str"},
    "min_free_disk_mb": {"type": "int", "default": 512},
    "min_free_inodes": {"type": "int", "default": 10000},
    "min_memory_mb": {"type": "int", "default": 1024},
    "matmul_size": {"type": "int", "default": 512},
    "matmul_tolerance": {"type": "float", "default": 0.0001},
    "min_cpu_gflops": {"type": "float", "default": 1.0},
    "min_gpu_gflops": {"type": "float", "default": 200.0},
    "regression_tolerance": {"type": "float", "default": 0.02},
    "min_sentiment_score": {"type": "float", "default": 0.5},
    "min_plot_colours": {"type": "int", "default": 5},
}

DECLARED_OPTIONS: dict[str, dict[str, Any]] = {
    "packages": {"type": "list", "elements": "str", "default": []},
    "requirements": {"type": "list", "elements": "str", "default": []},
    "constraints": {"type": "list", "elements": "str", "default": []},
    "constraints_for_pip": {"type": "list", "elements": "str", "default": []},
    "prune": {"type": "bool", "default": False},
    "exact": {"type": "bool", "default": False},
    "environment": {"type": "raw"},
    "environment_file": {"type": "path"},
    "lock": {"type": "raw"},
    "lock_file": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "pinned": {"type": "list", "elements": "str"},
    "variables": {"type": "dict"},
    "frozen": {"type": "bool"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}

ENVIRONMENT_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "imports": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    **DECLARED_OPTIONS,
}

MODEL_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "cache_dir": {"type": "path"},
    "revision": {"type": "str", "default": "main"},
    "commit": {"type": "str"},
    "path": {"type": "path"},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "installation": {"type": "path", "aliases": ["conda_prefix"]},
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "python_version": {"type": "str"},
    "imports": {"type": "dict", "default": {}},
    "checks": {"type": "list", "elements": "str"},
    "skip_checks": {"type": "list", "elements": "str", "default": []},
    "declared": {"type": "dict", "options": DECLARED_OPTIONS},
    "environments": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": ENVIRONMENT_OPTIONS,
    },
    "models": {"type": "list", "elements": "dict", "default": [], "options": MODEL_OPTIONS},
    "model": {"type": "str"},
    "model_cache": {"type": "path"},
    "text": {"type": "str", "default": "This is a great movie!"},
    "expect_label": {"type": "str", "default": "POSITIVE"},
    "expected_gpus": {"type": "int"},
    "allow_defaults": {"type": "bool", "default": False},
    "thresholds": {"type": "dict", "default": {}, "options": THRESHOLD_OPTIONS},
    "timeout": {"type": "int", "default": 900},
    "check_timeout": {"type": "int", "default": 300},
    "lock_timeout": {"type": "int", "default": 60},
    "max_age": {"type": "float", "default": 0},
}


def request_from(params: dict[str, Any], check_mode: bool = False) -> Request:
    """Build the request from validated options.

    Raises:
        CondaModuleError: an option has an invalid value; the message names the option.
    """
    installation = params["installation"]
    cache = params["model_cache"]
    if cache is not None and not cache.startswith("/"):
        raise CondaModuleError(f"model_cache: {cache!r} is not an absolute path.")
    request = Request(
        prefix=environment_prefix(installation, params["name"], params["prefix"]),
        installation=None if installation is None else check_prefix(installation, "installation"),
        python_version=params["python_version"] or None,
        imports=_imports_of(params),
        checks=params["checks"],
        skip_checks=params["skip_checks"],
        declared=None if params["declared"] is None else declared_from(params["declared"]),
        model=params["model"] or None,
        model_cache=cache,
        models=[_model_from(model, cache_of(cache)) for model in params["models"]],
        text=params["text"],
        expect_label=params["expect_label"],
        expected_gpus=params["expected_gpus"],
        allow_defaults=params["allow_defaults"],
        thresholds=Thresholds(**params["thresholds"]),
        timeout=params["timeout"],
        check_timeout=params["check_timeout"],
        lock_timeout=params["lock_timeout"],
        max_age=params["max_age"],
        check_mode=check_mode,
        label=params["name"] or params["prefix"] or "",
    )
    further = [_further_from(entry, request) for entry in params["environments"]]
    return replace(request, further=further)


def _further_from(entry: Mapping[str, Any], request: Request) -> Request:
    """The request for an entry of ``environments``; all but its content is that of the first environment."""
    declared = replace(declared_from(entry), absent=entry["state"] == "absent")
    return replace(
        request,
        prefix=environment_prefix(request.installation, entry["name"], entry["prefix"]),
        label=entry["name"] or entry["prefix"],
        python_version=None,
        imports=_imports_of(entry),
        declared=declared,
        model=None,
        models=(),
        expected_gpus=None,
        is_further=True,
    )


def _imports_of(params: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(name): "" if version is None else str(version)
        for name, version in params["imports"].items()
    }


def declared_from(given: Mapping[str, Any]) -> Declared:
    """The declared content from validated suboptions."""
    return Declared(
        packages=given["packages"],
        requirements=given["requirements"],
        constraints=given["constraints"],
        constraints_for_pip=given["constraints_for_pip"],
        prune=given["prune"],
        exact=given["exact"],
        options={name: given[name] for name in OPTIONS},
    )


def _model_from(given: Mapping[str, Any], cache: str) -> Model:
    return Model(
        name=given["name"],
        cache_dir=given["cache_dir"] or cache,
        revision=given["revision"],
        commit=given["commit"] or "",
        path=given["path"] or "",
        include=given["include"],
        exclude=given["exclude"],
    )
