"""How much Ansible sends to a host for a module: what is not needed there must not travel."""

from __future__ import annotations

from pathlib import Path

from proof.bench.payload import packing

# kB (1000 bytes) with the pinned ansible-core, whose own part is some 190. What a module imports counts, also
# inside functions: a bound that is passed says that something is imported that the module can do without.
BOUNDS = {
    "accelerator_info": 230,
    "conda_clean": 270,
    "conda_config": 281,
    "conda_env": 530,
    "conda_generations": 800,
    "conda_info": 318,
    "conda_installation": 481,
    "conda_package": 526,
    "conda_pip": 410,
    "hub_model": 254,
    "llm_check": 507,
    "look_ahead": 498,
}


def test_every_module_has_a_bound() -> None:
    modules = Path(__file__).parents[2] / "plugins" / "modules"
    # These run on the controller alone.
    own = {"check_run", "check_variables", "verify_report"}
    assert set(BOUNDS) | own == {path.stem for path in modules.glob("*.py")}


def test_no_module_is_larger_than_it_has_to_be(tmp_path: Path) -> None:
    packed = packing([f"llmfleet.conda.{module}" for module in BOUNDS], tmp_path)
    sizes = {name.rpartition(".")[2]: size for name, (_seconds, size) in packed.items()}
    assert {name: size for name, size in sizes.items() if size > BOUNDS[name]} == {}
    # What has become much smaller has a bound that no longer holds anything.
    assert {name: size for name, size in sizes.items() if size < BOUNDS[name] * 0.9} == {}
