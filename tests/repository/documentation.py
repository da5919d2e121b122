"""The documentation of the plugins as Ansible itself reads it, fragments included."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "llmfleet.conda"
# Kinds of plugins that ansible-doc shows; for the others (action, module_utils) it has nothing.
KINDS = {"modules": "module", "filter": "filter", "callback": "callback", "lookup": "lookup"}


def plugins() -> list[tuple[str, str]]:
    """Kind and full name of everything that has documentation, the roles included."""
    found = [
        (kind, f"{COLLECTION}.{path.stem}")
        for folder, kind in KINDS.items()
        for path in sorted((ROOT / "plugins" / folder).glob("*.py"))
        if path.stem != "__init__"
    ]
    roles = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
    return [*found, *(("role", f"{COLLECTION}.{path.parts[-3]}") for path in roles)]


def ansible_doc(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-doc in the checkout."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-doc")), *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@functools.cache
def modules() -> dict[str, dict[str, Any]]:
    """What ansible-doc knows of each module, by its short name: ``doc``, ``examples``, ``return``."""
    names = [name for kind, name in plugins() if kind == "module"]
    done = ansible_doc("--type", "module", "--json", *names)
    assert done.returncode == 0, done.stderr
    return {name.rpartition(".")[2]: found for name, found in json.loads(done.stdout).items()}


def tasks(examples: str) -> list[dict[str, Any]]:
    """The tasks of a text of examples."""
    loaded = yaml.safe_load(examples)
    assert isinstance(loaded, list), examples
    return loaded


def calls(task: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Module of this collection (by its short name) and options, of each call that a task makes."""
    for key, value in task.items():
        if key.startswith(f"{COLLECTION}."):
            yield key.rpartition(".")[2], value or {}


def option_names(options: Mapping[str, Any]) -> set[str]:
    """Names of documented options; those of suboptions as ``option.suboption``."""
    found = set(options)
    for name, option in options.items():
        below = option_names(option.get("suboptions") or {})
        found |= {f"{name}.{one}" for one in below}
    return found


def used_names(options: Mapping[str, Any], documented: Mapping[str, Any]) -> set[str]:
    """Names of options in a call, those of suboptions as ``option.suboption``; aliases count."""
    aliases = {
        alias: name for name, option in documented.items() for alias in option.get("aliases") or ()
    }
    found = set()
    for given, value in options.items():
        name = aliases.get(given, given)
        found.add(name)
        below = documented.get(name, {}).get("suboptions") or {}
        for one in value if isinstance(value, list) else [value]:
            if below and isinstance(one, Mapping):
                found |= {f"{name}.{sub}" for sub in used_names(one, below)}
    return found
