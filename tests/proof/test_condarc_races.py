"""Races at one condarc: shared evenly, and judged by what is in the file and by whether there was a race."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from proof.faults import condarc_races
from proof.faults.cases import NotInjected, NotSurvived
from proof.faults.condarc_races import START, Round

LATER = {"began": 0.0, "read": 1.0, "wrote": 2.0, "ended": 3.0}


def seen(one: Round, **other: Any) -> dict[str, Any]:
    """How a round is where nothing goes wrong, but for what is given."""
    text = START
    for settings in one.settings:
        for key, value in settings.items():
            text += f"  - {value[0]}\n" if one.merge else f"{key}: {value}\n"
    asked = json.loads(one.as_line())
    run = {"code": 0, "said": '{"changed": true}', **LATER}
    found = {"text": text, "left": [], "runs": [run, {**run, "wrote": 2.5}]}
    return {**{name: asked[name] for name in ("mode", "owner", "links")}, **found, **other}


def test_every_place_has_its_share() -> None:
    played = condarc_races.rounds(condarc_races.ROUNDS)
    assert len({one.as_line() for one in played}) == 100
    shares = Counter((one.place.name, one.merge) for one in played)
    assert len(shares) == 2 * len(condarc_races.PLACES)
    assert min(shares.values()) >= 12
    assert {one.users for one in played} == {
        ("root", "root"), ("ben", "ben"), ("ben", "root"), ("ada", "ada"), ("ada", "root"),
    }  # fmt: skip


def test_rounds_that_end_well() -> None:
    played = condarc_races.rounds(16)
    assert [one.problems(seen(one)) for one in played] == [[]] * 16
    ended = condarc_races.judged(played, [seen(one) for one in played])
    assert ended == "as asked; 16 of 16 rounds overlapped, in 16 both had read before either wrote"


@pytest.mark.parametrize(
    ("number", "other", "words"),
    [
        (0, {"text": START + "remote_max_retries: 0\n"}, "lost: channel_priority"),
        (4, {"text": START + "  - one-4\n"}, "lost: channels ['two-4']"),
        (4, {"text": START + "  - one-4\n  - two-4\n  - one-4\n"}, "too much: channels"),
        (4, {"text": "ssl_verify: true\nchannels: [lab, one-4, two-4]\n"}, "the line '# Kept by hand.'"),
        (0, {"text": ""}, "lost: ssl_verify"),
        (0, {"text": "a: ["}, "no YAML"),
        (1, {"mode": 0o600}, "mode 600"),
        (1, {"owner": 0}, "of user 0"),
        (3, {"links": []}, "the link is none"),
        (2, {"left": ["/opt/x/.condarc.llmfleet.lock"]}, "left behind: /opt/x/.condarc.llmfleet.lock"),
        (2, {"runs": [{"code": 1, "said": '{"failed": true, "msg": "No."}'}] * 2}, "ended with 1: No."),
        (2, {"runs": [{"code": 0, "said": '{"changed": false}'}] * 2}, "ended with 0"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told(number: int, other: dict[str, Any], words: str) -> None:
    one = condarc_races.rounds(8)[number]
    assert words in "; ".join(one.problems(seen(one, **other)))
    with pytest.raises(NotSurvived, match="1 rounds went wrong"):
        condarc_races.judged([one], [seen(one, **other)])


def test_rounds_without_a_race_do_not_count() -> None:
    played = condarc_races.rounds(4)
    run = {"code": 0, "said": '{"changed": true}', **LATER}
    after = {**run, "began": 3.0, "read": 4.0, "wrote": 5.0, "ended": 6.0}
    met = {**run, "began": 1.5, "read": 2.5, "wrote": 2.7}
    for other, told in ((after, "0 of 4 rounds overlapped"), (met, "4 of 4 .* in 0 both had read")):
        with pytest.raises(NotInjected, match=told):
            condarc_races.judged(played, [seen(one, runs=[run, other]) for one in played])
