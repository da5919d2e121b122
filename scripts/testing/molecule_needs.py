"""What the hosts of Molecule's scenarios need of the lab, as their inventories say it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lab import hosts, isolated_network
from scripts.layout import ROOT

_IMAGE = re.compile(r"^\s*lab_image: llmfleet-lab/debian:(\d+)\s*$", re.MULTILINE)
_NETWORK = re.compile(rf"^\s*lab_network: {isolated_network.NAME}\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Needs:
    """What scenarios need.

    Attributes:
        releases: of Debian, whose images the engine must have; the usual two are always among them.
        isolated: whether a host is in the network that has no way out.
    """

    releases: tuple[str, ...]
    isolated: bool


def needs_of(scenarios: Iterable[str]) -> Needs:
    """Reads molecule/NAME/inventory; a scenario without one needs what all need."""
    texts = [
        path.read_text(encoding="utf-8")
        for name in scenarios
        for path in sorted((ROOT / "molecule" / name / "inventory").glob("*.yml"))
    ]
    named = {release for text in texts for release in _IMAGE.findall(text)}
    return Needs(
        releases=tuple(sorted({*hosts.DEFAULT, *named})),
        isolated=any(_NETWORK.search(text) for text in texts),
    )
