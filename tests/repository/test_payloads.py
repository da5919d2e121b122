"""How much Ansible sends to a host for a module: what is not needed there must not travel."""

from __future__ import annotations

from pathlib import Path

import pytest

from proof.bench.payload import packing

# kB (1000 bytes) with the pinned ansible-core, whose own part is some 190. What a module imports counts, also
# inside functions: a bound that is passed says that something is imported that the module can do without.
BOUNDS = {
    "accelerator_info": 230,
    "conda_config": 280,
    "conda_env": 442,
    "conda_info": 290,
    "conda_installation": 430,
    "conda_package": 440,
    "conda_pip": 380,
    "hub_model": 240,
    "llm_check": 370,
    "look_ahead": 410,
}


def test_every_module_has_a_bound() -> None:
    modules = Path(__file__).parents[2] / "plugins" / "modules"
    # These run on the controller alone.
    own = {"check_variables", "verify_report"}
    assert set(BOUNDS) | own == {path.stem for path in modules.glob("*.py")}


@pytest.mark.parametrize("module", BOUNDS)
def test_a_module_is_no_larger_than_it_has_to_be(module: str, tmp_path: Path) -> None:
    _seconds, kilobytes = packing(f"llmfleet.conda.{module}", tmp_path)
    assert kilobytes <= BOUNDS[module]
