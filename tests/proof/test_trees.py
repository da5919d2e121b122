"""Two looks at a prefix differ where a person would say so, and nowhere else."""

from __future__ import annotations

import pytest

from proof.faults.cases import NotSurvived
from proof.faults.damages import DAMAGES, QUICK
from proof.faults.trees import below, differences, must_be, without_caches

TREE = {
    "/opt/c/bin/python": "file 100755 0:0 aa",
    "/opt/c/envs/llm/bin/python": "file 100755 0:0 bb",
    "/opt/c/pkgs/x-1-0/info": "folder 40755 0:0",
}


def test_alike() -> None:
    must_be(TREE, dict(TREE), "the host")


def test_what_is_gone_new_or_another_is_named() -> None:
    found = {
        "/opt/c/bin/python": "file 100644 0:0 aa",
        "/opt/c/new": "file 100644 0:0 cc",
        "/opt/c/pkgs/x-1-0/info": "folder 40755 0:0",
    }
    assert differences(TREE, found) == [
        "/opt/c/bin/python is another",
        "/opt/c/envs/llm/bin/python is gone",
        "/opt/c/new is new",
    ]
    with pytest.raises(NotSurvived, match=r"the host: 3 differences: /opt/c/bin/python is another"):
        must_be(TREE, found, "the host")


def test_parts_of_a_look() -> None:
    assert set(below(TREE, "/opt/c/envs/llm")) == {"/opt/c/envs/llm/bin/python"}
    assert "/opt/c/pkgs/x-1-0/info" not in without_caches(TREE)


def test_every_damage_has_a_name_of_its_own_and_the_quick_ones_are_there() -> None:
    names = [one.name for one in DAMAGES]
    assert len(set(names)) == len(names)
    assert set(QUICK) <= set(names)


def test_an_error_that_is_due_comes_with_what_it_tells_to_do() -> None:
    assert all(bool(one.refused) == bool(one.remedy) for one in DAMAGES)
