"""Constraints files from real resolutions by uv, over a few wheels made here and no index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from scripts.generate.make_constraints import (
    ROLE,
    Profile,
    groups_of,
    main,
    read_profiles,
    torch_releases,
    write,
)
from scripts.generate.resolver import ResolveError, Resolver, pip_settings, uv_variables

PLAIN: dict[str, Any] = {
    "python": "3.12",
    "pythons": ["3.12"],
    "also_platforms": [],
    "platform": "x86_64-manylinux_2_28",
    "alone": False,
    "torch": "",
    "conda": [],
    "pip": [],
    "cuda": [],
    "optional": [],
}


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two releases of torch that differ in what they bring, and what builds on them."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    for torch, triton, tools in (("2.0", "1.0", ">=1"), ("2.1", "1.1", "<2")):
        needs = [f"triton=={triton}", f"buildtools{tools}", "nvidia-blas", "sym"]
        make_wheel(directory, "torch", torch, requires=needs)
        make_wheel(directory, "triton", triton)
    for tools in ("1.0", "2.0"):
        make_wheel(directory, "buildtools", tools)
    make_wheel(directory, "nvidia-blas", "12.0")
    make_wheel(directory, "sym", "3.0")
    make_wheel(directory, "tune", "5.0", requires=["torch", "arrays<2"])
    make_wheel(directory, "arrays", "1.0")
    make_wheel(directory, "arrays", "2.0")
    make_wheel(directory, "web", "4.0", requires=["odd"])
    make_wheel(directory, "odd", "1.0")
    make_wheel(directory, "serving", "1.0", requires=["torch==2.0", "arrays>=2"])
    return directory


@pytest.fixture
def resolver(wheels: Path) -> Resolver:
    # Without a cache either: what it holds of real indexes would count.
    here = {"UV_OFFLINE": "1", "UV_NO_CACHE": "1", "UV_FIND_LINKS": str(wheels)}
    return Resolver({**uv_variables({}), **here})


@pytest.fixture
def role(tmp_path: Path) -> Path:
    """A role with three profiles, of which one stands alone."""
    root = tmp_path / "role"
    (root / "vars/main/profiles").mkdir(parents=True)
    backends = {"cpu": {"torch": "2.1"}, "old": {"torch": "2.0"}, "free": {"torch": ""}}
    text = yaml.safe_dump({"install_llm_stack__backends": backends})
    (root / "vars/main/backends.yml").write_text(text)
    profile(root, "train", pip=["torch>=2.0", "tune>=5"])
    profile(root, "data", conda=["arrays >=1"], optional=["web>=4"])
    profile(root, "serve", pip=["serving>=1"], alone=True, torch="2.0")
    return root


def profile(root: Path, name: str, **facts: Any) -> None:
    text = yaml.safe_dump({f"install_llm_stack__profile_{name}": {**PLAIN, **facts}})
    (root / f"vars/main/profiles/{name}.yml").write_text(text)


def pins(role: Path, name: str) -> list[str]:
    lines = (role / f"files/constraints/{name}.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_profiles_that_share_an_environment_are_resolved_together(
    resolver: Resolver, role: Path
) -> None:
    assert write(resolver, role, []) == []
    # By itself data would have arrays 2.0. What torch's releases differ in, or bring, is left to them.
    assert pins(role, "data") == ["arrays==1.0", "odd==1.0", "web==4.0"]
    assert pins(role, "train") == ["arrays==1.0", "sym==3.0", "tune==5.0"]
    assert pins(role, "serve") == ["arrays==2.0", "buildtools==2.0", "serving==1.0", "sym==3.0"]


def test_a_file_says_when_where_and_with_which_profiles(resolver: Resolver, role: Path) -> None:
    write(resolver, role, ["data"])
    head = (role / "files/constraints/data.txt").read_text().splitlines()[:4]
    assert "for Python 3.12 on x86_64-manylinux_2_28, together with train." in head[1]
    assert head[2].endswith("aarch64-manylinux_2_28, aarch64-apple-darwin.")
    assert sorted(path.name for path in (role / "files/constraints").iterdir()) == ["data.txt"]


def test_what_has_no_solution_is_said_and_its_file_stays(resolver: Resolver, role: Path) -> None:
    write(resolver, role, [])
    before = pins(role, "train")
    profile(role, "train", pip=["torch>=2.0", "tune>=6"])
    (problem,) = write(resolver, role, [])
    assert problem.startswith("not resolved: data, train for Python 3.12: ")
    assert "tune>=6" in problem
    assert pins(role, "train") == before


def test_pins_that_a_backend_s_torch_does_not_take_are_a_problem(
    resolver: Resolver, role: Path, wheels: Path
) -> None:
    make_wheel(wheels, "tune", "5.1", requires=["torch>=2.1", "arrays<2"])
    (problem,) = write(resolver, role, ["train"])
    assert "torch==2.0" in problem


def test_a_version_of_one_machine_alone_is_refused(resolver: Resolver, wheels: Path) -> None:
    make_wheel(wheels, "odd", "1.1+mine")
    with pytest.raises(ResolveError, match=r"odd==1\.1\+mine: not a version"):
        resolver.resolve(["odd"], "3.12", "x86_64-manylinux_2_28")


def test_pip_s_indexes_are_taken_and_its_directories_are_not() -> None:
    listing = (
        "global.index-url='https://mirror.example.com/simple'\n"
        "global.extra-index-url='https://a.example.com/s\\nhttps://b.example.com/s'\n"
        "global.find-links='/srv/wheels'\n"
        "install.index-url='https://other.example.com'\n"
        ":env:.index-url='https://won.example.com/simple'\n"
    )
    variables = uv_variables(pip_settings(listing))
    assert variables["UV_DEFAULT_INDEX"] == "https://won.example.com/simple"
    assert variables["UV_INDEX"] == "https://a.example.com/s https://b.example.com/s"
    assert not any("/srv/wheels" in value for value in variables.values())


def test_the_profiles_of_the_role_can_be_read() -> None:
    found = read_profiles(ROLE)
    lines = [line for each in found for line in each.lines]
    assert {"torch", "numpy", "vllm"} <= {Requirement(line).name for line in lines}
    groups = groups_of(found)
    shared = {python: group for python, group in groups if len(group) > 1}
    # TensorFlow 2.21 and kivy 2.3.1 have no wheels for Python 3.14.
    together = {python: [each.name for each in group] for python, group in shared.items()}
    assert together == {
        "3.12": ["app", "data", "inference", "tensorflow", "train"],
        "3.13": ["app", "data", "inference", "tensorflow", "train"],
        "3.14": ["data", "inference", "train"],
    }
    alone = [(python, *group) for python, group in groups if len(group) == 1]
    assert all(isinstance(each, Profile) and each.alone for _python, each in alone)
    assert ("3.8", "legacy") in [(python, each.name) for python, each in alone]
    assert torch_releases(ROLE)[0] == "2.15.0"


def test_an_unknown_profile_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tarin"])
    assert "no profile is called tarin" in capsys.readouterr().err
