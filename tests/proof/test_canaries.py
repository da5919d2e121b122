"""A secret is found in every form in which it may be written down, and only there."""

from __future__ import annotations

import base64
import json

import pytest

from proof.faults.canaries import USER, make, shown_in

SECRETS = make(["a-token"], ["a-password", "b-password-wrong"], seed=7)
PASSWORD = SECRETS["a-password"]


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD.value,
        PASSWORD.quoted,
        json.dumps({"x": PASSWORD.value}),
        base64.b64encode(f"{USER}:{PASSWORD.value}".encode()).decode(),
        base64.b64encode(f"{USER}:{PASSWORD.quoted}".encode()).decode(),
    ],
)
def test_each_form_is_found_and_not_repeated(form: str) -> None:
    (line,) = shown_in(PASSWORD, {"the log": f"before {form} after", "the report": "nothing"})
    assert line.startswith("the log: ")
    assert "<SECRET>" in line
    assert PASSWORD.value not in line


def test_other_secrets_are_other_texts() -> None:
    assert shown_in(PASSWORD, {"the log": SECRETS["b-password-wrong"].value}) == []
    assert not PASSWORD.wrong
    assert SECRETS["b-password-wrong"].wrong


def test_the_same_seed_makes_the_same_secrets() -> None:
    assert make(["t"], ["p"], seed=7) == make(["t"], ["p"], seed=7)
    assert make(["t"], ["p"], seed=7) != make(["t"], ["p"], seed=8)
