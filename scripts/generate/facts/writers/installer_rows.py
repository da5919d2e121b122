"""Writes plugins/module_utils/_installation/_installer_rows.py: what is known of published installers.

One file for two tables: each file of a module's payload costs more than these rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from scripts.generate.facts.writer import Fields, Rows, Writer
from scripts.generate.facts.writers.torch_rows import formatted

_HEAD = '''\
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known facts of published installers. Generated from data/facts by ``make facts-data``. Do not edit."""

from __future__ import annotations

'''
_FLOORS = """\
# (distribution, system, processor): the oldest glibc or macOS, each with the version from which it holds.
FLOORS: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {
"""
_VULNERABILITIES = """\
# (name, package, the package's first version known to be fixed, distribution, its first fixed installer)
VULNERABILITIES: tuple[tuple[str, str, str, str, str], ...] = (
"""
_FIELDS = ("id", "package", "fixed_package", "distribution")


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    floors: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}
    for row in tables["installer_floors"]:
        key = (row["distribution"], row["os"], row["arch"])
        floors[key] = (*floors.get(key, ()), (row["since"], row["needs"]))
    parts = [_HEAD, _FLOORS, *(f"    {key!r}: {steps!r},\n" for key, steps in floors.items())]
    parts += ["}\n", _VULNERABILITIES]
    for row in tables["vulnerable_versions"]:
        parts.append(f"    {(*(row[name] for name in _FIELDS), row['until'])!r},\n")
    return formatted("".join([*parts, ")\n"]))


WRITER = Writer(
    target="plugins/module_utils/_installation/_installer_rows.py",
    tables={
        "installer_floors": Fields(required=("distribution", "os", "arch", "needs")),
        "vulnerable_versions": Fields(required=_FIELDS),
    },
    render=render,
)
