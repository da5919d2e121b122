"""What the scenarios' inventories ask of the lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.testing import molecule_needs
from scripts.testing.molecule_needs import Needs, needs_of


@pytest.fixture
def scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with scenarios; the first has no inventory of its own."""
    monkeypatch.setattr(molecule_needs, "ROOT", tmp_path)
    hosts = {
        "plain": "",
        "old": "lab:\n  hosts:\n    one:\n      lab_image: llmfleet-lab/debian:11\n",
        "closed": "lab:\n  vars:\n    lab_network: llmfleet-lab-isolated\n",
        "other": "lab:\n  vars:\n    lab_network: of-somebody-else\n",
    }
    for name, text in hosts.items():
        inventory = tmp_path / "molecule" / name / "inventory"
        inventory.mkdir(parents=True)
        if text:
            (inventory / "hosts.yml").write_text(text)
    return tmp_path


@pytest.mark.usefixtures("scenarios")
@pytest.mark.parametrize(
    ("chosen", "needs"),
    [
        ([], Needs(("12", "13"), False)),
        (["plain", "other"], Needs(("12", "13"), False)),
        (["plain", "old"], Needs(("11", "12", "13"), False)),
        (["closed", "plain"], Needs(("12", "13"), True)),
    ],
)
def test_needs_are_those_of_the_chosen_scenarios(chosen: list[str], needs: Needs) -> None:
    assert needs_of(chosen) == needs


def test_the_repository_s_own_scenarios_name_images_that_the_lab_has() -> None:
    names = [path.parent.name for path in (molecule_needs.ROOT / "molecule").glob("*/molecule.yml")]
    assert needs_of(names) == Needs(("11", "12", "13"), True)
