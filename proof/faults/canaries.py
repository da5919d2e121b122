"""Secrets made up for one run, and the search for them in whatever a run leaves behind."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

USER = "fleet"


@dataclass(frozen=True)
class Canary:
    """A secret that is used in one place only, so that where it shows up tells how it got there.

    name: what it is: ``channel-token``. value: as a server gets it. wrong: a server refuses it.
    """

    name: str
    value: str
    wrong: bool = False

    @property
    def quoted(self) -> str:
        """As it is written in an address."""
        return urllib.parse.quote(self.value, safe="")

    @property
    def forms(self) -> frozenset[str]:
        """The forms in which it may be written down."""
        pairs = (f"{USER}:{self.value}", f"{USER}:{self.quoted}")
        return frozenset(
            {
                self.value,
                self.quoted,
                self.quoted.replace("%", "%25"),
                json.dumps(self.value)[1:-1],
                # What is the same in every form, however often it was quoted.
                *re.findall("[0-9a-f]{16}", self.value),
                *(base64.b64encode(pair.encode()).decode().rstrip("=") for pair in pairs),
            }
        )


def make(tokens: Iterable[str], passwords: Iterable[str], seed: int) -> dict[str, Canary]:
    """Canaries by name; those whose name ends in -wrong are wrong.

    Passwords have characters that addresses, JSON and shells treat each in their own way.
    """
    random = Random(seed)

    def digits() -> str:
        return f"{random.getrandbits(64):016x}"

    found = {name: Canary(name, f"tk{digits()}", name.endswith("-wrong")) for name in tokens}
    for name in passwords:
        found[name] = Canary(name, f'p@{digits()}/"x', name.endswith("-wrong"))
    return found


def shown_in(canary: Canary, places: Mapping[str, str]) -> list[str]:
    """Where a canary shows: the places' names, each with what is around it (the secret itself masked)."""
    found = []
    for place, text in places.items():
        for form in canary.forms:
            at = text.find(form)
            if at >= 0:
                around = text[max(0, at - 80) : at] + "<SECRET>" + text[at + len(form) :][:40]
                found.append(f"{place}: ...{around!r}")
                break
    return found
