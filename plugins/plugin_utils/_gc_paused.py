# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disable the garbage collector while Ansible builds the module payload."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.plugins.action.normal import ActionModule as NormalAction


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable the garbage collector while Ansible builds the module payload.

    ansible-core 2.19 (``executor.module_common``) parses every file that the module imports. The syntax trees
    trigger one collection after another, which takes a third of the build time or more. An action plugin runs
    in a process that ends with its task, so garbage does not pile up.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class NoGcAction(NormalAction):
    """Run a module as Ansible's normal action plugin does, with the garbage collector disabled."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        with gc_paused():
            result: dict[str, Any] = super().run(tmp, task_vars)  # type: ignore[no-untyped-call]
        return result
