"""All declared environments of a host in one run: each damaged in its own way, and each found by name."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Declared,
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import locked
from ansible_collections.llmfleet.conda.plugins.modules import llm_check

if TYPE_CHECKING:
    from .conftest import Prefix

EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)
DECLARED: dict[str, Any] = {
    "packages": ["python", "six=1.17"],
    "pinned": ["six<2"],
    "variables": {"OMP_NUM_THREADS": "4"},
    "imports": {"six": ""},
}


def fill(prefix: Prefix) -> None:
    """An environment that is what DECLARED says: conda's six, a pin and a variable."""
    code = prefix.code("six", "__version__ = '1.17.0'\n")
    info = prefix.site_packages / "six-1.17.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
    (info / "INSTALLER").write_text("conda\n")
    files = [code, *(str(file.relative_to(prefix.path)) for file in info.iterdir())]
    prefix.record("six", "1.17.0", files=tuple(files), depends=["python"])
    (prefix.meta / "pinned").write_text("six<2\n")
    (prefix.meta / "state").write_text('{"env_vars": {"OMP_NUM_THREADS": "4"}}')


def lost_file(prefix: Prefix) -> None:
    (prefix.site_packages / "six" / "__init__.py").unlink()


def bad_record(prefix: Prefix) -> None:
    (prefix.meta / "six-1.17.0-0.json").write_text("{")


def two_owners(prefix: Prefix) -> None:
    prefix.pip_package("six", "1.18.0", "__version__ = '1.17.0'\n")


def no_pin(prefix: Prefix) -> None:
    (prefix.meta / "pinned").unlink()


def other_variable(prefix: Prefix) -> None:
    (prefix.meta / "state").write_text('{"env_vars": {"OMP_NUM_THREADS": "8"}}')


def other_version(prefix: Prefix) -> None:
    record = prefix.meta / "six-1.17.0-0.json"
    record.rename(prefix.meta / "six-1.16.0-0.json")
    record = prefix.meta / "six-1.16.0-0.json"
    record.write_text(record.read_text().replace('"version": "1.17.0"', '"version": "1.16.0"'))


def not_there(prefix: Prefix) -> None:
    (prefix.meta / "six-1.17.0-0.json").unlink()


def gone(prefix: Prefix) -> None:
    shutil.rmtree(prefix.path)


def refused_by_site(prefix: Prefix) -> None:
    # A directory with somebody's files and no history: conda_env does not touch it.
    shutil.rmtree(prefix.path)
    (prefix.path / "data").mkdir(parents=True)


def frozen_by_hand(prefix: Prefix) -> None:
    (prefix.meta / "frozen").write_text("{}")
    not_there(prefix)


# The status, the check and what it says.
DAMAGE: dict[Callable[[Prefix], None], tuple[str, str, str]] = {
    lost_file: ("fail", "environment.files", "six/__init__.py"),
    bad_record: ("fail", "environment.records", "six-1.17.0-0.json is not a package record"),
    two_owners: ("fail", "environment.owners", "six (conda's 1.17.0, and six-1.18.0.dist-info)"),
    no_pin: ("drift", "drift.settings", "the requested pins are not set: six<2"),
    other_variable: ("drift", "drift.settings", "the variable OMP_NUM_THREADS does not have"),
    other_version: ("drift", "drift.packages", "six=1.17 is declared, but six 1.16.0 0 lab is"),
    not_there: ("drift", "drift.packages", "six=1.17 is declared, but not installed"),
    gone: ("fail", "environment.exists", "does not exist"),
    refused_by_site: ("fail", "environment.exists", "has no conda-meta/history"),
    frozen_by_hand: ("fail", "drift.packages", "conda_env refuses the declaration"),
}


@pytest.fixture
def base(make_prefix: Callable[..., Prefix]) -> Prefix:
    prefix = make_prefix("conda")
    prefix.record("conda", "24.7.1")
    return prefix


@pytest.fixture
def make(make_prefix: Callable[..., Prefix], base: Prefix) -> Callable[[str], Prefix]:
    """Makes an environment of the installation that is as declared."""

    def make_one(name: str) -> Prefix:
        prefix = make_prefix(f"conda/envs/{name}")
        fill(prefix)
        return prefix

    return make_one


@pytest.fixture
def run(base: Prefix, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs the module on the environment llm and further ones."""

    def call(*environments: dict[str, Any], check_mode: bool = False, **options: Any) -> Any:
        arguments = {
            "installation": str(base.path),
            "name": "llm",
            "imports": {"six": ""},
            "environments": list(environments),
            "thresholds": {
                "min_glibc": "2.0",
                "min_free_disk_mb": 0,
                "min_free_inodes": 0,
                "min_memory_mb": 1,
            },
            **options,
        }
        with (
            patch_module_args({**arguments, "_ansible_check_mode": check_mode}),
            pytest.raises(SystemExit),
        ):
            llm_check.main()
        return json.loads(capsys.readouterr().out)

    return call


def of(result: dict[str, Any], environment: str) -> dict[str, dict[str, Any]]:
    return {
        check["name"]: check for check in result["checks"] if check["environment"] == environment
    }


def test_sound_environments_pass_with_one_result_a_check(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    for name in ("llm", "tools", "train"):
        make(name)
    result = run({"name": "tools", **DECLARED}, {"name": "train", **DECLARED})
    assert result["status"] == "pass", result["msg"]
    assert set(of(result, "tools")) == {
        "environment.exists",
        "environment.records",
        "environment.python",
        "environment.files",
        "environment.distributions",
        "environment.owners",
        "environment.other_pythons",
        "environment.requirements",
        "environment.channels",
        "drift.packages",
        "drift.settings",
        "imports.interpreter",
        "imports.six",
        "imports.user_environment",
    }
    assert {check["status"] for check in of(result, "tools").values()} == {"pass"}
    assert set(of(result, "train")) == set(of(result, "tools"))
    assert {name.split(".")[0] for name in of(result, "")} == {"host", "installation"}
    assert len(of(result, "llm")) + 2 * 14 + len(of(result, "")) == len(result["checks"])


def test_every_damage_is_found_by_name(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    make("llm")
    for spoil in DAMAGE:
        spoil(make(spoil.__name__))
    result = run(*({"name": spoil.__name__, **DECLARED} for spoil in DAMAGE))
    assert result["status"] == "fail"
    assert {check["status"] for check in of(result, "llm").values()} == {"pass"}
    for spoil, (status, name, words) in DAMAGE.items():
        found = of(result, spoil.__name__)
        bad = [check for check in found.values() if check["status"] in ("fail", "drift")]
        assert [(check["status"], check["name"]) for check in bad] == [(status, name)], spoil
        assert words in bad[0]["detail"]
        assert f"{spoil.__name__}: {name}" in result["msg"]


def test_damage_in_base_and_environments_is_all_found(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]], base: Prefix
) -> None:
    """Seven kinds of damage in three environments, and one more in base."""
    make("llm")
    base.record("calm", "1.0", files=(base.code("calm", "x = 1\n"),))
    next(base.path.rglob("calm/__init__.py")).unlink()
    files, settings = make("files"), make("settings")
    files.record("extra", "1.0", files=(files.code("extra", "x = 1\n"),))
    next(files.path.rglob("extra/__init__.py")).unlink()
    files.record("broken", "1.0")
    (files.meta / "broken-1.0-0.json").write_text("{")
    two_owners(files)
    for spoil in (no_pin, other_variable, other_version):
        spoil(settings)
    gone(make("gone"))
    result = run(*({"name": name, **DECLARED} for name in ("files", "settings", "gone")))
    bad = {
        (check["environment"], check["name"]): check["detail"]
        for check in result["checks"]
        if check["status"] in ("fail", "drift")
    }
    expected = {
        ("", "installation.files"): ["calm/__init__.py"],
        ("files", "environment.files"): ["extra/__init__.py"],
        ("files", "environment.records"): ["broken-1.0-0.json"],
        ("files", "environment.owners"): ["six-1.18.0.dist-info"],
        ("settings", "drift.packages"): ["six 1.16.0"],
        ("settings", "drift.settings"): ["six<2", "OMP_NUM_THREADS"],
        ("gone", "environment.exists"): ["gone"],
    }
    assert set(bad) == set(expected)
    for key, words in expected.items():
        assert [word for word in words if word not in bad[key]] == []
        assert (f"{key[0]}: {key[1]}" if key[0] else key[1]) in result["msg"]
    # The environment that is as declared is found so, although base is damaged.
    assert {check["status"] for check in of(result, "llm").values()} == {"pass"}
    assert (result["status"], result["failed_layer"]) == ("fail", "installation")
    # A check is left out for the reason that its own environment gives.
    skipped = of(result, "files")["imports.six"]["detail"]
    assert "layer environment failed" in skipped
    assert "installation" not in skipped


def test_the_first_environment_fails_and_the_others_are_checked(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    make("tools")
    result = run({"name": "tools", **DECLARED})
    assert of(result, "llm")["environment.exists"]["status"] == "fail"
    assert {check["status"] for check in of(result, "tools").values()} == {"pass"}
    assert result["failed_layer"] == "environment"


def test_without_an_installation_nothing_else_is_checked(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]], base: Prefix
) -> None:
    make("tools")
    next(base.meta.glob("conda-*.json")).unlink()
    result = run({"name": "tools", **DECLARED})
    assert {check["status"] for check in of(result, "tools").values()} == {"skip"}
    assert "installation.exists" in of(result, "tools")["environment.exists"]["detail"]


def test_a_declaration_that_cannot_be_used_fails_its_environment_only(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    for name in ("llm", "tools"):
        make(name)
    result = run({"name": "tools", "packages": ["six=="]})
    assert result["status"] == "fail"
    assert [*of(result, "tools")] == ["drift.packages"]
    assert "'six=='" in of(result, "tools")["drift.packages"]["detail"]


def test_an_environment_without_python_imports_nothing(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    make("llm")
    tools = make("tools")
    shutil.rmtree(tools.path)
    tools.record("ripgrep", "14.1")
    result = run({"name": "tools", "packages": ["ripgrep"]})
    assert result["status"] == "pass", result["msg"]
    assert of(result, "tools")["imports.interpreter"]["status"] == "skip"
    assert run({"name": "tools", "imports": {"six": ""}})["status"] == "fail"


@pytest.mark.parametrize(("there", "status"), [(False, "pass"), (True, "drift")])
def test_an_environment_that_must_be_absent(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]], there: bool, status: str
) -> None:
    make("llm")
    if there:
        make("old")
    result = run({"name": "old", "state": "absent"})
    assert [(one["name"], one["status"]) for one in of(result, "old").values()] == [
        ("drift.absent", status)
    ]
    assert result["status"] == status


def test_a_bare_host_is_not_there_yet_in_check_mode(
    base: Prefix, run: Callable[..., dict[str, Any]]
) -> None:
    shutil.rmtree(base.path)
    result = run({"name": "tools", **DECLARED}, check_mode=True)
    assert (result["status"], result["failed_layer"]) == ("absent", None)
    assert result["msg"].startswith("No check failed; not there yet: installation.exists;")
    assert run({"name": "tools", **DECLARED})["status"] == "fail"


def test_an_environment_is_not_there_yet_in_check_mode(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    make("llm")
    result = run({"name": "tools", **DECLARED}, check_mode=True)
    assert result["status"] == "absent"
    found = of(result, "tools")
    assert found["environment.exists"]["status"] == "absent"
    assert {one["status"] for name, one in found.items() if name != "environment.exists"} == {
        "skip"
    }
    assert found["drift.packages"]["detail"] == "Not run, because the environment is not there yet."


def test_secret_variables_are_masked(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    for name in ("llm", "tools"):
        make(name)
    result = run({"name": "tools", **DECLARED, "variables": {"HF_TOKEN": "hf_hunter2222"}})
    assert "the variable HF_TOKEN does not have" in of(result, "tools")["drift.settings"]["detail"]
    assert "hunter2222" not in json.dumps(result)


def test_a_pass_is_noted_for_each_environment(
    make: Callable[[str], Prefix], run: Callable[..., dict[str, Any]]
) -> None:
    for name in ("llm", "tools"):
        make(name)
    entry = {"name": "tools", **DECLARED}
    assert run(entry, max_age=24)["last_passes"] == []
    # Files that were made in the same tick of the kernel's clock would have prevented the notes.
    again = run(entry, max_age=24)
    if not again["last_passes"]:
        again = run(entry, max_age=24)
    assert [(one["environment"], one["reused"]) for one in again["last_passes"]] == [
        ("llm", True),
        ("tools", True),
    ]
    assert "Not run again: nothing changed since 20" in of(again, "tools")["imports.six"]["detail"]


def outcome_of(prefix: Prefix, **options: Any) -> Outcome:
    request = Request(prefix=str(prefix.path), thresholds=EASY, imports={"six": ""}, **options)
    return Checker(request).run()


def test_a_running_change_is_waited_for_and_then_named(make: Callable[[str], Prefix]) -> None:
    prefix = make("llm")
    with locked(str(prefix.path), operation="change"):
        busy = outcome_of(prefix, lock_timeout=1)
    (failed,) = [result for result in busy.results if result.status == "fail"]
    assert failed.name == "environment.exists"
    assert "is being changed by process" in failed.detail
    assert "(change, since " in failed.detail
    assert {one.status for one in busy.results if one.layer == "imports"} == {"skip"}
    assert outcome_of(prefix).status == "pass"


def test_a_change_that_begins_while_files_are_checked_is_waited_for(
    make: Callable[[str], Prefix], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = make("llm")
    code = prefix.site_packages / "six" / "__init__.py"
    held, release = threading.Event(), threading.Event()

    def change() -> None:
        with locked(str(prefix.path), operation="change"):
            aside = code.rename(prefix.path / "aside")
            held.set()
            release.wait(60)
            aside.rename(code)

    thread = threading.Thread(target=change)
    from ansible_collections.llmfleet.conda.plugins.module_utils._check import prefix as checks

    real = checks.damaged_files

    def while_it_changes(*arguments: Any) -> Any:
        if not held.is_set():
            thread.start()
            held.wait(60)
            threading.Timer(0.3, release.set).start()
        return real(*arguments)

    monkeypatch.setattr(checks, "damaged_files", while_it_changes)
    outcome = outcome_of(prefix)
    thread.join()
    assert outcome.status == "pass", [one for one in outcome.results if one.status == "fail"]


def test_a_declared_package_of_a_further_environment_is_no_package_of_the_first(
    make: Callable[[str], Prefix], base: Prefix, tmp_path: Path
) -> None:
    first = Request(
        prefix=str(make("llm").path), installation=str(base.path), thresholds=EASY, label="llm"
    )
    other = replace(
        first,
        prefix=str(make("tools").path),
        label="tools",
        declared=Declared(packages=["absent"]),
        is_further=True,
    )
    outcome = Checker(replace(first, further=[other])).run()
    drifted = [(one.environment, one.name) for one in outcome.results if one.status == "drift"]
    assert drifted == [("tools", "drift.packages")]
