"""The channel is consistent, and real conda solves from it offline what the lab promises."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab import channel, interpreters, packages, wheels
from tests.lab.installed_base import Base

MINORS = [one.minor for one in interpreters.discover()]
DATA_MINORS = [minor for minor in MINORS if "pandas" in wheels.pins(wheels.pin_list(minor))]


def _records(folder: Path) -> dict[str, dict[str, Any]]:
    """Filename -> record, of both subfolders."""
    return {
        filename: record
        for subdir in (packages.SUBDIR, "noarch")
        for filename, record in json.loads((folder / subdir / "repodata.json").read_text())[
            "packages.conda"
        ].items()
    }


def test_the_index_tells_the_truth_of_every_file(lab_channel: Path) -> None:
    records = _records(lab_channel)
    files = {path.name: path for path in lab_channel.glob("*/*.conda")}
    assert set(records) == set(files)
    for filename, record in records.items():
        body = files[filename].read_bytes()
        assert record["size"] == len(body)
        assert record["sha256"] == hashlib.sha256(body).hexdigest()
        assert filename == f"{record['name']}-{record['version']}-{record['build']}.conda"
        assert record["subdir"] == files[filename].parent.name


def test_every_dependency_is_in_the_channel(lab_channel: Path) -> None:
    records = _records(lab_channel).values()
    names = {record["name"] for record in records}
    needed = {
        spec.split()[0]
        for record in records
        if record["name"] != "lab-needs-missing"
        for spec in record["depends"]
    }
    assert {name for name in needed if not name.startswith("__")} <= names


def test_the_lab_has_a_python_for_conda_and_two_more_where_pyenv_is() -> None:
    assert channel.base_interpreter().minor in MINORS
    assert len(MINORS) == len(set(MINORS))
    if (Path.home() / ".pyenv" / "versions").is_dir():
        available = {
            ".".join(path.parent.parent.name.split(".")[:2])
            for path in (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python3")
        }
        assert {minor for minor in ("3.8", "3.11", "3.12") if minor in available} <= set(MINORS)


@pytest.mark.parametrize("minor", MINORS)
def test_conda_solves_each_python_with_pip(base: Base, minor: str) -> None:
    answer = base.json("create", "--name", "dry", "--dry-run", f"python={minor}")
    linked = {item["name"]: item["version"] for item in answer["actions"]["LINK"]}
    assert linked["python"].startswith(f"{minor}.")
    # conda adds it to every Python, so it must be there for every Python.
    assert "pip" in linked


@pytest.mark.parametrize("minor", DATA_MINORS)
def test_the_data_stack_solves_for_each_python(base: Base, minor: str) -> None:
    specs = [f"python={minor}", "numpy", "pandas", "matplotlib"]
    answer = base.json("create", "--name", "dry", "--dry-run", *specs)
    linked = {item["name"]: item for item in answer["actions"]["LINK"]}
    for name in ("numpy", "pandas", "matplotlib"):
        assert linked[name]["build_string"] == f"py{minor.replace('.', '')}lab_0"


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("lab-upgrade", "2.0"),
        ("lab-upgrade<2", "1.1"),
        ("lab-upgrade=1.0", "1.0"),
        # An epoch beats any version without one.
        ("lab-versions", "1!0.5"),
        ("lab-versions<1!0", "1.1.1b"),
        ("lab-versions=1.0.post1", "1.0.post1"),
    ],
)
def test_versions_are_ordered_as_conda_orders_them(base: Base, spec: str, version: str) -> None:
    answer = base.json("create", "--name", "dry", "--dry-run", spec)
    assert [item["version"] for item in answer["actions"]["LINK"]] == [version]


def test_the_higher_build_number_wins(base: Base) -> None:
    answer = base.json("create", "--name", "dry", "--dry-run", "lab-rebuilt")
    assert [item["build_string"] for item in answer["actions"]["LINK"]] == ["lab_1"]


@pytest.mark.parametrize(
    ("specs", "error", "words"),
    [
        (["lab-conflict-a", "lab-conflict-b"], "UnsatisfiableError", "lab-upgrade"),
        (["python=2.7"], "PackagesNotFoundError", "python=2.7"),
        (["lab-needs-missing"], "PackagesNotFoundError", "lab-does-not-exist"),
        (["lab-needs-cuda"], "PackagesNotFoundError", "__cuda"),
    ],
)
def test_what_cannot_be_solved_is_refused_by_name(
    base: Base, specs: list[str], error: str, words: str
) -> None:
    answer = base.json("create", "--name", "dry", "--dry-run", *specs, CONDA_OVERRIDE_CUDA="")
    assert "success" not in answer
    assert answer["exception_name"] == error
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("spec", "variable", "enough", "too_little"),
    [
        ("lab-needs-cuda", "CONDA_OVERRIDE_CUDA", "12.4", "10.2"),
        ("lab-needs-glibc", "CONDA_OVERRIDE_GLIBC", "2.17", "2.12"),
    ],
)
def test_virtual_packages_decide(
    base: Base, spec: str, variable: str, enough: str, too_little: str
) -> None:
    command = ("create", "--name", "dry", "--dry-run", spec)
    assert base.json(*command, **{variable: enough})["success"]
    assert "success" not in base.json(*command, **{variable: too_little})


def test_python_refuses_a_host_with_an_older_glibc(base: Base) -> None:
    answer = base.json("create", "--name", "dry", "--dry-run", "python", CONDA_OVERRIDE_GLIBC="2.5")
    assert "__glibc" in answer["error"]


@pytest.mark.parametrize("listing", sorted(Path(wheels.__file__).parent.glob("data/wheels-*.txt")))
def test_pins_are_exact_and_name_no_address(listing: Path) -> None:
    lines = [line for line in listing.read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.!+]*", line), line
