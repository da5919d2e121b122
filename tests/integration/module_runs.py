"""Which modules a playbook run started on its hosts, by the callback of the Molecule scenarios."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.layout import ROOT


def counting(path: Path) -> dict[str, str]:
    """The variables with which ansible-playbook writes its module runs to the file, emptied here."""
    path.write_text("")
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "scripts" / "play" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "llmfleet_module_runs",
        "LLMFLEET_MODULE_RUNS": str(path),
    }


def modules(path: Path) -> tuple[str, ...]:
    """The names of the modules, in the order in which they were started."""
    return tuple(json.loads(line)["module"] for line in path.read_text().splitlines())
