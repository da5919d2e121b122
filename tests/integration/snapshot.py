"""Snapshots of what the lab's conda works in: its own counter of starts does not count."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.llmfleet.conda.tests.unit.plugins.snapshot import Snapshot, changes
from ansible_collections.llmfleet.conda.tests.unit.plugins.snapshot import (
    snapshot as plain_snapshot,
)
from lab import counter

__all__ = ["Snapshot", "changes", "snapshot"]


def snapshot(*roots: Path) -> Snapshot:
    """As the plain one; a dry run starts conda and so writes a line into the lab's counter."""
    return plain_snapshot(*roots, left_out={counter.NAME})
