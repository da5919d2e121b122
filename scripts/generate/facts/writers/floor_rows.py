"""Writes plugins/module_utils/_installation/_floor_rows.py: the oldest hosts on which installers run."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.generate.facts.writer import Fields, Rows, Writer
from scripts.generate.facts.writers.torch_rows import formatted

_HEAD = '''\
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of host_floor. Generated from data/facts by ``make facts-data``. Do not edit."""

from __future__ import annotations

# (distribution, system, processor): the oldest glibc or macOS, each with the version from which it holds.
FLOORS: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {
'''


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    floors: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}
    for row in tables["installer_floors"]:
        key = (row["distribution"], row["os"], row["arch"])
        floors[key] = (*floors.get(key, ()), (row["since"], row["needs"]))
    lines = [f"    {key!r}: {steps!r},\n" for key, steps in floors.items()]
    return formatted(_HEAD + "".join(lines) + "}\n")


WRITER = Writer(
    target="plugins/module_utils/_installation/_floor_rows.py",
    tables={"installer_floors": Fields(required=("distribution", "os", "arch", "needs"))},
    render=render,
)
