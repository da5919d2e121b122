"""The module: its options, documentation and return values."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._check import options as check_options
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    CHECKS,
    LAYERS,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.modules import llm_check

if TYPE_CHECKING:
    from .conftest import Prefix

EASY = {"min_glibc": "2.0", "min_free_disk_mb": 0, "min_free_inodes": 0, "min_memory_mb": 1}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the module in this process; returns its result and its exit status."""

    def call(options: dict[str, Any], check_mode: bool = False) -> tuple[dict[str, Any], int]:
        arguments = {**options, "_ansible_check_mode": check_mode}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            llm_check.main()
        return json.loads(capsys.readouterr().out), int(ended.value.code or 0)

    return call


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_sound_environment(run: Any, prefix: Prefix, check_mode: bool) -> None:
    prefix.pip_package("calm", "1.5")
    before = prefix.tree()
    options = {"prefix": str(prefix.path), "imports": {"calm": 1}, "thresholds": EASY}
    options["imports"] = {"calm": ">=1"}
    result, status = run(options, check_mode)
    assert status == 0
    assert result["changed"] is False
    assert result["status"] == "pass"
    assert result["failed_layer"] is None
    assert result["prefix"] == str(prefix.path)
    assert re.fullmatch(r"All \d+ checks passed; 1 were skipped\.", result["msg"])
    assert result["facts"]["versions"] == {"calm": "1.5"}
    keys = {"name", "environment", "layer", "status", "detail", "seconds", "measured"}
    for check in result["checks"]:
        assert set(check) == keys
        assert check["detail"].endswith(".")
        assert isinstance(check["seconds"], (int, float))
        assert check["name"].startswith(check["layer"] + ".")
    assert prefix.tree() == before


def test_a_failed_check_does_not_fail_the_task(run: Any, prefix: Prefix) -> None:
    options = {
        "prefix": str(prefix.path),
        "imports": {"absent": None},
        "checks": ["imports", "kernel.numpy"],
    }
    result, status = run(options)
    assert status == 0
    assert result["status"] == "fail"
    assert result["failed_layer"] == "imports"
    assert result["msg"] == (
        "1 of 3 checks failed in layer imports: imports.absent; 2 were skipped."
    )


def test_a_name_needs_and_finds_its_installation(run: Any, tmp_path: Path) -> None:
    options = {"installation": str(tmp_path / "conda"), "name": "llm", "checks": ["environment"]}
    result, status = run(options)
    assert status == 0
    assert result["prefix"] == str(tmp_path / "conda" / "envs" / "llm")
    assert result["failed_layer"] == "environment"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["name", "prefix"]),
        ({"prefix": "/e", "name": "llm"}, ["name", "prefix"]),
        ({"name": "llm"}, ["installation"]),
        ({"installation": "/opt/conda", "name": "a/b"}, ["name", "a/b"]),
        ({"prefix": "/"}, ["prefix"]),
        ({"prefix": "/opt/e", "checks": ["kernels"]}, ["checks", "kernels", "kernel.torch"]),
        ({"prefix": "/opt/e", "imports": {"numpy": "> two"}}, ["imports", "numpy", "> two"]),
        ({"prefix": "/opt/e", "python_version": "x"}, ["python_version", "x"]),
        ({"prefix": "/opt/e", "expected_gpus": 1}, ["expected_gpus"]),
        ({"prefix": "/opt/e", "thresholds": {"min_ram": 1}}, ["thresholds", "min_ram"]),
        ({"prefix": "/opt/e", "thresholds": {"min_cpu_gflops": "fast"}}, ["min_cpu_gflops"]),
        ({"prefix": "/opt/e", "timeout": "soon"}, ["timeout"]),
        ({"prefix": "/opt/e", "speed": 1}, ["speed"]),
        ({"prefix": "/opt/e", "declared": {"pakages": []}}, ["declared", "pakages"]),
        ({"prefix": "/opt/e", "declared": {"packages": ["a =="]}}, ["declared", "a =="]),
        ({"prefix": "/opt/e", "skip_checks": ["kernels"]}, ["skip_checks", "kernels"]),
        ({"prefix": "/opt/e", "environments": [{}]}, ["name", "prefix"]),
        ({"prefix": "/opt/e", "environments": [{"name": "a"}]}, ["name", "installation"]),
        ({"prefix": "/opt/e", "model_cache": "models"}, ["model_cache", "models"]),
        ({"prefix": "/opt/e", "max_age": -1}, ["max_age"]),
    ],
)
def test_wrong_input_is_a_clear_error(run: Any, options: dict[str, Any], words: list[str]) -> None:
    result, status = run(options)
    assert status == 1
    assert result["failed"] is True
    for word in words:
        assert word in result["msg"]


def test_the_defaults_are_those_of_the_checks() -> None:
    assert set(check_options.THRESHOLD_OPTIONS) == {
        f.name for f in dataclasses.fields(Thresholds)
    }, "THRESHOLD_OPTIONS in _check/options.py must have the fields of Thresholds"
    for name, option in check_options.THRESHOLD_OPTIONS.items():
        assert option.get("default") == getattr(Thresholds(), name)
    request = Request(prefix="/e")
    for name in (
        "text",
        "expect_label",
        "allow_defaults",
        "timeout",
        "check_timeout",
        "lock_timeout",
        "max_age",
    ):
        assert check_options.ARGUMENT_SPEC[name]["default"] == getattr(request, name)


def test_the_documentation_names_every_check_and_no_other() -> None:
    notes = " ".join(yaml.safe_load(llm_check.DOCUMENTATION)["notes"])
    named = set(re.findall(r"C\(([a-z]+\.[a-z_]+)\)", notes))
    assert named == {check.name for check in CHECKS}, (
        "name every check as C(layer.name) in the note of its layer"
    )
    text = llm_check.DOCUMENTATION
    assert all(f"C({layer})" in text for layer in LAYERS)


def test_the_documented_result_is_the_result(run: Any, prefix: Prefix) -> None:
    result, _ = run({"prefix": str(prefix.path), "checks": ["environment.exists"]})
    documented = yaml.safe_load(llm_check.RETURN)
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["checks"]["contains"]) == set(result["checks"][0])
    assert set(documented["facts"]["contains"]) == set(result["facts"])


def test_drift_is_returned_as_a_status(run: Any, prefix: Prefix) -> None:
    options = {
        "prefix": str(prefix.path),
        "checks": ["drift"],
        "declared": {"packages": ["python", "numpy>=2"], "prune": True},
    }
    result, status = run(options)
    assert status == 0
    assert (result["status"], result["failed_layer"]) == ("drift", None)
    assert result["msg"] == "No check failed; 1 of 3 found drift: drift.packages."
    assert result["changed"] is False


def test_drift_beside_a_failure_is_reported_too(run: Any, prefix: Prefix) -> None:
    options = {
        "prefix": str(prefix.path),
        "checks": ["drift", "imports"],
        "imports": {"absent": ""},
        "declared": {"packages": ["numpy"]},
    }
    result, _ = run(options)
    assert result["msg"] == (
        "1 of 4 checks failed in layer imports: imports.absent; 1 found drift: drift.packages;"
        " 1 were skipped."
    )


def test_secrets_in_the_declaration_are_masked(run: Any, prefix: Prefix) -> None:
    options = {
        "prefix": str(prefix.path),
        "checks": ["drift"],
        "declared": {
            "packages": ["https://mirror.example/t/s3cr3t-token/lab::numpy"],
            "requirements": ["calm @ https://me:hunter22@mirror.example/calm-1.0-py3-none-any.whl"],
        },
    }
    prefix.pip_package("calm", "1.0")
    result, _ = run(options)
    assert result["status"] == "drift"
    assert [check["status"] for check in result["checks"]] == ["pass", "skip", "drift"]
    text = json.dumps(result)
    assert "Only conda can interpret https://mirror.example/t/" in text
    assert "hunter22" not in text
    assert "s3cr3t-token" not in text
