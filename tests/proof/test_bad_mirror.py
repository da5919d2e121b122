"""Which misbehaviour meets what, and how bytes are told to be the published ones."""

from __future__ import annotations

import pytest

from lab.mirror_faults import make_fault
from proof.faults import mirrored
from proof.faults.bad_mirror import ALTERED, _pairs
from proof.faults.misbehaviour import FOR_EVER, ONCE, Misbehaviour
from proof.faults.true_bytes import differences


@pytest.mark.parametrize(("ways", "most"), [(ONCE, 2), (FOR_EVER, 3)])
def test_every_misbehaviour_is_met_and_altered_bytes_by_everything(
    ways: tuple[Misbehaviour, ...], most: int
) -> None:
    pairs = _pairs(ways, most, 4)
    assert {how.name for _thing, how in pairs} == {how.name for how in ways}
    assert [thing for thing, how in pairs if how.name == ALTERED] == list(mirrored.ALL)
    assert len(pairs) == len({(thing.name, how.name) for thing, how in pairs})


@pytest.mark.parametrize("how", [*ONCE, *FOR_EVER], ids=lambda how: how.name)
def test_every_misbehaviour_is_one_that_the_mirror_knows(how: Misbehaviour) -> None:
    assert make_fault("/x", how.kind, **how.options).kind == how.kind


def test_files_that_came_went_or_are_others() -> None:
    before = {"/a": ["0o100644", 0, 0, "1"], "/b": ["0o100644", 0, 0, "2"], "/c": ["x", 0, 0, ""]}
    after = {"/a": ["0o100644", 0, 0, "1"], "/b": ["0o100600", 0, 0, "2"], "/d": ["x", 0, 0, ""]}
    assert differences(before, after) == ["new: /d", "gone: /c", "altered: /b"]
    assert differences(before, before) == []
