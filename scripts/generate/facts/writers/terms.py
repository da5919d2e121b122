"""Writes vars/main/terms.yml of install_miniconda: since when conda's denylist is reliable."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.generate.facts.writer import Fields, Rows, Writer

_HEAD = """\
---
# Generated from data/facts by `make facts-data`. Do not edit.
#
# The first conda, and the first Anaconda, that rejects every channel in denylist_channels.
install_miniconda__denylist_since:
"""


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    lines = [f'  {row["distribution"]}: "{row["since"]}"\n' for row in tables["terms"]]
    return _HEAD + "".join(lines)


WRITER = Writer(
    target="roles/install_miniconda/vars/main/terms.yml",
    tables={"terms": Fields(required=("distribution",))},
    render=render,
)
