"""``ansible-playbook`` that writes the name of each module that it runs on a host to $MODULE_RUNS.

A callback sees tasks, and a task may run no module (assert) or several (template): what costs a round
trip is only seen where the module is started.
"""

from __future__ import annotations

import os
from typing import Any

import ansible.cli.playbook  # first of all: it prepares the process for the rest of ansible
from ansible.plugins.action import ActionBase

_execute = ActionBase._execute_module


def _counted(self: Any, module_name: str | None = None, *arguments: Any, **options: Any) -> Any:
    with open(os.environ["MODULE_RUNS"], "a", encoding="utf-8") as stream:
        stream.write(f"{module_name or self._task.action}\n")
    return _execute(self, module_name, *arguments, **options)


if __name__ == "__main__":
    ActionBase._execute_module = _counted
    ansible.cli.playbook.main()
