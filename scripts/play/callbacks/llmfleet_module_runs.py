"""An Ansible callback that counts the module runs on each host of a playbook run.

A callback sees tasks, and a task may run no module (assert) or several (template): what costs a
round trip is only seen where the module is started, so this stands in that place.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: llmfleet_module_runs
type: notification
short_description: One JSON line per module that is run on a host
description:
  - Writes to the file named by the environment variable E(LLMFLEET_MODULE_RUNS).
requirements:
  - enabled by E(ANSIBLE_CALLBACKS_ENABLED)
"""

PATH = os.environ.get("LLMFLEET_MODULE_RUNS")
_execute = ActionBase._execute_module


def _counted(self: Any, module_name: str | None = None, *arguments: Any, **options: Any) -> Any:
    # Processes that were forked from each other write to the file: one short line at a time.
    if PATH:
        name = module_name or self._task.action
        host = self._play_context.remote_addr
        with open(PATH, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"host": host, "module": name}) + "\n")
    return _execute(self, module_name, *arguments, **options)


class CallbackModule(CallbackBase):
    """Counts from when Ansible loads it, which is before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "llmfleet_module_runs"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        if PATH:
            ActionBase._execute_module = _counted  # type: ignore[method-assign]
