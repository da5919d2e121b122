"""An Ansible callback that writes the whole result of each task as a line of JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: every_result
type: notification
short_description: The whole result of each task as a line of JSON
description:
  - Appends to the file named by the environment variable E(EVERY_RESULT).
requirements:
  - enabled by E(ANSIBLE_CALLBACKS_ENABLED)
"""


class CallbackModule(CallbackBase):
    """Writes ``{"task": name, "outcome": "ok" | "failed" | "skipped", "result": {...}}``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "every_result"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, outcome: str, result: Any) -> None:
        line = {"task": result.task.get_name(), "outcome": outcome, "result": result.result}
        with open(os.environ["EVERY_RESULT"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task ended well."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed."""
        del ignore_errors
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was skipped."""
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """The host could not be reached."""
        self._write("failed", result)
