"""The shipped profiles, their constraints files and the backends: dated, floored, free of contradictions."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ansible_collections.llmfleet.conda.plugins.module_utils._info.torch_table import ROWS

ROLE = Path(__file__).resolve().parents[2] / "roles/install_llm_stack"
PROFILES = sorted((ROLE / "vars/main/profiles").glob("*.yml"))
NAMES = [path.stem for path in PROFILES]
KEYS = [
    "alone",
    "backends",
    "conda",
    "constraints",
    "cuda",
    "date",
    "optional",
    "pip",
    "platform",
    "python",
    "torch",
]
each_profile = pytest.mark.parametrize("name", NAMES)


def profile(name: str) -> dict[str, Any]:
    data = yaml.safe_load((ROLE / f"vars/main/profiles/{name}.yml").read_text(encoding="utf-8"))
    (key,) = data
    assert key == f"install_llm_stack__profile_{name}"
    return data[key]


def constraints_text(name: str) -> str:
    return (ROLE / f"files/constraints/{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """Version by name; every line but the comments has to be such a pin."""
    found = {}
    for line in constraints_text(name).splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            (clause,) = pin.specifier
            assert line == f"{canonicalize_name(pin.name)}=={Version(clause.version)}"
            assert pin.name not in found
            found[pin.name] = clause.version
    return found


def requirements(name: str) -> list[Requirement]:
    data = profile(name)
    return [Requirement(line) for key in ("conda", "pip", "cuda", "optional") for line in data[key]]


def backends() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((ROLE / "vars/main/backends.yml").read_text())[
        "install_llm_stack__backends"
    ]


def test_the_profiles_of_the_issue_and_of_the_defaults_are_shipped() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert set(defaults["install_llm_stack_profiles"]) <= set(NAMES)
    assert {"data", "train", "tensorflow", "serve", "app", "legacy"} <= set(NAMES)


@each_profile
def test_a_profile_is_dated_and_whole(name: str) -> None:
    data = profile(name)
    assert sorted(data) == KEYS
    assert date.fromisoformat(data["date"]).year >= 2026
    assert set(data["backends"]) <= set(backends())


@each_profile
def test_every_package_has_a_floor(name: str) -> None:
    found = requirements(name)
    assert found
    for requirement in found:
        assert ">=" in {clause.operator for clause in requirement.specifier}, requirement


@each_profile
def test_the_constraints_keep_the_floors(name: str) -> None:
    pinned = pins(name)
    for requirement in requirements(name):
        if requirement.name == "torch":  # the backend's or the profile's own
            assert requirement.name not in pinned
        else:
            assert requirement.specifier.contains(pinned[requirement.name]), requirement


@each_profile
def test_the_constraints_are_full(name: str) -> None:
    # What a few packages are known to need, so that a list of the named ones alone would not pass.
    needed = {"transformers": "tokenizers", "pandas": "python-dateutil", "flask": "werkzeug"}
    needed |= {"tensorflow": "h5py", "vllm": "transformers", "matplotlib": "pillow"}
    named = {requirement.name for requirement in requirements(name)} & set(needed)
    assert named
    assert {needed[each] for each in named} <= set(pins(name))
    assert len(pins(name)) > len(requirements(name))


@each_profile
def test_the_constraints_say_when_and_for_what_they_hold(name: str) -> None:
    text = " ".join(constraints_text(name).split("\n# "))
    said = re.search(r"resolved on (\S+) for Python (\S+) on ([\w-]+)", text)
    assert said is not None
    assert date.fromisoformat(said[1]) >= date.fromisoformat(profile(name)["date"])
    assert said.groups()[1:] == (profile(name)["python"], profile(name)["platform"])


@each_profile
def test_the_constraints_name_no_place(name: str) -> None:
    assert re.findall(r"://|^-|^/|@|\.(?:com|org|net)\b", constraints_text(name), re.M) == []


@each_profile
def test_the_role_takes_the_file_of_the_profile(name: str) -> None:
    assert profile(name)["constraints"] == f"constraints/{name}.txt"


def test_there_is_no_file_without_a_profile() -> None:
    assert sorted(path.stem for path in (ROLE / "files/constraints").iterdir()) == NAMES


def test_profiles_that_may_share_an_environment_agree() -> None:
    shared = [name for name in NAMES if not profile(name)["alone"]]
    assert len(shared) > 2
    assert len({profile(name)["python"] for name in shared}) == 1
    versions: dict[str, set[str]] = {}
    for name in shared:
        for package, version in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_what_shares_an_environment_leaves_cuda_to_torch() -> None:
    for name in NAMES:
        if not profile(name)["alone"]:
            assert [each for each in pins(name) if re.match(r"nvidia-|cuda-|triton$", each)] == []


@each_profile
def test_every_torch_is_above_the_floor(name: str) -> None:
    data = profile(name)
    floors = [each for each in requirements(name) if each.name == "torch"]
    releases = [data["torch"]] if data["torch"] else [each["torch"] for each in backends().values()]
    for floor in floors:
        assert [release for release in releases if release and release not in floor.specifier] == []


def test_the_choices_are_the_backends() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]
    assert options["install_llm_stack_backend"]["choices"] == [*backends(), "auto"]


def test_the_backends_know_the_drivers_of_accelerator_info() -> None:
    rows = [row for row in ROWS if row.vendor == "nvidia" and "linux-64" in row.platforms]
    for name, backend in backends().items():
        if backend.get("vendor") != "nvidia":
            continue
        using = [row for row in rows if name in (row.backend, *row.alternatives)]
        newest = "driver_blackwell" if "driver_blackwell" in backend else "driver"
        assert backend[newest] == min(row.driver for row in using), name
        oldest, beyond = (Version(each).release[:2] for each in backend["capability"])
        assert oldest == min(row.oldest[0] for row in using), name
        assert beyond == max(row.newest[1] for row in using), name


def test_the_backends_know_the_capabilities_on_aarch64() -> None:
    rows = [row for row in ROWS if row.platforms == ("linux-aarch64",) and row.backend]
    for name, backend in backends().items():
        if backend.get("vendor") == "nvidia":
            using = [row for row in rows if name in (row.backend, *row.alternatives)]
            oldest = Version(backend["capability_aarch64"][0]).release[:2]
            assert oldest == min(row.oldest[0] for row in using), name


def test_a_release_of_torch_is_not_older_than_the_index_that_has_it() -> None:
    """ROCm 7.2 ends at torch 2.13: without a pin pip would take a newer CUDA build from the default index."""
    found = {name: backend["torch"] for name, backend in backends().items()}
    assert found["rocm7.2"] == "2.13.0"
    assert found["rocm7.14"] == "2.14.0"
    assert [name for name, version in found.items() if not version] == []


def test_each_backend_of_accelerator_info_is_one_of_the_role_s() -> None:
    assert {row.backend for row in ROWS if row.backend} <= set(backends())
