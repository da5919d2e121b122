# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python's collector of garbage from slowing down what Ansible does to send a module."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no garbage meanwhile.

    To pack a module Ansible (2.19, ``executor.module_common``) parses each file that it imports, and the
    trees that this makes set off the collector again and again: that is a third of the time or more. An
    action runs in a process that ends with its task, so nothing piles up.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class NoGcAction(NormalAction):
    """Runs a module as Ansible does without an action plugin, and packs it with the collector at rest."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result."""
        with collector_paused():
            result: dict[str, Any] = super().run(tmp, task_vars)  # type: ignore[no-untyped-call]
        return result
