"""conda_pip on a real conda environment with its real pip; judged by pip itself and by Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab.mirror import Mirror
from tests.integration.four_steps import Steps
from tests.integration.snapshot import changes, snapshot

ROOT = Path(__file__).resolve().parents[2]
RunModule = Callable[..., dict[str, Any]]
JOURNAL = Path("conda-meta", ".llmfleet-journal")


def _pip(prefix: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", "-m", "pip", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(prefix), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def environment(conda_installation: Path, run_module: RunModule) -> Iterator[Path]:
    """An environment with Python, pip and conda's six 1.16, shared by the tests of this file."""
    prefix = conda_installation / "envs" / "pip"
    options = {
        "installation": str(conda_installation),
        "prefix": str(prefix),
        "packages": ["python=3.11", "pip", "six=1.16"],
    }
    assert run_module("conda_env", options)["changed"]
    yield prefix
    run_module("conda_env", {**options, "packages": [], "state": "absent"})


@pytest.fixture
def prefix(environment: Path) -> Iterator[Path]:
    """The shared environment; afterwards everything that pip installed is removed again."""
    owned = set(_listed(environment))
    yield environment
    site = _site(environment)
    for leftover in [*site.glob("t_*"), *site.glob("~*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    more = [name for name in _listed(environment) if name not in owned]
    if more:
        _pip(environment, "uninstall", "--yes", *more)


def _site(prefix: Path) -> Path:
    return next((prefix / "lib").glob("python3.*")) / "site-packages"


def _listed(prefix: Path) -> dict[str, str]:
    found = json.loads(_pip(prefix, "list", "--format", "json"))
    return {item["name"].lower().replace("_", "-"): item["version"] for item in found}


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheelhouse with a few small distributions that need each other."""
    house = tmp_path / "wheels"
    for version in ("1.0", "1.1", "2.0"):
        make_wheel(house, "t-lib", version)
    make_wheel(house, "t-app", "1.0", requires=["t-lib>=1.0"], scripts={"t-app": "t_app:main"})
    make_wheel(house, "t-app", "2.0", requires=["t-lib>=2"])
    make_wheel(house, "t-old", "1.0", requires=["t-lib<2"])
    make_wheel(
        house,
        "t-more",
        "1.0",
        requires=["t-lib>=1.1; extra == 'lib'", "t-old; python_version < '3.0'"],
        extras=["lib"],
    )
    make_wheel(house, "t-six", "1.0", requires=["six>=1.17"])
    make_wheel(house, "t-six-old", "1.0", requires=["six>=1.10"])
    make_wheel(house, "six", "1.17.0")
    return house


@pytest.fixture
def options(prefix: Path, wheels: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_pip that install from the wheelhouse alone."""

    def make(*requirements: str, **more: Any) -> dict[str, Any]:
        base = {"prefix": str(prefix), "no_index": True, "find_links": [str(wheels)]}
        return {**base, "requirements": list(requirements), **more}

    return make


def _lines(result: dict[str, Any], side: str = "after") -> list[str]:
    text: str = result["diff"][side]
    return [line for line in text.splitlines() if line.startswith(("t-", "six"))]


def test_install_with_what_it_needs(prefix: Path, four_steps: Steps, options: Any) -> None:
    result = four_steps("conda_pip", options("t-app==1.0"))
    assert _lines(result) == ["six==1.16.0 (conda)", "t-app==1.0 (pip)", "t-lib==2.0 (pip)"]
    listed = _listed(prefix)
    assert (listed["t-app"], listed["t-lib"]) == ("1.0", "2.0")
    assert {one["name"]: one["version"] for one in result["packages"]} == listed
    assert (prefix / "bin" / "t-app").exists()
    assert _pip(prefix, "check").startswith("No broken")


Thrice = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def thrice(run_module: RunModule) -> Thrice:
    """Check, run, run again, without the file by file comparison of `four_steps`."""

    def run(options: dict[str, Any]) -> dict[str, Any]:
        foreseen = run_module("conda_pip", options, check=True)
        done = run_module("conda_pip", options)
        again = run_module("conda_pip", options)
        assert [one["rc"] for one in (foreseen, done, again)] == [0, 0, 0], (foreseen, done)
        assert [one["changed"] for one in (foreseen, done, again)] == [True, True, False]
        assert foreseen["diff"] == done["diff"]
        assert again["diff"]["after"] == done["diff"]["after"]
        return done

    return run


@pytest.mark.parametrize("python", ["3.8", "3.13"])
def test_other_pythons(
    python: str, make_env: Callable[..., Path], thrice: Thrice, options: Any, run_module: RunModule
) -> None:
    prefix = make_env(f"python={python}", "pip")
    there = {"prefix": str(prefix)}
    thrice(options("t-app==1.0", "t-lib<2", **there))
    (_site(prefix) / "t_app" / "__init__.py").unlink()
    (_site(prefix) / "t_lib-1.1.dist-info" / "METADATA").unlink()
    thrice(options("t-app==1.0", **there))
    thrice(options("t-app", state="latest", **there))
    assert _listed(prefix)["t-app"] == "2.0"
    thrice(options("t-app", state="absent", **there))
    result = run_module("conda_pip", options("t-app>=3", **there))
    assert (result["kind"], result["option"]) == ("no_match", "requirements"), result


def test_by_installation_and_name(
    prefix: Path, conda_installation: Path, run_module: RunModule, options: Any
) -> None:
    named = options("t-lib", prefix=None, installation=str(conda_installation), name=prefix.name)
    result = run_module("conda_pip", named)
    assert (result["rc"], result["prefix"]) == (0, str(prefix)), result
    assert "t-lib" in _listed(prefix)


def test_upgrade_and_downgrade_by_specifier(prefix: Path, thrice: Thrice, options: Any) -> None:
    thrice(options("t-lib==1.0"))
    assert _listed(prefix)["t-lib"] == "1.0"
    thrice(options("t-lib>1"))
    assert _listed(prefix)["t-lib"] == "2.0"
    thrice(options("t-lib", constraints=["t-lib<2"]))
    assert _listed(prefix)["t-lib"] == "1.1"


def test_extras_and_markers(prefix: Path, thrice: Thrice, options: Any) -> None:
    thrice(options("t-more", "t-old; python_version < '3.0'"))
    assert "t-lib" not in _listed(prefix)
    thrice(options("t-more[lib]", "t-old; python_version < '3.0'"))
    assert "t-lib" in _listed(prefix)
    assert "t-old" not in _listed(prefix)


def test_latest(prefix: Path, run_module: RunModule, four_steps: Steps, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0", "t-lib==1.0"))
    four_steps("conda_pip", options("t-app", state="latest"), asks_conda=True)
    listed = _listed(prefix)
    assert (listed["t-app"], listed["t-lib"]) == ("2.0", "2.0")


def test_latest_leaves_conda_s_alone(prefix: Path, run_module: RunModule, options: Any) -> None:
    result = run_module("conda_pip", options("six", state="latest"))
    assert (result["rc"], result["changed"]) == (0, False), result
    assert _listed(prefix)["six"] == "1.16.0"


def test_absent(prefix: Path, run_module: RunModule, four_steps: Steps, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    result = run_module("conda_pip", options("t-app==9", state="absent"))
    assert not result["changed"], result
    four_steps("conda_pip", options("t-app", "not-there", state="absent"))
    listed = _listed(prefix)
    assert "t-app" not in listed
    assert "t-lib" in listed


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
    assert "t-lib" not in _listed(prefix)


@pytest.mark.parametrize(
    ("damage", "before"),
    [
        ("module", "t-app==1.0 (pip, damaged)"),
        ("truncated", "t-app==1.0 (pip, damaged)"),
        ("record", "t-app==1.0 (pip, damaged)"),
        ("metadata", "t-app==1.0 (pip, incomplete)"),
        ("script", "t-app==1.0 (pip, damaged)"),
    ],
)
def test_damage_is_repaired(
    damage: str, before: str, prefix: Path, run_module: RunModule, thrice: Thrice, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    site = _site(prefix)
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
    assert before in _lines(result, "before")
    assert "t-app==1.0 (pip)" in _lines(result)
    assert paths[damage].stat().st_size > 0
    assert _pip(prefix, "check").startswith("No broken")


def test_damage_of_a_dependency_is_repaired(
    prefix: Path, run_module: RunModule, four_steps: Steps, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    (_site(prefix) / "t_lib" / "__init__.py").unlink()
    result = four_steps("conda_pip", options("t-app==1.0"))
    assert result["plan"]["reinstall"] == ["t-lib"]


def test_damage_is_left_alone_when_told(prefix: Path, run_module: RunModule, options: Any) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    (_site(prefix) / "t_app" / "__init__.py").unlink()
    result = run_module("conda_pip", options("t-app==1.0", repair=False))
    assert (result["rc"], result["changed"]) == (0, False), result
    result = run_module("conda_pip", options("t-app==1.0", "t-more", repair=False))
    assert (result["rc"], result["changed"]) == (0, True), result


def test_what_a_killed_pip_left_is_cleared_away(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    site = _site(prefix)
    # As pip leaves it when it is killed while it replaces a distribution.
    (site / "t_app-1.0.dist-info").rename(site / "~_app-1.0.dist-info")
    (site / "t_app").rename(site / "~_app")
    journal = prefix / JOURNAL
    journal.write_text(json.dumps({"operation": "pip"}))
    left = prefix.parent / f".{prefix.name}.llmfleet-pip-left"
    left.mkdir()
    result = run_module("conda_pip", options("t-app==1.0"))
    assert (result["rc"], result["changed"]) == (0, True), result
    assert list(site.glob("~*")) == []
    assert not journal.exists()
    assert not left.exists()
    # As it is when the run was killed after its last change.
    journal.write_text(json.dumps({"operation": "pip"}))
    left.mkdir()
    result = run_module("conda_pip", options("t-app==1.0"))
    assert (result["rc"], result["changed"]) == (0, False), result
    assert not journal.exists()
    assert not left.exists()


def test_by_url(prefix: Path, thrice: Thrice, wheels: Path, options: Any) -> None:
    other = wheels.parent / "other wheels"
    other.mkdir()
    shutil.copy(wheels / "t_app-1.0-py3-none-any.whl", other)
    first = (wheels / "t_app-1.0-py3-none-any.whl").as_uri()
    second = (other / "t_app-1.0-py3-none-any.whl").as_uri()
    assert "%20" in second
    digest = hashlib.sha256((other / "t_app-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    result = thrice(options(f"t-app @ {first}"))
    assert f"t-app==1.0 (pip) @ {first}#sha256={digest}" in _lines(result)
    result = thrice(options(f"t-app @ {second}"))
    assert f"t-app==1.0 (pip) @ {second}#sha256={digest}" in _lines(result)
    # Another file at the same address is noticed when the line has its hash.
    make_wheel(other, "t-app", "1.0", files={"t_app/__init__.py": "NEW = True\n"})
    digest = hashlib.sha256((other / "t_app-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    result = thrice(options(f"t-app @ {second}#sha256={digest}"))
    assert f"t-app==1.0 (pip) @ {second}#sha256={digest}" in _lines(result)
    assert "NEW" in (_site(prefix) / "t_app" / "__init__.py").read_text()


def _hashed(wheels: Path, name: str, version: str) -> str:
    path = wheels / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_hashes(prefix: Path, four_steps: Steps, wheels: Path, options: Any) -> None:
    four_steps(
        "conda_pip", options(_hashed(wheels, "t-app", "2.0"), _hashed(wheels, "t-lib", "2.0"))
    )
    assert _listed(prefix)["t-app"] == "2.0"


def test_wrong_and_missing_hashes(
    prefix: Path, run_module: RunModule, wheels: Path, options: Any
) -> None:
    before = snapshot(prefix)
    result = run_module("conda_pip", options("t-app==1.0 --hash=sha256:" + "0" * 64))
    assert (result["rc"], result["kind"]) == (1, "hash"), result
    assert "does not have the hash" in result["msg"]
    result = run_module("conda_pip", options(_hashed(wheels, "t-app", "1.0")))
    assert (result["rc"], result["kind"]) == (1, "hash"), result
    assert "exact version" in result["msg"]
    assert "t-lib" in result["said"]
    assert changes(_still(before), _still(snapshot(prefix))) == []


def _still(found: dict[str, Any]) -> dict[str, Any]:
    """Without the directory of the lock, whose time changes even when a run fails."""
    return {path: entry for path, entry in found.items() if not path.endswith("/conda-meta")}


def test_conda_s_distributions_satisfy_requirements(
    prefix: Path, four_steps: Steps, options: Any
) -> None:
    result = four_steps("conda_pip", options("t-six-old", "six"))
    assert _listed(prefix)["six"] == "1.16.0"
    assert "six==1.16.0 (conda)" in _lines(result)


@pytest.mark.parametrize("check", [True, False])
def test_conda_s_distributions_are_not_replaced(
    check: bool, prefix: Path, run_module: RunModule, options: Any
) -> None:
    before = snapshot(prefix)
    for lines, wanted in ((["t-six"], "t-six 1.0 needs six>=1.17"), (["six>=1.17"], "six 1.16.0")):
        result = run_module("conda_pip", options(*lines), check=check)
        assert result["rc"] == 1
        assert "pip would have to replace what conda owns" in result["msg"]
        assert wanted in result["msg"]
        assert "replace_conda_packages: true" in result["msg"]
        assert result["conda_owned"] == ["six"]
    assert "by 1.17.0 from pip" in run_module("conda_pip", options("t-six"), check=check)["msg"]
    refused = run_module("conda_pip", options("six", state="absent"), check=check)
    assert "pip would have to remove what conda owns: six 1.16.0" in refused["msg"]
    refused = run_module("conda_pip", options("t-lib", "six", constraints=["six<1"]), check=check)
    assert "six 1.16.0 does not satisfy the constraint six<1" in refused["msg"]
    assert changes(_still(before), _still(snapshot(prefix))) == []


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
    assert "six==1.17.0 (pip)" in _lines(result)
    assert _listed(prefix)["six"] == "1.17.0"


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


@pytest.mark.parametrize("case", ERRORS)
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
        before, after = _still(before), _still(after)
        before.pop(str(prefix.parent))
        after.pop(str(prefix.parent))
    assert changes(before, after) == []


BAD_INPUT: dict[str, tuple[dict[str, Any], str]] = {
    "option of pip": ({"requirements": ["-r x.txt"]}, "option requirements: '-r x.txt'"),
    "editable": ({"requirements": ["-e ."]}, "an editable install cannot be told"),
    "no requirement": ({"requirements": ["a b"]}, "option requirements: 'a b'"),
    "constraint": ({"constraints": ["=1"]}, "option constraints: '=1'"),
    "constraint with extra": ({"constraints": ["a[b]<2"]}, "extras have no meaning in 'a[b]<2'"),
    "index": ({"no_index": False, "index_url": "/simple"}, "option index_url takes an address"),
    "extra index": (
        {"no_index": False, "extra_index_urls": ["x"]},
        "option extra_index_urls takes an address",
    ),
    "relative path": ({"find_links": ["wheels"]}, "option find_links takes absolute paths"),
    "path not there": ({"find_links": ["/no/such"]}, "option find_links names /no/such"),
    "index and none": ({"index_url": "https://h/s"}, "no_index and index_url exclude each other"),
    "no source": ({"find_links": []}, "option no_index needs find_links"),
    "host": ({"trusted_hosts": ["http://h/"]}, "option trusted_hosts takes names of hosts"),
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


def test_a_cut_off_run_of_conda_comes_first(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    journal = prefix / JOURNAL
    journal.write_text(json.dumps({"operation": "change"}))
    try:
        result = run_module("conda_pip", options("t-app"))
        assert "A run of conda" in result["msg"]
        assert journal.exists()
    finally:
        journal.unlink()


@pytest.fixture
def index(mirror: Mirror, wheels: Path) -> Iterator[str]:
    """The address of a package index, served by a mirror of its own, with the wheelhouse's wheels."""
    root = wheels.parent / "index"
    for wheel in sorted(wheels.iterdir()):
        project = root / "simple" / wheel.name.split("-")[0].replace("_", "-")
        project.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, project)
        links = [f'<a href="{path.name}">{path.name}</a>' for path in sorted(project.glob("*.whl"))]
        (project / "index.html").write_text("\n".join(links))
    with Mirror(root) as running:
        yield running.url


def _from(url: str, *requirements: str, **more: Any) -> dict[str, Any]:
    return {
        "index_url": f"{url}/simple",
        "no_index": False,
        "find_links": [],
        "requirements": list(requirements),
        **more,
    }


def test_from_an_index(prefix: Path, four_steps: Steps, options: Any, index: str) -> None:
    four_steps("conda_pip", {**options(), **_from(index, "t-app==1.0")})
    assert _listed(prefix)["t-app"] == "1.0"


def test_from_an_extra_index(
    prefix: Path, run_module: RunModule, options: Any, index: str, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with Mirror(empty) as nothing:
        more = _from(nothing.url, "t-app==1.0", extra_index_urls=[f"{index}/simple"])
        result = run_module("conda_pip", {**options(), **more})
    assert (result["rc"], result["changed"]) == (0, True), result


def test_credentials_do_not_show(
    prefix: Path, run_module: RunModule, options: Any, index: str
) -> None:
    secret = index.replace("://", "://robot:open-sesame@")
    for lines in (
        ["t-nothing"],
        ["t-app"],
        [f"t-lib @ {secret}/simple/t-lib/t_lib-2.0-py3-none-any.whl"],
    ):
        result = run_module("conda_pip", {**options(), **_from(secret, *lines)})
        assert "open-sesame" not in json.dumps(result)
        assert result["rc"] == (1 if lines == ["t-nothing"] else 0), result
    assert "t-lib" in _listed(prefix)
    again = run_module("conda_pip", {**options(), **_from(secret, *lines)})
    assert (again["rc"], again["changed"]) == (0, False), again


FAULTS = {
    "500": ("status", {"code": 500}, "http", "HTTP 500", True),
    "403": ("status", {"code": 403}, "credentials", "HTTP 403", False),
    "404": ("status", {"code": 404}, "no_match", "No distribution was found", False),
    "cut off": ("reset", {}, "network", "cannot be reached, or broke off", True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_an_index(
    fault: str, prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    kind, how, expected, text, retried = FAULTS[fault]
    before = _still(snapshot(prefix))
    with Mirror(wheels.parent / "index") as running:
        running.fault("/simple/*", kind, **how)
        result = run_module("conda_pip", {**options(), **_from(running.url, "t-app==1.0")})
    assert (result["rc"], result["kind"]) == (1, expected), result
    assert text in result["msg"]
    assert ("It was tried 3 times" in result["msg"]) == retried
    assert changes(before, _still(snapshot(prefix))) == []


def test_a_fault_that_passes_is_overcome(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    with Mirror(wheels.parent / "index") as running:
        running.fault("/simple/t-app/*", "status", code=503, times=4)
        result = run_module("conda_pip", {**options(), **_from(running.url, "t-app==1.0")})
    assert (result["rc"], result["changed"]) == (0, True), result


def test_half_a_file_is_not_installed(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    with Mirror(wheels.parent / "index") as running:
        running.fault("*/t_lib-1.0-*.whl", "truncate", fraction=0.5)
        result = run_module("conda_pip", {**options(), **_from(running.url, "t-lib==1.0")})
    assert result["rc"] == 1
    assert result["kind"] in ("download", "network"), result
    assert "t-lib" not in _listed(prefix)


def test_an_index_that_is_not_there(prefix: Path, run_module: RunModule, options: Any) -> None:
    more = _from("http://127.0.0.1:9", "t-app")
    result = run_module("conda_pip", {**options(), **more})
    assert (result["rc"], result["kind"], result["option"]) == (1, "network", "index_url"), result


def test_the_host_s_pip_configuration_does_not_mix_in(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, tmp_path: Path
) -> None:
    house = tmp_path / "empty house"
    house.mkdir()
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {wheels}\nuser = true\n")
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    shutil.copy(configuration, home / ".config" / "pip" / "pip.conf")
    environment = {"HOME": str(home)}
    alone = options("t-app", find_links=[str(house)])
    result = run_module("conda_pip", alone, environment=environment)
    assert result.get("kind") == "no_match", result
    with_configuration = options("t-app==1.0", no_index=None, find_links=[])
    result = run_module("conda_pip", with_configuration, environment=environment)
    assert (result["rc"], result["changed"]) == (0, True), result
    assert (_site(prefix) / "t_app").is_dir()


def test_the_environment_of_the_caller_does_not_mix_in(
    prefix: Path, run_module: RunModule, options: Any, tmp_path: Path
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("raise SystemExit('the wrong pip')\n")
    environment = {
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_REQUIRE_HASHES": "1",
        "VIRTUAL_ENV": str(tmp_path),
        "PYTHONHOME": str(tmp_path),
        "CONDA_PREFIX": str(tmp_path),
    }
    # PYTHONHOME would stop the module's own interpreter too, so that one is left out there.
    environment.pop("PYTHONHOME")
    result = run_module("conda_pip", options("t-app==1.0"), environment=environment)
    assert (result["rc"], result["changed"]) == (0, True), result
    assert (_site(prefix) / "t_app").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_beside_the_prefix(
    prefix: Path, run_module: RunModule, options: Any
) -> None:
    run_module("conda_pip", options("t-app==1.0"))
    run_module("conda_pip", options("t-nothing"))
    assert [path.name for path in prefix.parent.iterdir() if "llmfleet" in path.name] == []
    assert [
        path.name for path in (prefix / "conda-meta").iterdir() if "llmfleet" in path.name
    ] == []


@pytest.mark.parametrize("moment", [0.1, 0.35, 0.6, 0.85])
def test_killed_at_any_moment_the_next_run_converges(
    moment: float, prefix: Path, run_module: RunModule, options: Any, wheels: Path, home: Path
) -> None:
    for version in ("1.0", "2.0"):
        for name in ("t-one", "t-two", "t-three"):
            stem = name.replace("-", "_")
            files = {f"{stem}/m{number}.py": f"V = '{version}'\n" * 9 for number in range(150)}
            make_wheel(wheels, name, version, files={f"{stem}/__init__.py": "", **files})
    lines = ["t-one", "t-two", "t-three"]
    old, new = ([f"{line}=={version}" for line in lines] for version in ("1.0", "2.0"))
    assert run_module("conda_pip", options(*old))["changed"]
    clock = time.monotonic()
    assert run_module("conda_pip", options(*new))["changed"]
    seconds = time.monotonic() - clock
    assert run_module("conda_pip", options(*old))["changed"]
    _run_and_kill("conda_pip", options(*new), home, prefix, seconds * moment)
    result = run_module("conda_pip", options(*new))
    assert result["rc"] == 0, result
    listed = _listed(prefix)
    assert {name: listed[name] for name in lines} == dict.fromkeys(lines, "2.0")
    assert _pip(prefix, "check").startswith("No broken")
    show = "import t_one.m149, t_two.m149, t_three.m149; print(t_one.m149.V, t_two.m149.V)"
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", "-B", "-c", show], capture_output=True, text=True
    )
    assert done.stdout.split() == ["2.0", "2.0"], done.stderr
    assert list(_site(prefix).glob("~*")) == []
    assert [path.name for path in prefix.parent.iterdir() if "llmfleet-pip" in path.name] == []
    assert not run_module("conda_pip", options(*new))["changed"]


def _run_and_kill(
    name: str, arguments: dict[str, Any], home: Path, prefix: Path, seconds: float
) -> None:
    """Start a module and kill -9 it and all that it started after some seconds, as a power cut does."""
    python = str(prefix / "bin" / "python")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "run_module.py"), name, json.dumps(arguments)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(ROOT / "build" / "collections"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.kill()
    process.wait()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if command[0].decode() == python:
            os.kill(int(entry.parent.name), signal.SIGKILL)


@pytest.mark.root
def test_full_disk(
    conda_installation: Path, prefix: Path, run_module: RunModule, options: Any, wheels: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small volume")
    make_wheel(wheels, "t-big", "1.0", files={"t_big/data.txt": "0123456789" * 400_000})
    volume = _site(prefix) / "t_big"
    volume.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "llmfleet-test", str(volume)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this container may not mount")
    try:
        result = run_module("conda_pip", options("t-big"))
    finally:
        subprocess.run(["umount", str(volume)], check=True)
    assert (result["rc"], result["kind"], result["option"]) == (1, "disk_full", "prefix"), result
    assert "make room" in result["msg"]
    volume.rmdir()
    assert run_module("conda_pip", options("t-big"))["changed"]


@pytest.mark.root
def test_no_permission(prefix: Path, run_module: RunModule, options: Any, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(directory.stat().st_mode | 0o055)
    before = snapshot(prefix)
    result = run_module("conda_pip", options("t-app"), user=65534)
    assert result["rc"] == 1
    assert "become" in result["msg"], result
    assert changes(before, snapshot(prefix)) == []


def test_nothing_to_do_takes_milliseconds(
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
        seconds = []
        for _attempt in range(5):
            clock = time.perf_counter()
            result = run_module("conda_pip", options(*names))
            seconds.append(time.perf_counter() - clock)
            assert (result["rc"], result["changed"]) == (0, False), result
    finally:
        away.rename(python)
    print(f"nothing to do with 100 distributions: {min(seconds):.3f} s with Python's own start")
    assert min(seconds) < 3.0
