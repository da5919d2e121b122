# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the installation report of pip: what it installed, or would install."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)


@dataclass(frozen=True)
class Reported:
    """One distribution that an installer installed, or would install."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    direct_url: Mapping[str, Any] | None = field(default=None, compare=False)
    url: str = field(default="", compare=False)


def parse_report(text: str) -> list[Reported]:
    """The distributions of an installation report (pip's documentation, "Installation Report").

    Raises:
        ValueError: the text is not an installation report.
    """
    report = json_document.loads(text)
    found = []
    try:
        for item in report["install"]:
            metadata = item["metadata"]
            found.append(
                Reported(
                    name=normalize_name(metadata["name"]),
                    version=str(metadata["version"]),
                    requires=tuple(metadata.get("requires_dist") or ()),
                    extras=frozenset(map(normalize_name, metadata.get("provides_extra") or ())),
                    direct_url=item.get("download_info") if item.get("is_direct") else None,
                    url=str((item.get("download_info") or {}).get("url") or ""),
                )
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an installation report of pip's: {error!r}") from error
    return found
