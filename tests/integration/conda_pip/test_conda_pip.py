"""conda_pip on a real conda environment with its real pip; judged by pip itself and by Python."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from tests.integration.conda_pip.conftest import Thrice
from tests.integration.conda_pip.environment import (
    hashed,
    installed,
    own_lines,
    pip,
    site_packages,
    still,
)
from tests.integration.four_steps import Steps
from tests.integration.selection import only_full_but
from tests.integration.snapshot import changes, snapshot

RunModule = Callable[..., dict[str, Any]]


def test_install_with_what_it_needs(prefix: Path, four_steps: Steps, options: Any) -> None:
    result = four_steps("conda_pip", options("t-app==1.0"))
    assert own_lines(result) == ["six==1.16.0 (conda)", "t-app==1.0 (pip)", "t-lib==2.0 (pip)"]
    listed = installed(prefix)
    assert (listed["t-app"], listed["t-lib"]) == ("1.0", "2.0")
    assert {one["name"]: one["version"] for one in result["packages"]} == listed
    assert (prefix / "bin" / "t-app").exists()
    assert pip(prefix, "check").startswith("No broken")


@pytest.mark.parametrize("python", ["3.8", "3.13"])
@pytest.mark.full
def test_other_pythons(
    python: str, make_env: Callable[..., Path], thrice: Thrice, options: Any, run_module: RunModule
) -> None:
    prefix = make_env(f"python={python}", "pip")
    there = {"prefix": str(prefix)}
    thrice(options("t-app==1.0", "t-lib<2", **there))
    (site_packages(prefix) / "t_app" / "__init__.py").unlink()
    (site_packages(prefix) / "t_lib-1.1.dist-info" / "METADATA").unlink()
    thrice(options("t-app==1.0", **there))
    thrice(options("t-app", state="latest", **there))
    assert installed(prefix)["t-app"] == "2.0"
    thrice(options("t-app", state="absent", **there))
    result = run_module("conda_pip", options("t-app>=3", **there))
    assert (result["kind"], result["option"]) == ("no_match", "requirements"), result


@pytest.mark.full
def test_by_installation_and_name(
    prefix: Path, conda_installation: Path, run_module: RunModule, options: Any
) -> None:
    named = options("t-lib", prefix=None, installation=str(conda_installation), name=prefix.name)
    result = run_module("conda_pip", named)
    assert (result["rc"], result["prefix"]) == (0, str(prefix)), result
    assert "t-lib" in installed(prefix)


@pytest.mark.full
def test_upgrade_and_downgrade_by_specifier(prefix: Path, thrice: Thrice, options: Any) -> None:
    thrice(options("t-lib==1.0"))
    assert installed(prefix)["t-lib"] == "1.0"
    thrice(options("t-lib>1"))
    assert installed(prefix)["t-lib"] == "2.0"
    thrice(options("t-lib", constraints=["t-lib<2"]))
    assert installed(prefix)["t-lib"] == "1.1"


@pytest.mark.full
def test_extras_and_markers(prefix: Path, thrice: Thrice, options: Any) -> None:
    thrice(options("t-more", "t-old; python_version < '3.0'"))
    assert "t-lib" not in installed(prefix)
    thrice(options("t-more[lib]", "t-old; python_version < '3.0'"))
    assert "t-lib" in installed(prefix)
    assert "t-old" not in installed(prefix)


@pytest.mark.full
def test_latest(prefix: Path, run_module: RunModule, four_steps: Steps, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0", "t-lib==1.0"))
    four_steps("conda_pip", options("t-app", state="latest"), asks_conda=True)
    listed = installed(prefix)
    assert (listed["t-app"], listed["t-lib"]) == ("2.0", "2.0")


@pytest.mark.full
def test_latest_leaves_conda_s_alone(prefix: Path, run_module: RunModule, options: Any) -> None:
    result = run_module("conda_pip", options("six", state="latest"))
    assert (result["rc"], result["changed"]) == (0, False), result
    assert installed(prefix)["six"] == "1.16.0"


@pytest.mark.full
def test_absent(prefix: Path, run_module: RunModule, four_steps: Steps, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    result = run_module("conda_pip", options("t-app==9", state="absent"))
    assert not result["changed"], result
    four_steps("conda_pip", options("t-app", "not-there", state="absent"))
    listed = installed(prefix)
    assert "t-app" not in listed
    assert "t-lib" in listed


@pytest.mark.full
def test_absent_refuses_to_break_what_stays(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    before = snapshot(prefix)
    result = run_module("conda_pip", options("t-lib", state="absent"))
    assert result["rc"] == 1
    assert "t-app 1.0 requires t-lib, which is not installed" in result["msg"]
    assert changes(before, snapshot(prefix)) == []
    result = run_module("conda_pip", options("t-lib", state="absent", check=False))
    assert result["changed"], result
    assert "t-lib" not in installed(prefix)


@pytest.mark.parametrize(
    ("damage", "before"),
    only_full_but(
        [
            ("module", "t-app==1.0 (pip, damaged)"),
            ("truncated", "t-app==1.0 (pip, damaged)"),
            ("record", "t-app==1.0 (pip, damaged)"),
            ("metadata", "t-app==1.0 (pip, incomplete)"),
            ("script", "t-app==1.0 (pip, damaged)"),
        ],
        ("metadata", "t-app==1.0 (pip, incomplete)"),
        ("script", "t-app==1.0 (pip, damaged)"),
    ),
)
def test_damage_is_repaired(
    damage: str, before: str, prefix: Path, run_module: RunModule, thrice: Thrice, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    site = site_packages(prefix)
    paths = {
        "module": site / "t_app" / "__init__.py",
        "truncated": site / "t_app" / "__init__.py",
        "record": site / "t_app-1.0.dist-info" / "RECORD",
        "metadata": site / "t_app-1.0.dist-info" / "METADATA",
        "script": prefix / "bin" / "t-app",
    }
    if damage == "truncated":
        paths[damage].write_text("")
    else:
        paths[damage].unlink()
    result = thrice(options("t-app==1.0"))
    assert before in own_lines(result, "before")
    assert "t-app==1.0 (pip)" in own_lines(result)
    assert paths[damage].stat().st_size > 0
    assert pip(prefix, "check").startswith("No broken")


@pytest.mark.full
def test_damage_of_a_dependency_is_repaired(
    prefix: Path, run_module: RunModule, four_steps: Steps, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    (site_packages(prefix) / "t_lib" / "__init__.py").unlink()
    result = four_steps("conda_pip", options("t-app==1.0"))
    assert result["plan"]["reinstall"] == ["t-lib"]


@pytest.mark.full
def test_damage_is_left_alone_when_told(prefix: Path, run_module: RunModule, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    (site_packages(prefix) / "t_app" / "__init__.py").unlink()
    result = run_module("conda_pip", options("t-app==1.0", repair=False))
    assert (result["rc"], result["changed"]) == (0, False), result
    result = run_module("conda_pip", options("t-app==1.0", "t-more", repair=False))
    assert (result["rc"], result["changed"]) == (0, True), result


@pytest.mark.full
def test_by_url(prefix: Path, thrice: Thrice, wheels: Path, options: Any) -> None:
    other = wheels.parent / "other wheels"
    other.mkdir()
    shutil.copy(wheels / "t_app-1.0-py3-none-any.whl", other)
    first = (wheels / "t_app-1.0-py3-none-any.whl").as_uri()
    second = (other / "t_app-1.0-py3-none-any.whl").as_uri()
    assert "%20" in second
    digest = hashlib.sha256((other / "t_app-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    result = thrice(options(f"t-app @ {first}"))
    assert f"t-app==1.0 (pip) @ {first}#sha256={digest}" in own_lines(result)
    result = thrice(options(f"t-app @ {second}"))
    assert f"t-app==1.0 (pip) @ {second}#sha256={digest}" in own_lines(result)
    # Another file at the same address is noticed when the line has its hash.
    make_wheel(other, "t-app", "1.0", files={"t_app/__init__.py": "NEW = True\n"})
    digest = hashlib.sha256((other / "t_app-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    result = thrice(options(f"t-app @ {second}#sha256={digest}"))
    assert f"t-app==1.0 (pip) @ {second}#sha256={digest}" in own_lines(result)
    assert "NEW" in (site_packages(prefix) / "t_app" / "__init__.py").read_text()


def test_hashes(prefix: Path, four_steps: Steps, wheels: Path, options: Any) -> None:
    four_steps("conda_pip", options(hashed(wheels, "t-app", "2.0"), hashed(wheels, "t-lib", "2.0")))
    assert installed(prefix)["t-app"] == "2.0"


@pytest.mark.full
def test_wrong_and_missing_hashes(
    prefix: Path, run_module: RunModule, wheels: Path, options: Any
) -> None:
    before = snapshot(prefix)
    result = run_module("conda_pip", options("t-app==1.0 --hash=sha256:" + "0" * 64))
    assert (result["rc"], result["kind"]) == (1, "hash"), result
    assert "does not have the requested hash" in result["msg"]
    result = run_module("conda_pip", options(hashed(wheels, "t-app", "1.0")))
    assert (result["rc"], result["kind"]) == (1, "hash"), result
    assert "exact version" in result["msg"]
    assert "t-lib" in result["said"]
    assert changes(still(before), still(snapshot(prefix))) == []


def test_conda_s_distributions_satisfy_requirements(
    prefix: Path, four_steps: Steps, options: Any
) -> None:
    result = four_steps("conda_pip", options("t-six-old", "six"))
    assert installed(prefix)["six"] == "1.16.0"
    assert "six==1.16.0 (conda)" in own_lines(result)


@pytest.mark.full
@pytest.mark.parametrize("check", [True, False])
def test_conda_s_distributions_are_not_replaced(
    check: bool, prefix: Path, run_module: RunModule, options: Any
) -> None:
    before = snapshot(prefix)
    for lines, wanted in (
        (["t-six"], "t-six 1.0 requires six>=1.17"),
        (["six>=1.17"], "six 1.16.0"),
    ):
        result = run_module("conda_pip", options(*lines), check=check)
        assert result["rc"] == 1
        assert "pip would have to replace packages that conda owns" in result["msg"]
        assert wanted in result["msg"]
        assert "replace_conda_packages: true" in result["msg"]
        assert result["conda_owned"] == ["six"]
    assert (
        "six 1.16.0 with 1.17.0 because"
        in run_module("conda_pip", options("t-six"), check=check)["msg"]
    )
    refused = run_module("conda_pip", options("six", state="absent"), check=check)
    assert "pip would have to remove packages that conda owns: six 1.16.0" in refused["msg"]
    refused = run_module("conda_pip", options("t-lib", "six", constraints=["six<1"]), check=check)
    assert "six 1.16.0 does not satisfy the constraint six<1" in refused["msg"]
    assert changes(still(before), still(snapshot(prefix))) == []


@pytest.mark.full
def test_conda_s_distributions_are_replaced_when_told(
    conda_installation: Path, make_env: Callable[..., Path], four_steps: Steps, wheels: Path
) -> None:
    prefix = make_env("python=3.11", "pip", "six=1.16")
    result = four_steps(
        "conda_pip",
        {
            "prefix": str(prefix),
            "requirements": ["t-six"],
            "no_index": True,
            "find_links": [str(wheels)],
            "replace_conda_packages": True,
        },
    )
    assert "six==1.17.0 (pip)" in own_lines(result)
    assert installed(prefix)["six"] == "1.17.0"


@pytest.mark.full
def test_what_does_not_fit_together_fails(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-old"))
    for check in (True, False):
        result = run_module("conda_pip", options("t-lib==2.0"), check=check)
        assert (result["rc"], result["kind"]) == (1, "pip_check"), result
        assert "t-old 1.0 has requirement t-lib<2, but you have t-lib 2.0." in result["msg"]
    result = run_module("conda_pip", options("t-lib==1.1"))
    assert (result["rc"], result["changed"]) == (0, True), result
    result = run_module("conda_pip", options("t-lib==2.0", check=False))
    assert (result["rc"], result["changed"]) == (0, True), result


ERRORS = {
    "no such name": (["t-nothing"], {}, "no_match", "No distribution was found for t-nothing"),
    "no such version": (["t-app>=3"], {}, "no_match", "versions seen: 1.0, 2.0"),
    "conflict": (["t-app==2.0", "t-old"], {}, "conflict", "t-old 1.0 depends on t-lib<2"),
    "against a constraint": (
        ["t-app>=2"],
        {"constraints": ["t-lib<2"]},
        "conflict",
        "The user requested (constraint) t-lib<2",
    ),
}


@pytest.mark.parametrize("case", only_full_but(ERRORS, "conflict"))
@pytest.mark.parametrize("check", [True, False])
def test_errors_say_what_is_wrong(
    case: str, check: bool, prefix: Path, run_module: RunModule, options: Any
) -> None:
    lines, more, kind, text = ERRORS[case]
    before = snapshot(prefix, prefix.parent)
    result = run_module("conda_pip", options(*lines, **more), check=check)
    assert (result["rc"], result["kind"], result["option"]) == (1, kind, "requirements"), result
    for expected in (text, str(prefix), lines[0], "What to do: "):
        assert expected in result["msg"]
    after = snapshot(prefix, prefix.parent)
    if not check:
        before, after = still(before), still(after)
        before.pop(str(prefix.parent))
        after.pop(str(prefix.parent))
    assert changes(before, after) == []


BAD_INPUT: dict[str, tuple[dict[str, Any], str]] = {
    "option of pip": ({"requirements": ["-r x.txt"]}, "option requirements: '-r x.txt'"),
    "editable": (
        {"requirements": ["-e ."]},
        "the source of an editable install cannot be identified",
    ),
    "no requirement": ({"requirements": ["a b"]}, "option requirements: 'a b'"),
    "constraint": ({"constraints": ["=1"]}, "option constraints: '=1'"),
    "constraint with extra": ({"constraints": ["a[b]<2"]}, "extras are not allowed in 'a[b]<2'"),
    "index": ({"no_index": False, "index_url": "/simple"}, "option index_url requires a URL"),
    "extra index": (
        {"no_index": False, "extra_index_urls": ["x"]},
        "option extra_index_urls requires a URL",
    ),
    "relative path": ({"find_links": ["wheels"]}, "option find_links requires absolute paths"),
    "path not there": ({"find_links": ["/no/such"]}, "option find_links names /no/such"),
    "index and none": (
        {"index_url": "https://h/s"},
        "no_index and index_url are mutually exclusive",
    ),
    "no source": ({"find_links": []}, "option no_index requires find_links"),
    "host": ({"trusted_hosts": ["http://h/"]}, "option trusted_hosts requires host names"),
    "prefix": ({"prefix": "relative/env"}, "option prefix is not an absolute path"),
    "no environment": ({"prefix": "/no/such/env"}, "There is no conda environment at /no/such/env"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_changes_nothing(
    case: str, prefix: Path, run_module: RunModule, options: Any
) -> None:
    more, text = BAD_INPUT[case]
    before = snapshot(prefix, prefix.parent)
    result = run_module("conda_pip", {**options("t-app"), **more})
    assert result["rc"] == 1
    assert text in result["msg"]
    assert "Nothing was changed" in result["msg"]
    assert changes(before, snapshot(prefix, prefix.parent)) == []


def test_without_an_environment_check_mode_foresees_one(
    tmp_path: Path, run_module: RunModule, options: Any
) -> None:
    prefix = tmp_path / "to-be-made"
    result = run_module("conda_pip", options("t-app", "t-lib<2", prefix=str(prefix)), check=True)
    assert (result["rc"], result["changed"]) == (0, True), result
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"] == "t-app (to be resolved)\nt-lib<2 (to be resolved)\n"
    assert not prefix.exists()
    gone = run_module("conda_pip", options("t-app", prefix=str(prefix), state="absent"))
    assert (gone["rc"], gone["changed"]) == (0, False), gone


def test_a_virtual_environment_is_none_of_conda_s(
    tmp_path: Path, run_module: RunModule, options: Any
) -> None:
    (tmp_path / "venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    result = run_module("conda_pip", options("t-app", prefix=str(tmp_path / "venv")))
    assert "There is no conda environment" in result["msg"]


def test_without_pip_or_python(
    make_env: Callable[..., Path], run_module: RunModule, wheels: Path
) -> None:
    prefix = make_env("lab-upgrade")
    result = run_module("conda_pip", {"prefix": str(prefix), "requirements": ["t-app"]})
    assert "There is no Python in the environment" in result["msg"]
    assert "llmfleet.conda.conda_env" in result["msg"]


def test_a_frozen_environment_is_not_changed(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    frozen = prefix / "conda-meta" / "frozen"
    frozen.write_text("{}")
    try:
        result = run_module("conda_pip", options("t-app"))
        assert "is frozen" in result["msg"]
        assert "t-app is not installed" in result["msg"]
        assert run_module("conda_pip", options("six"))["rc"] == 0
    finally:
        frozen.unlink()


def test_nothing_to_do_starts_no_python(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path
) -> None:
    names = [f"t-many-{number}" for number in range(100)]
    for number, name in enumerate(names):
        make_wheel(wheels, name, "1.0", requires=names[number + 1 : number + 3])
    assert run_module("conda_pip", options(*names))["changed"]
    # A Python that cannot run: whoever started it would fail.
    python = prefix / "bin" / "python"
    away = python.rename(prefix / "bin" / "python.away")
    try:
        result = run_module("conda_pip", options(*names))
        assert (result["rc"], result["changed"]) == (0, False), result
    finally:
        away.rename(python)
