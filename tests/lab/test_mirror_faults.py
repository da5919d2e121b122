"""The rules of the mirror's faults, without a network."""

from __future__ import annotations

import pytest

from lab.mirror_faults import KINDS, FaultBook, FaultError, make_fault

NEEDED = {
    "status": {"code": 503},
    "latency": {"seconds": 1},
    "truncate": {"fraction": 0.5},
    "drip": {"bytes_per_second": 10},
    "replace": {"content": "other"},
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_made_and_is_complete(kind):
    fault = make_fault("/x", kind, **NEEDED.get(kind, {}))
    assert set(fault.options) == set(KINDS[kind])
    assert fault.as_dict()["kind"] == kind


@pytest.mark.parametrize(
    ("pattern", "kind", "options", "named"),
    [
        ("x", "tamper", {}, "pattern"),
        (None, "tamper", {}, "pattern"),
        ("/x", "explode", {}, "explode"),
        ("/x", "status", {}, "'code'"),
        ("/x", "status", {"code": 99}, "'code'"),
        ("/x", "status", {"code": "503"}, "'code'"),
        ("/x", "latency", {"seconds": True}, "'seconds'"),
        ("/x", "latency", {"seconds": -1}, "'seconds'"),
        ("/x", "truncate", {"fraction": 1.5}, "'fraction'"),
        ("/x", "tamper", {"often": 3}, "'often'"),
        ("/x", "tamper", {"times": 0}, "times"),
        ("/x", "tamper", {"times": True}, "times"),
    ],
)
def test_a_rule_that_cannot_be_names_what_is_wrong(pattern, kind, options, named):
    with pytest.raises(FaultError, match=named):
        make_fault(pattern, kind, **options)


def test_the_newest_rule_wins_and_latencies_add_up():
    book = FaultBook()
    book.add(make_fault("/a/*", "status", code=500))
    book.add(make_fault("*", "latency", seconds=1))
    book.add(make_fault("/a/b", "tamper"))
    book.add(make_fault("/a/*", "latency", seconds=2))
    assert [fault.kind for fault in book.take("/a/b")] == ["latency", "latency", "tamper"]
    assert [fault.kind for fault in book.take("/a/c")] == ["latency", "latency", "status"]
    assert [fault.kind for fault in book.take("/b")] == ["latency"]


def test_times_are_used_up_only_by_requests_that_meet_the_rule():
    book = FaultBook()
    book.add(make_fault("/a", "status", times=2, code=500))
    assert book.take("/b") == []
    assert len(book.take("/a")) == 1
    assert book.rules()[0]["times"] == 1
    assert len(book.take("/a")) == 1
    assert book.take("/a") == []
    assert book.rules() == []


def test_a_rule_that_lost_keeps_its_times():
    book = FaultBook()
    book.add(make_fault("/a", "status", times=1, code=500))
    book.add(make_fault("/a", "tamper", times=1))
    assert [fault.kind for fault in book.take("/a")] == ["tamper"]
    assert [fault.kind for fault in book.take("/a")] == ["status"]


def test_clear_drops_every_rule():
    book = FaultBook()
    book.add(make_fault("*", "tamper"))
    book.clear()
    assert book.take("/a") == []
