"""What is damaged or was cut off is mended by the next run; the real conda and Python are the judges."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import counter
from tests.integration.four_steps import Steps
from tests.integration.lab_conda import run_conda
from tests.integration.selection import only_full_but
from tests.integration.target import module_command, module_environment

MakeEnv = Callable[..., Path]
Versions = Callable[[Path], dict[str, str]]


@pytest.fixture
def options(conda_installation: Path) -> Callable[..., dict[str, Any]]:
    """Options of conda_env for one prefix of the shared installation."""

    def make(prefix: Path, *packages: str, **more: Any) -> dict[str, Any]:
        base = {"installation": str(conda_installation), "prefix": str(prefix)}
        return {**base, "packages": list(packages), **more}

    return make


def exact_pins(prefix: Path) -> list[str]:
    """Specs in the history that name one version or build, which conda would hold on to for ever."""
    text = (prefix / "conda-meta" / "history").read_text()
    specs = re.findall(r"^# (?:update|install|neutered) specs: (.*)$", text, re.MULTILINE)
    return [
        spec
        for line in specs
        for spec in re.findall(r"'([^']+)'", line)
        if "==" in spec or spec.count("=") > 1
    ]


def leftovers(prefix: Path) -> list[str]:
    """Journals, locks and work directories of ours, inside the prefix and beside it."""
    found = [*prefix.parent.glob(f".{prefix.name}.llmfleet*")]
    found += [
        *(prefix / "conda-meta").glob(".llmfleet*"),
        *(prefix / "conda-meta").glob("*.unread*"),
    ]
    return [path.name for path in found]


def python_says(prefix: Path, code: str) -> str:
    """What the environment's own Python prints."""
    argv = [str(prefix / "bin" / "python"), "-I", "-c", code]
    done = subprocess.run(argv, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


NUMPY = ("python=3.11", "numpy")
NUMPY_FILE = "lib/python3.11/site-packages/numpy/__init__.py"


@pytest.fixture(scope="module")
def numpy_env(
    conda_installation: Path, run_module: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An environment with numpy, which every test here breaks and leaves whole."""
    prefix = tmp_path_factory.mktemp("envs") / "numpy"
    options = {"installation": str(conda_installation), "prefix": str(prefix)}
    assert run_module("conda_env", {**options, "packages": list(NUMPY)})["changed"]
    return prefix


def check_numpy(prefix: Path, versions: Versions) -> None:
    """The environment works, conda agrees, and nothing of the repair is left in it."""
    assert python_says(prefix, "import numpy; print(numpy.arange(3).sum())") == "3"
    assert versions(prefix)["numpy"].startswith("2.")
    assert exact_pins(prefix) == []
    assert leftovers(prefix) == []


@pytest.mark.full
@pytest.mark.parametrize(
    "damage", only_full_but(["deleted", "truncated", "emptied directory"], "deleted")
)
def test_files_of_a_package(
    damage: str, numpy_env: Path, four_steps: Steps, options: Any, versions: Versions
) -> None:
    path = numpy_env / NUMPY_FILE
    whole, listed = path.read_bytes(), versions(numpy_env)
    if damage == "emptied directory":
        for each in path.parent.glob("*.py"):
            each.unlink()
    else:
        path.unlink()
        if damage == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
    steps = Steps(four_steps.run_module, (*four_steps.roots, numpy_env), four_steps.installation)
    result = steps("conda_env", options(numpy_env, *NUMPY))
    assert result["plan"]["reinstall"] == ["numpy"]
    assert any("numpy is damaged" in reason for reason in result["plan"]["reasons"])
    assert path.read_bytes() == whole
    assert versions(numpy_env) == listed
    check_numpy(numpy_env, versions)


@pytest.mark.full
def test_a_truncated_file_of_a_noarch_package(
    numpy_env: Path, run_module: Any, options: Any, versions: Versions
) -> None:
    """conda records the sizes of such files under other names than it links them to."""
    path = numpy_env / "lib" / "python3.11" / "site-packages" / "tqdm" / "std.py"
    run_module("conda_env", options(numpy_env, *NUMPY, "tqdm"))
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:100])
    result = run_module("conda_env", options(numpy_env, *NUMPY, "tqdm"))
    assert result["plan"]["reinstall"] == ["tqdm"]
    assert path.read_bytes() == whole
    check_numpy(numpy_env, versions)


@pytest.mark.full
def test_conda_package_mends_too(
    numpy_env: Path, run_module: Any, options: Any, versions: Versions
) -> None:
    (numpy_env / NUMPY_FILE).unlink()
    assert not run_module("conda_package", options(numpy_env, "numpy", repair=False))["changed"]
    assert run_module("conda_package", options(numpy_env, "numpy"))["changed"]
    check_numpy(numpy_env, versions)


@pytest.mark.full
@pytest.mark.parametrize(
    "damage",
    ["deleted", "emptied", "half", "not a record", "second"],
)
def test_record_of_a_package(
    damage: str, numpy_env: Path, four_steps: Steps, options: Any, versions: Versions
) -> None:
    (record,) = (numpy_env / "conda-meta").glob("numpy-*.json")
    whole = record.read_bytes()
    if damage == "deleted":
        record.unlink()
    elif damage == "second":
        # What an update leaves that is cut off between the new record and the removal of the old one.
        old = {
            **json.loads(whole),
            "version": "0.1",
            "build": "lab_0",
            "fn": "numpy-0.1-lab_0.conda",
        }
        (record.parent / "numpy-0.1-lab_0.json").write_text(json.dumps(old))
    else:
        record.write_bytes({"emptied": b"", "half": whole[:999], "not a record": b"[]"}[damage])
    steps = Steps(four_steps.run_module, (*four_steps.roots, numpy_env), four_steps.installation)
    steps("conda_env", options(numpy_env, *NUMPY))
    assert [path.name for path in record.parent.glob("numpy-*")] == [record.name]
    assert json.loads(record.read_text())["name"] == "numpy"
    check_numpy(numpy_env, versions)


@pytest.mark.full
def test_record_of_a_dependency(
    make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-conflict-a")
    for damage in ("deleted", "emptied"):
        (record,) = (prefix / "conda-meta").glob("lab-upgrade-*.json")
        record.unlink()
        if damage == "emptied":
            record.touch()
        assert run_module("conda_env", options(prefix, "lab-conflict-a"))["changed"]
        assert versions(prefix) == {"lab-conflict-a": "1.0", "lab-upgrade": "2.0"}
        assert exact_pins(prefix) == []
        assert leftovers(prefix) == []
        assert not run_module("conda_env", options(prefix, "lab-conflict-a"))["changed"]


@pytest.mark.full
@pytest.mark.parametrize("damage", ["emptied", "half"])
def test_record_of_a_package_that_nobody_names(
    damage: str, make_env: MakeEnv, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = make_env("lab-upgrade=1.0", "lab-needs-glibc")
    (record,) = (prefix / "conda-meta").glob("lab-needs-glibc-*.json")
    record.write_bytes(record.read_bytes()[: 99 if damage == "half" else 0])
    assert run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]
    assert versions(prefix) == {"lab-upgrade": "1.0", "lab-needs-glibc": "1.0"}
    assert exact_pins(prefix) == []
    assert leftovers(prefix) == []
    assert not run_module("conda_env", options(prefix, "lab-upgrade"))["changed"]


def test_history_that_was_deleted_is_no_reason_to_wipe(
    make_env: MakeEnv, run_module: Any, options: Any
) -> None:
    prefix = make_env("lab-upgrade")
    history = prefix / "conda-meta" / "history"
    text = history.read_text()
    history.unlink()
    result = run_module("conda_env", options(prefix, "lab-upgrade"))
    assert result["rc"] == 1
    assert "conda-meta/history" in result["msg"]
    assert (prefix / "share" / "lab-upgrade.txt").is_file()
    history.write_text(text)


# -- the base ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_installation(
    run_module: Any, installer_options: Any, tmp_path_factory: pytest.TempPathFactory, mirror: Any
) -> Path:
    """An installation that these tests may break, with an environment and a condarc of its user's."""
    prefix = tmp_path_factory.mktemp("own") / "base"
    assert run_module("conda_installation", installer_options(prefix))["changed"]
    settings = {"channel_alias": f"{mirror.url}/conda", "channels": ["lab"]}
    config = {"scope": "prefix", "installation": str(prefix), "settings": settings}
    assert run_module("conda_config", config)["changed"]
    kept = {"installation": str(prefix), "name": "kept", "packages": ["lab-upgrade=1.1"]}
    assert run_module("conda_env", kept)["changed"]
    more = {"installation": str(prefix), "name": "base", "packages": ["lab-rebuilt"]}
    assert run_module("conda_package", more)["changed"]
    return prefix


@pytest.mark.parametrize(
    "victims",
    only_full_but(
        [
            ["requests/__init__.py"],
            ["conda/__main__.py"],
            ["record of python"],
            ["record of requests", "requests/__init__.py"],
            ["bin/python3.11"],
        ],
        ["bin/python3.11"],
    ),
    ids=lambda victims: "+".join(Path(name).name for name in victims),
)
def test_base(
    victims: list[str],
    own_installation: Path,
    run_module: Any,
    installer_options: Any,
    home: Path,
) -> None:
    prefix = own_installation
    condarc, pins = (prefix / ".condarc").read_text(), exact_pins(prefix)
    before = {item["name"]: item["version"] for item in _listed(prefix, home)}
    for victim in victims:
        if victim.startswith("record of "):
            (path,) = (prefix / "conda-meta").glob(f"{victim.split()[-1]}-[0-9]*.json")
        elif victim.startswith("bin/"):
            path = prefix / victim
        else:
            path = prefix / "lib" / "python3.11" / "site-packages" / victim
        path.unlink()
    options = installer_options(prefix)
    check = run_module("conda_installation", options, check=True)
    done = run_module("conda_installation", options)
    again = run_module("conda_installation", options)
    assert (check["changed"], done["changed"], again["changed"]) == (True, True, False), done
    assert check["diff"] == done["diff"]
    assert done["plan"]["action"] == "repair"
    assert {item["name"]: item["version"] for item in _listed(prefix, home)} == before
    assert (prefix / ".condarc").read_text() == condarc
    assert run_conda(prefix, home, "--version") == "conda 24.7.1\n"
    assert python_says(prefix, "import requests; print(requests.__version__)")
    kept = run_conda(prefix, home, "list", "--name", "kept", "--json")
    assert [item["version"] for item in kept] == ["1.1"]
    # The installer itself writes the exact versions of what it brings.
    assert exact_pins(prefix) == pins
    assert leftovers(prefix) == []


def _listed(prefix: Path, home: Path) -> Any:
    return run_conda(prefix, home, "list", "--name", "base", "--json")


@pytest.mark.full
def test_half_a_base_without_records_is_finished(
    tmp_path: Path, run_module: Any, installer_options: Any, home: Path
) -> None:
    prefix = tmp_path / "base"
    (prefix / "pkgs" / "some-package-1.0-0" / "info").mkdir(parents=True)
    (prefix / "_conda").touch()
    options = installer_options(prefix)
    assert run_module("conda_installation", {**options, "repair": False})["rc"] == 1
    result = run_module("conda_installation", options)
    assert result["changed"], result
    assert result["plan"]["action"] == "repair"
    assert run_conda(prefix, home, "--version") == "conda 24.7.1\n"


# -- runs that were killed --------------------------------------------------------------------------


@pytest.fixture
def killed(home: Path) -> Callable[..., None]:
    """Start a module and kill its process group at a moment; it is an error if it ended before."""

    def run(name: str, options: dict[str, Any], moment: Callable[[], object]) -> None:
        process = subprocess.Popen(
            module_command(name, options),
            env=module_environment(home),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            if moment():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return
            time.sleep(0.01)
        pytest.fail(f"{name} ended before the moment came: {process.communicate()[0]!r}")

    return run


def converges(run_module: Any, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """One run after the kill, and one more that finds nothing to do."""
    result = run_module(name, options)
    assert result["rc"] == 0, result
    again = run_module(name, options)
    assert again["rc"] == 0, again
    assert not again["changed"], again
    return result


def seen(*patterns: str) -> Callable[[Path], Callable[[], bool]]:
    """A moment: any of the patterns matches below a directory."""

    def below(directory: Path) -> Callable[[], bool]:
        return lambda: any(any(directory.glob(pattern)) for pattern in patterns)

    return below


@pytest.mark.parametrize(
    "moment",
    only_full_but(
        [
            ".env.llmfleet-journal",
            "env",
            "env/bin/python3.11",
            "env/conda-meta/python-*.json",
            "env/conda-meta/history",
        ],
        "env/bin/python3.11",
    ),
)
def test_killed_while_an_environment_was_made(
    moment: str, tmp_path: Path, killed: Any, run_module: Any, options: Any, versions: Versions
) -> None:
    prefix = tmp_path / "env"
    wanted = options(prefix, "python=3.11", "six")
    killed("conda_env", wanted, seen(moment)(tmp_path))
    print(f"left: {sorted(path.name for path in tmp_path.iterdir())}")
    converges(run_module, "conda_env", wanted)
    assert set(versions(prefix)) == {"python", "six", "pip"}
    assert python_says(prefix, "import six, json, pip; print(1)") == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["env"]
    assert leftovers(prefix) == []
    assert exact_pins(prefix) == []


@pytest.mark.parametrize(
    "moment",
    [
        "conda-meta/.llmfleet-journal",
        "lib/python3.11/site-packages/six.py",
        "conda-meta/lab-upgrade-2.0-*.json",
    ],
)
@pytest.mark.full
def test_killed_while_an_environment_was_changed(
    moment: str,
    make_env: MakeEnv,
    killed: Any,
    run_module: Any,
    options: Any,
    versions: Versions,
) -> None:
    prefix = make_env("python=3.11", "lab-upgrade=1.0")
    wanted = options(prefix, "python=3.11", "lab-upgrade=2.0", "six")
    killed("conda_env", wanted, seen(moment)(prefix))
    converges(run_module, "conda_env", wanted)
    assert versions(prefix)["lab-upgrade"] == "2.0"
    assert python_says(prefix, "import six; print(six.PY3)") == "True"
    assert leftovers(prefix) == []
    assert exact_pins(prefix) == []


@pytest.mark.parametrize(
    "moment",
    [
        ".base.llmfleet-*/*.sh",
        "base/pkgs/*",
        "base/conda-meta/requests-*.json",
    ],
)
@pytest.mark.full
def test_killed_while_conda_was_installed(
    moment: str,
    tmp_path: Path,
    killed: Any,
    run_module: Any,
    installer_options: Any,
    home: Path,
) -> None:
    prefix = tmp_path / "opt" / "base"
    wanted = installer_options(prefix)
    killed("conda_installation", wanted, seen(moment)(prefix.parent))
    converges(run_module, "conda_installation", wanted)
    assert run_conda(prefix, home, "--version") == "conda 24.7.1\n"
    assert run_conda(prefix, home, "info", "--json")["root_prefix"] == str(prefix)
    assert [path.name for path in prefix.parent.iterdir()] == ["base"]
    assert leftovers(prefix) == []


@pytest.mark.full
@pytest.mark.parametrize("victim", ["bin/python3.11", "conda-meta/history"])
@pytest.mark.parametrize("state", ["absent", "present"])
def test_killed_while_an_environment_was_removed(
    state: str,
    victim: str,
    tmp_path: Path,
    killed: Any,
    run_module: Any,
    options: Any,
    versions: Versions,
) -> None:
    prefix = tmp_path / "env"
    assert run_module("conda_env", options(prefix, "python=3.11"))["changed"]
    absent = options(prefix, state="absent")
    killed("conda_env", absent, lambda: not (prefix / victim).exists())
    if state == "absent":
        converges(run_module, "conda_env", absent)
    else:
        converges(run_module, "conda_env", options(prefix, "lab-upgrade"))
        assert "lab-upgrade" in versions(prefix)
    assert [path.name for path in tmp_path.iterdir()] == ([] if state == "absent" else ["env"])


@pytest.mark.full
def test_killed_while_an_installation_was_removed(
    tmp_path: Path, killed: Any, run_module: Any, installer_options: Any
) -> None:
    prefix = tmp_path / "base"
    assert run_module("conda_installation", installer_options(prefix))["changed"]
    absent = {"prefix": str(prefix), "state": "absent"}
    whole = len(os.listdir(prefix))
    killed("conda_installation", absent, lambda: len(os.listdir(prefix)) < whole)
    converges(run_module, "conda_installation", absent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_a_run_waits_for_what_a_killed_one_left_running(
    tmp_path: Path,
    killed: Any,
    run_module: Any,
    options: Any,
    mirror: Any,
    conda_installation: Path,
    conda: Any,
) -> None:
    """Two condas at work in one prefix would destroy it: the lock outlives the module that took it."""
    prefix = tmp_path / "env"
    conda("clean", "--all", "--yes")
    mirror.fault("/conda/lab/*", "latency", seconds=4, times=1)
    wanted = options(prefix, "lab-upgrade=2.0")
    # The fault is used up when the request comes; the answer is then still to come.
    killed("conda_env", wanted, lambda: not mirror.faults())
    starts = len(counter.starts(conda_installation))
    converges(run_module, "conda_env", wanted)
    # What the killed run had begun was finished by the conda that it left behind.
    assert len(counter.starts(conda_installation)) == starts
    assert leftovers(prefix) == []
