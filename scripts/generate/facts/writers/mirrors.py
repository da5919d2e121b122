"""Writes vars/main/mirrors.yml of install_miniconda: the shipped presets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.generate.facts.writer import Fields, Rows, Writer

_HEAD = """\
---
# Generated from data/facts by `make facts-data`. Do not edit.
#
# Mirrors of conda-forge and Anaconda by name. No mirror has every channel at all times, so the host requests
# the channels before the .condarc is written (option probe of conda_config). install_miniconda_mirror_presets
# adds and replaces entries.
#
# installers        base URL of the published installers by distribution; {version} is replaced by the
#                   version. Other distributions come from their publisher.
# newest_only       distributions of which the mirror keeps only the newest release. If it lacks the version,
#                   the installer comes from the publisher.
# channel_alias     base URL for channel names
# custom_channels   base URLs of individual channels; other channels are not mirrored
# default_channels  the channels behind `defaults`. Written only with install_miniconda_tos accept, because
#                   their terms also apply to a mirror.
# redirects         other hosts serve the files for this mirror: it redirects to them
install_miniconda__mirrors:
"""
_CHANNELS, _DEFAULTS = "channels", "defaults"
_INSTALLERS = ("miniconda", "anaconda", "miniforge")


class UnknownService(ValueError):
    """A row has something else in ``serves`` than channels, defaults or a distribution."""


def _preset(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of one mirror, without their indentation."""
    by = {row["serves"]: row for row in rows}
    unknown = set(by) - {_CHANNELS, _DEFAULTS, *_INSTALLERS}
    if unknown:
        raise UnknownService(f"{rows[0]['mirror']}: serves is {', '.join(sorted(unknown))}")
    installers = [name for name in _INSTALLERS if name in by]
    if installers:
        yield "installers:"
        yield from (f"  {name}: {by[name]['base']}" for name in installers)
    newest = [name for name in installers if by[name].get("newest_only")]
    if newest:
        yield f"newest_only: [{', '.join(newest)}]"
    if _CHANNELS in by:
        yield "custom_channels:"
        yield from (f"  {name}: {by[_CHANNELS]['base']}" for name in by[_CHANNELS]["names"])
    if _DEFAULTS in by:
        yield "default_channels:"
        yield from (f"  - {by[_DEFAULTS]['base']}/{name}" for name in by[_DEFAULTS]["names"])
    if any(row.get("redirects") for row in rows):
        yield "redirects: true"


def render(tables: Mapping[str, Rows]) -> str:
    """The file's text."""
    rows = tables["mirrors"]
    parts = [_HEAD]
    for name in dict.fromkeys(row["mirror"] for row in rows):
        parts.append(f"  {name}:\n")
        own = [row for row in rows if row["mirror"] == name]
        parts += [f"    {line}\n" for line in _preset(own)]
    return "".join(parts)


WRITER = Writer(
    target="roles/install_miniconda/vars/main/mirrors.yml",
    tables={
        "mirrors": Fields(
            required=("mirror", "serves", "base"), optional=("names", "newest_only", "redirects")
        )
    },
    render=render,
)
