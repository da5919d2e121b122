"""Whole runs on fake environments: layers, skips, facts, and the user's variables."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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

# A host on which the tests run may be small or nearly full; that is not their subject.
EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)


def check(prefix: Prefix, **options: Any) -> Outcome:
    options.setdefault("thresholds", EASY)
    return Checker(Request(prefix=str(prefix.path), **options)).run()


def by_name(outcome: Outcome) -> dict[str, Result]:
    return {result.name: result for result in outcome.results}


@pytest.fixture
def base(make_prefix: Callable[..., Prefix]) -> Prefix:
    prefix = make_prefix("base")
    prefix.record("conda", "24.7.1")
    return prefix


@pytest.fixture
def calm(prefix: Prefix) -> Prefix:
    prefix.pip_package("calm", "1.5")
    return prefix


def test_a_sound_environment(calm: Prefix, base: Prefix) -> None:
    before = calm.tree(), base.tree()
    outcome = check(calm, installation=str(base.path), imports={"calm": ">=1,<2"})
    assert outcome.status == "pass", by_name(outcome)
    assert outcome.failed_layer is None
    assert {result.status for result in outcome.results} == {"pass"}
    assert outcome.facts["conda_version"] == "24.7.1"
    assert outcome.facts["versions"] == {"calm": "1.5"}
    assert outcome.facts["python_version"] in outcome.facts["sys_version"]
    # The interpreter's checks and those of files run at the same time.
    imports = sum(result.seconds for result in outcome.results if result.layer == "imports")
    others = sum(result.seconds for result in outcome.results if result.layer != "imports")
    assert outcome.seconds >= max(imports, others) * 0.9
    assert (calm.tree(), base.tree()) == before


def test_a_second_run_says_the_same(calm: Prefix) -> None:
    runs = [check(calm, imports={"calm": ""}) for _ in range(2)]
    said = [
        [(r.name, r.status, r.detail) for r in run.results if r.layer != "host"] for run in runs
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("specifier", "passes"),
    [("", True), ("==1.5", True), (">=1", True), (">=2", False), ("<1.5", False), ("!=1.5", False)],
)
def test_versions(calm: Prefix, specifier: str, passes: bool) -> None:
    outcome = check(calm, imports={"calm": specifier})
    result = by_name(outcome)["imports.calm"]
    assert result.status == ("pass" if passes else "fail")
    assert "1.5" in result.detail
    assert (specifier or "any version") in result.detail
    assert outcome.failed_layer == (None if passes else "imports")


def test_local_versions_satisfy_public_specifiers(prefix: Prefix) -> None:
    prefix.pip_package("torchlike", "2.13.0+cpu")
    assert check(prefix, imports={"torchlike": "==2.13.0"}).status == "pass"
    assert check(prefix, imports={"torchlike": "==2.13.0+cu130"}).status == "fail"


def test_a_package_without_a_version_cannot_satisfy_one(prefix: Prefix) -> None:
    prefix.code("bare", "x = 1\n")
    assert check(prefix, imports={"bare": ""}).status == "pass"
    outcome = check(prefix, imports={"bare": ">=1"})
    assert by_name(outcome)["imports.bare"].status == "fail"
    assert "without a version" in by_name(outcome)["imports.bare"].detail


def test_a_host_without_conda_is_reported_not_an_error(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "miniconda3")
    request = Request(
        prefix=nowhere + "/envs/llm",
        installation=nowhere,
        imports={"numpy": ""},
        thresholds=EASY,
    )
    outcome = Checker(request).run()
    assert outcome.status == "fail"
    assert outcome.failed_layer == "installation"
    results = by_name(outcome)
    assert results["installation.exists"].status == "fail"
    assert results["installation.files"].status == "skip"
    assert "installation.exists failed" in results["installation.files"].detail
    later = [r for r in outcome.results if LAYERS.index(r.layer) > LAYERS.index("installation")]
    assert {r.status for r in later} == {"skip"}
    assert "environment.exists" in {r.name for r in later}
    assert all("layer installation failed (installation.exists)" in r.detail for r in later)
    assert outcome.facts == {
        "sys_version": "",
        "python_version": "",
        "conda_version": "",
        "versions": {},
    }


def test_no_environment(base: Prefix, tmp_path: Path) -> None:
    request = Request(prefix=str(tmp_path / "none"), installation=str(base.path), thresholds=EASY)
    outcome = Checker(request).run()
    assert outcome.failed_layer == "environment"
    assert by_name(outcome)["environment.exists"].status == "fail"
    assert by_name(outcome)["imports.interpreter"].status == "skip"
    assert outcome.facts["conda_version"] == "24.7.1"


def test_a_poor_host_stops_everything(calm: Prefix) -> None:
    outcome = check(calm, imports={"calm": ""}, thresholds=Thresholds(min_memory_mb=10**9))
    assert outcome.failed_layer == "host"
    results = by_name(outcome)
    assert results["host.disk"].status in ("pass", "fail")
    assert results["environment.exists"].status == "skip"
    assert results["imports.calm"].status == "skip"


def test_a_damaged_file_stops_before_the_imports(calm: Prefix) -> None:
    (calm.site_packages / "calm" / "__init__.py").unlink()
    outcome = check(calm, imports={"calm": ""})
    assert outcome.failed_layer == "environment"
    assert by_name(outcome)["environment.distributions"].status == "fail"
    assert by_name(outcome)["imports.calm"].status == "skip"
    assert "environment.distributions" in by_name(outcome)["imports.calm"].detail
    # The version in the metadata is still a fact.
    assert outcome.facts["versions"] == {"calm": "1.5"}


def test_every_check_of_the_failed_layer_is_told(calm: Prefix) -> None:
    calm.pip_package("crashing", source="import os\nos.abort()\n")
    outcome = check(calm, imports={"absent": "", "crashing": "", "calm": ">=9"})
    failed = [result.name for result in outcome.results if result.status == "fail"]
    assert failed == ["imports.absent", "imports.crashing", "imports.calm"]
    user = by_name(outcome)["imports.user_environment"]
    assert user.status == "skip"
    assert "imports.absent" in user.detail


def test_a_dead_interpreter_skips_the_rest_of_its_layer(calm: Prefix) -> None:
    (calm.path / "bin" / "python").unlink()
    (calm.path / "bin" / "python").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    (calm.path / "bin" / "python").chmod(0o755)
    outcome = check(calm, imports={"calm": ""}, checks=["imports"])
    assert outcome.failed_layer == "imports"
    results = by_name(outcome)
    assert results["imports.interpreter"].status == "fail"
    assert "exit status 3" in results["imports.interpreter"].detail
    assert results["imports.calm"].status == "skip"
    assert results["imports.user_environment"].status == "skip"


def test_an_interpreter_of_another_version_than_recorded(prefix: Prefix) -> None:
    for record in prefix.meta.glob("python-*.json"):
        record.unlink()
    prefix.record("python", "3.7.0")
    outcome = check(prefix, checks=["imports.interpreter"])
    assert outcome.failed_layer == "imports"
    assert "record says 3.7.0" in by_name(outcome)["imports.interpreter"].detail


def test_a_check_that_is_named_fails_without_its_package(prefix: Prefix) -> None:
    for name in ("framework.torch", "kernel.numpy", "workload.plot"):
        outcome = check(prefix, checks=[name])
        assert by_name(outcome)[name].status == "fail"
        assert "No module named" in by_name(outcome)[name].detail


def test_a_failing_kernel_stops_before_the_workload(prefix: Prefix) -> None:
    source = """
        import os
        class random:
            class RandomState:
                def __init__(self, seed):
                    os.abort()
    """
    prefix.pip_package("numpy", "2.0", textwrap.dedent(source))
    outcome = check(prefix, imports={"numpy": ""})
    assert outcome.failed_layer == "kernel"
    results = by_name(outcome)
    assert results["imports.numpy"].status == "pass"
    assert "SIGABRT" in results["kernel.numpy"].detail
    assert results["workload.regression_numpy"].status == "skip"
    assert "layer kernel failed" in results["workload.regression_numpy"].detail


def test_numbers_that_json_does_not_have_are_left_out(prefix: Prefix) -> None:
    source = """
        float64 = None
        class linalg:
            def lstsq(table, targets, rcond):
                return ([float("nan"), float("inf"), 4.2],)
        def array(values, dtype):
            return values
    """
    prefix.pip_package("numpy", "2.0", textwrap.dedent(source))
    outcome = check(prefix, checks=["workload.regression_numpy"])
    result = by_name(outcome)["workload.regression_numpy"]
    assert result.status == "fail"
    assert result.measured == {"coefficients": [None, None], "intercept": 4.2}
    assert "[nan, inf]" in result.detail


def test_without_variables_of_the_user_the_check_passes(calm: Prefix) -> None:
    result = by_name(check(calm, imports={"calm": ""}))["imports.user_environment"]
    assert result.status == "pass"
    assert "PYTHONPATH" in result.detail
    assert "the user's imports are the same as those above" in result.detail


def test_a_package_that_shadows_the_environments(
    calm: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = tmp_path / "shadow"
    monkeypatch.setenv("PYTHONPATH", str(shadow))
    shadow.mkdir()
    (shadow / "calm.py").write_text("__version__ = '0.1'\n", encoding="utf-8")
    outcome = check(calm, imports={"calm": ""})
    results = by_name(outcome)
    assert results["imports.calm"].status == "pass"
    assert results["imports.user_environment"].status == "fail"
    assert str(shadow / "calm.py") in results["imports.user_environment"].detail
    assert outcome.failed_layer == "imports"


def test_a_variable_that_breaks_an_import(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os\nif 'LD_LIBRARY_PATH' in os.environ:\n    os.abort()\n"
    prefix.pip_package("loading", source=source)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/old-cuda/lib64")
    outcome = check(prefix, imports={"loading": ""})
    user = by_name(outcome)["imports.user_environment"]
    assert user.status == "fail"
    assert "LD_LIBRARY_PATH=/opt/old-cuda/lib64" in user.detail
    assert "SIGABRT" in user.detail


def test_a_harmless_variable_of_the_user(
    calm: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    user = by_name(check(calm, imports={"calm": ""}))["imports.user_environment"]
    assert user.status == "pass"
    assert f"LD_LIBRARY_PATH={tmp_path}" in user.detail
    assert user.seconds > 0


def test_caches_go_below_the_given_directory(calm: Prefix, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    witness = tmp_path / "witness"
    source = f"import os\nopen({str(witness)!r}, 'w').write(os.environ['HOME'])\n"
    calm.pip_package("telling", source=source)
    request = Request(prefix=str(calm.path), imports={"telling": ""}, thresholds=EASY)
    assert Checker(request, str(scratch)).run().status == "pass"
    assert os.path.dirname(witness.read_text(encoding="utf-8")) == str(scratch)
    assert list(scratch.iterdir()) == []


def test_no_room_for_caches_is_an_error_with_a_hint(calm: Prefix, tmp_path: Path) -> None:
    request = Request(prefix=str(calm.path), thresholds=EASY)
    with pytest.raises(CondaModuleError, match="TMPDIR"):
        Checker(request, str(tmp_path / "nowhere")).run()


def test_a_model_id_is_looked_up_in_the_users_cache_offline(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    source = """
        import os
        def pipeline(task, model):
            assert os.environ["HF_HUB_OFFLINE"] == "1"
            label = os.environ["HF_HUB_CACHE"]
            return lambda text: [{"label": label, "score": 0.9}]
    """
    prefix.pip_package("transformers", source=textwrap.dedent(source))
    outcome = check(
        prefix,
        model="owner/model",
        checks=["workload.sentiment"],
        expect_label=str(tmp_path / "hf" / "hub"),
    )
    assert outcome.status == "pass", by_name(outcome)["workload.sentiment"].detail
