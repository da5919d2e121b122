"""What has to happen to an environment in generations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import (
    Plan as CondaPlan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    DIRECTORY,
    LINK,
    MISSING,
    OTHER,
    Observed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plan import (
    BUILD,
    SWITCH,
    Plan,
    beyond,
    plan_back,
    plan_present,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    Place,
    State,
    Verified,
)

REQUEST = Request(Place("/opt/conda/envs/llm"), "/opt/conda")
KNOWN = {number: Verified(number) for number in (1, 2, 3)}
STATE = State(current=3, previous=2, known=KNOWN, found=True)
SEEN = Observed(STATE, LINK, 3, "/opt/conda/envs/.llm/3")
CHANGE = CondaPlan(install=("six=1.17",), reasons=("six 1.16 is installed",))


def test_nothing_to_do_is_false() -> None:
    assert not plan_present(REQUEST, SEEN, 4)


@pytest.mark.parametrize(
    ("seen", "action", "number", "aside"),
    [
        (replace(SEEN, conda_plan=CHANGE), BUILD, 4, False),
        (replace(SEEN, by_hand="the packages are not those"), BUILD, 4, False),
        (replace(SEEN, kind=MISSING), SWITCH, 3, False),
        (replace(SEEN, kind=MISSING, number=None, base=""), BUILD, 4, False),
        (replace(SEEN, kind=DIRECTORY, number=None, base=REQUEST.place.link), BUILD, 4, True),
    ],
)
def test_differences_lead_to_a_generation(
    seen: Observed, action: str, number: int, aside: bool
) -> None:
    plan = plan_present(REQUEST, seen, 4)
    assert (plan.action, plan.number, plan.set_aside) == (action, number, aside)
    assert action == BUILD or plan.reasons


def test_own_files_are_mended_in_place() -> None:
    for seen in (replace(SEEN, lost=("bin/python",)), replace(SEEN, thawed=True)):
        plan = plan_present(REQUEST, seen, 4)
        assert (plan.action, plan.mend, bool(plan)) == ("", True, True)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (Observed(State(), OTHER), "is a file, or a link"),
        (Observed(State(), DIRECTORY), "is no conda environment"),
        (Observed(State(), DIRECTORY, base=REQUEST.place.link), "plain environment"),
    ],
)
def test_what_is_not_ours_is_refused(seen: Observed, word: str) -> None:
    with pytest.raises(CondaModuleError, match=word):
        plan_present(REQUEST, seen, 1)


def test_adopt_takes_a_plain_environment_over() -> None:
    seen = Observed(State(), DIRECTORY, base=REQUEST.place.link)
    plan = plan_present(replace(REQUEST, adopt=True), seen, 1)
    assert (plan.action, plan.number, plan.set_aside) == (BUILD, 1, True)


def test_back() -> None:
    previous = replace(REQUEST, generation="previous")
    plan = plan_back(previous, SEEN)
    assert (plan.action, plan.number, plan.back) == (SWITCH, 2, True)
    assert not plan_back(replace(REQUEST, generation=3), SEEN)
    assert plan_back(replace(REQUEST, generation=1), SEEN).number == 1
    # A second run of the same rollback.
    after = State(current=2, rolled_back_from=3, known=KNOWN, found=True)
    assert not plan_back(previous, Observed(after, LINK, 2, "/opt/conda/envs/.llm/2"))


@pytest.mark.parametrize("number", [7, 4])
def test_back_to_what_is_no_generation(number: int) -> None:
    failed = {**KNOWN, 4: Verified(4, failed="a check failed")}
    seen = replace(SEEN, state=replace(STATE, known=failed))
    with pytest.raises(CondaModuleError, match=f"Generation {number} of .* (does not|failed)"):
        plan_back(replace(REQUEST, generation=number), seen)


def test_back_from_nothing() -> None:
    with pytest.raises(CondaModuleError, match="nothing to go back from"):
        plan_back(replace(REQUEST, generation="previous"), Observed(State(), MISSING))
    first = State(current=1, known={1: Verified(1)}, found=True)
    with pytest.raises(CondaModuleError, match="no previous generation"):
        plan_back(replace(REQUEST, generation="previous"), Observed(first, LINK, 1, "/x"))


@pytest.mark.parametrize(
    ("keep", "current", "previous", "failed", "gone"),
    [
        (3, 5, 4, (), [1, 2]),
        (1, 5, 4, (), [1, 2, 3, 4]),
        (5, 5, 4, (), []),
        (9, 5, 4, (), []),
        # After a rollback to 2, the one that was left is the newest of the others.
        (2, 2, None, (), [1, 3, 4]),
        # The previous one stays before newer ones.
        (2, 5, 1, (), [2, 3, 4]),
        # A failed one does not count, and goes once a newer one was verified.
        (3, 5, 3, (4,), [1, 4]),
        (5, 4, 3, (5,), []),
    ],
)
def test_what_need_not_stay(
    keep: int, current: int, previous: int | None, failed: tuple[int, ...], gone: list[int]
) -> None:
    known = {n: Verified(n, failed="no" if n in failed else "") for n in range(1, 6)}
    state = State(current=current, previous=previous, known=known, found=True)
    assert beyond(state, keep, current) == gone


def test_a_plan_is_true_for_each_of_its_actions() -> None:
    assert Plan(BUILD)
    assert Plan(mend=True)
    assert Plan(garbage=(1,))
    assert not Plan(number=3, reasons=("x",))
