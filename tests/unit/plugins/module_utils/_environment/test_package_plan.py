"""Plans for environments, from fake records."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan,
    plan_absent,
    plan_packages,
    unsatisfied_after,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    closure,
    is_satisfied,
    missing_dependencies,
    parse_specs,
)


def record(name: str, version: str = "1.0", *depends: str) -> PackageRecord:
    return PackageRecord(name=name, version=version, build="0", channel="lab", depends=depends)


def environment(*records: PackageRecord) -> PrefixState:
    return PrefixState(
        path="/opt/env",
        exists=True,
        is_environment=True,
        records={item.name: item for item in records},
        empty=False,
    )


BASE = environment(
    record("python", "3.12.4", "zlib >=1.2", "__glibc >=2.17"),
    record("zlib", "1.3"),
    record("pip", "24.0", "python >=3.8", "setuptools", "wheel"),
    record("setuptools", "70.0", "python"),
    record("wheel", "0.43", "python"),
    record("numpy", "1.26.4", "python >=3.12,<3.13.0a0", "libblas >=3.9"),
    record("libblas", "3.9.0"),
)


def test_nothing_to_do() -> None:
    plan = plan_packages(parse_specs(["python=3.12", "numpy>=1.26,<2"]), BASE)
    assert not plan
    assert plan == Plan()
    assert plan.as_result()["reasons"] == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("numpy>=2", "numpy>=2 is requested, but numpy 1.26.4 0 lab is installed"),
        ("pandas", "pandas is requested, but not installed"),
        ("other::numpy", "other::numpy is requested, but numpy 1.26.4 0 lab is installed"),
        ("numpy=1.26.4=1", "numpy=1.26.4=1 is requested, but numpy 1.26.4 0 lab is installed"),
    ],
)
def test_unsatisfied_specs_are_installed(spec: str, reason: str) -> None:
    plan = plan_packages(parse_specs(["python=3.12", spec]), BASE)
    assert plan.install == (spec,)
    assert plan.reasons == (reason,)
    assert plan == Plan(install=(spec,), reasons=(reason,))


def test_specs_that_only_conda_understands_are_passed_to_conda() -> None:
    wanted = parse_specs(["num*", "feature@", "numpy"])
    assert [item.spec is None for item in wanted] == [True, True, False]
    plan = plan_packages(wanted, BASE)
    assert plan.install == ("num*", "feature@")
    assert unsatisfied_after(wanted, BASE) == []


def test_bad_specs_are_refused() -> None:
    with pytest.raises(InvalidSpecError):
        parse_specs(["numpy", "numpy>=1.8,"])


def test_spaces_around_a_spec_do_not_reach_conda() -> None:
    assert [item.text for item in parse_specs(["  numpy =1.8 "])] == ["numpy =1.8"]


def test_a_linked_package_with_an_impossible_version_satisfies_only_its_name() -> None:
    odd = environment(record("six", "not a version!"))
    assert is_satisfied(parse_specs(["six"])[0], odd.records)
    assert not is_satisfied(parse_specs(["six>=1"])[0], odd.records)


@pytest.mark.parametrize(
    "depend",
    [
        "libblas >=3.9",
        "libblas>=3.9",
        "libblas",
        "libblas=3.9",
        "libblas[version='>=3.9']",
        "libblas 3.9.* *_openblas",
        "lab::libblas >=3.9",
        "Libblas >=3.9",
        "libblas!=3.8",
        "libblas~=3.9",
    ],
)
def test_forms_of_dependencies(depend: str) -> None:
    alone = environment(record("numpy", "1.0", depend))
    assert missing_dependencies(alone.records) == [depend]
    both = environment(record("numpy", "1.0", depend), record("libblas", "3.9"))
    assert missing_dependencies(both.records) == []
    assert closure(["numpy"], both.records) == {"numpy", "libblas"}


def test_missing_dependencies_are_installed_once() -> None:
    broken = environment(
        record("numpy", "1.0", "libblas >=3.9", "__cuda >=11"), record("scipy", "1.0", "libblas")
    )
    plan = plan_packages(parse_specs(["numpy"]), broken)
    assert len(plan.install) == 1
    assert plan.install[0].startswith("libblas")
    assert "the dependency libblas" in plan.reasons[0]


def test_a_missing_dependency_that_the_task_names_uses_the_tasks_spec() -> None:
    broken = environment(record("numpy", "1.0", "libblas>=3.9"))
    plan = plan_packages(parse_specs(["numpy", "libblas=3.9.1"]), broken)
    assert plan.install == ("libblas=3.9.1",)


def test_damage() -> None:
    damaged = {"numpy": ["lib/a.py", "lib/b.py"], "zlib": ["lib/z"]}
    plan = plan_packages(parse_specs(["python"]), BASE, damaged=damaged)
    assert plan.reinstall == ("numpy", "zlib")
    assert plan.reasons == (
        "numpy is damaged: lib/a.py and 1 more",
        "zlib is damaged: lib/z",
    )
    assert plan.install == ()


def test_a_damaged_package_that_is_replaced_is_not_reinstalled_first() -> None:
    plan = plan_packages(parse_specs(["numpy=2"]), BASE, damaged={"numpy": ["lib/a.py"]})
    assert plan.install == ("numpy=2",)
    assert plan.reinstall == ()


def test_a_damaged_package_that_is_pruned_is_not_reinstalled() -> None:
    plan = plan_packages(parse_specs(["python"]), BASE, prune=True, damaged={"numpy": ["x"]})
    assert "numpy" in plan.remove
    assert plan.reinstall == ()


def test_latest_asks_conda_for_every_spec() -> None:
    plan = plan_packages(parse_specs(["numpy", "python=3.12"]), BASE, latest=True)
    assert plan.update == ("numpy", "python=3.12")
    assert plan.install == ()
    assert plan


def test_prune_removes_what_nothing_needs() -> None:
    plan = plan_packages(parse_specs(["python=3.12"]), BASE, prune=True)
    assert plan.remove == ("libblas", "numpy")
    assert plan_packages(parse_specs(["python", "numpy"]), BASE, prune=True) == Plan()


def test_prune_keeps_pip_with_python_and_not_without() -> None:
    assert "pip" not in plan_packages(parse_specs(["python"]), BASE, prune=True).remove
    no_python = environment(record("pip", "24.0"), record("zlib", "1.3"))
    assert plan_packages(parse_specs(["zlib"]), no_python, prune=True).remove == ("pip",)


def test_prune_does_nothing_where_a_spec_is_not_understood() -> None:
    plan = plan_packages(parse_specs(["python", "num*"]), BASE, prune=True)
    assert plan.remove == ()


def test_absent() -> None:
    plan = plan_absent(parse_specs(["numpy", "numpy<2", "pandas", "zlib>2"]), BASE)
    assert plan.remove == ("numpy",)
    assert plan.reasons == ("numpy is installed, but must be absent",)
    assert not plan_absent(parse_specs(["numpy>=2"]), BASE)


def test_circular_dependencies_terminate() -> None:
    ring = environment(record("a", "1", "b"), record("b", "1", "c"), record("c", "1", "a"))
    assert closure(["b"], ring.records) == {"a", "b", "c"}
    assert closure(["nothing"], ring.records) == set()


NAMES = [f"p{number}" for number in range(8)]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    return {name: draw(st.lists(st.sampled_from(chosen), max_size=3)) for name in chosen}


def reachable(start: Iterable[str], graph: dict[str, list[str]]) -> set[str]:
    """An independent oracle: grow the set until it stops growing."""
    found = {name for name in start if name in graph}
    while True:
        more = found | {depend for name in found for depend in graph[name]}
        if more == found:
            return found
        found = more


@given(graphs(), st.lists(st.sampled_from(NAMES), max_size=4))
def test_pruning_keeps_exactly_the_reachable_packages(
    graph: dict[str, list[str]], wanted: list[str]
) -> None:
    state = environment(*(record(name, "1", *depends) for name, depends in graph.items()))
    plan = plan_packages(parse_specs(wanted), state, prune=True)
    assert set(plan.remove) == set(graph) - reachable(wanted, graph)
    assert set(plan.install) == set(wanted) - set(graph)
    after = environment(*(state.records[name] for name in reachable(wanted, graph)))
    assert missing_dependencies(after.records) == []
