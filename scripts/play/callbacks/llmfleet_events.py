"""An Ansible callback that writes one JSON line per event, for a driver that shows progress.

Ansible's own output stays as it is; this goes beside it into the file named by LLMFLEET_EVENTS.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: llmfleet_events
type: notification
short_description: One JSON line per task, result and recap
description:
  - Writes to the file named by the environment variable E(LLMFLEET_EVENTS).
requirements:
  - enabled by E(ANSIBLE_CALLBACKS_ENABLED)
"""


class CallbackModule(CallbackBase):
    """Writes events; never fails a run because of them."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "llmfleet_events"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, event: str, **facts: Any) -> None:
        path = os.environ.get("LLMFLEET_EVENTS")
        if path:
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"event": event, "time": time.time(), **facts}) + "\n")

    def _result(self, outcome: str, result: Any) -> None:
        facts = result.result
        self._write(
            "result",
            outcome=outcome,
            host=result.host.get_name(),
            task=result.task.get_name(),
            changed=bool(facts.get("changed")),
            message=str(facts.get("msg") or facts.get("reason") or ""),
        )

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins."""
        del is_conditional
        self._write("task", task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins."""
        self._write("task", task=task.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task ended well on a host."""
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task failed on a host."""
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was skipped on a host."""
        self._result("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host could not be reached."""
        self._result("failed", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The recap."""
        hosts = sorted(stats.processed)
        self._write("recap", hosts={host: stats.summarize(host) for host in hosts})
