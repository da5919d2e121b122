"""The shipped profiles and backends: dated, floored, and without two lines that contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROLE = Path(__file__).resolve().parents[2] / "roles/install_llm_stack"
PROFILES = sorted((ROLE / "vars/profiles").glob("*.yml"))


def profile(path: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    (key,) = data
    assert key == f"install_llm_stack__profile_{path.stem}"
    return data[key]


def backends() -> dict[str, dict[str, str]]:
    return yaml.safe_load((ROLE / "vars/backends.yml").read_text())["install_llm_stack__backends"]


def test_the_profiles_of_the_defaults_are_shipped() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert set(defaults["install_llm_stack_profiles"]) <= {path.stem for path in PROFILES}


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_is_dated_and_whole(path: Path) -> None:
    assert sorted(profile(path)) == ["conda", "constraints", "date", "pip", "python"]
    assert profile(path)["date"].startswith("2026-")


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_package_has_a_floor(path: Path) -> None:
    data = profile(path)
    assert [spec for spec in data["conda"] if ">=" not in spec] == []
    assert [line for line in data["pip"] if ">=" not in line] == []


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_constraint_is_a_pin_above_its_floor(path: Path) -> None:
    data = profile(path)
    floors = {each.name: each.specifier for each in map(Requirement, data["pip"])}
    for pin in map(Requirement, data["constraints"]):
        (clause,) = pin.specifier
        assert clause.operator == "=="
        assert clause.version in floors[pin.name]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_backend_s_torch_is_above_the_floor(path: Path) -> None:
    for torch in (Requirement(line) for line in profile(path)["pip"] if line.startswith("torch>")):
        for name, backend in backends().items():
            assert not backend["torch"] or backend["torch"] in torch.specifier, name


def test_the_choices_are_the_backends() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]
    assert options["install_llm_stack_backend"]["choices"] == list(backends())
