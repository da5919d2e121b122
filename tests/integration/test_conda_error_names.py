"""The table of error names against the exceptions that the real conda defines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.failures import BY_NAME

# These end conda with success.
NO_FAILURES = {"CondaSystemExit", "DryRunExit"}

LIST = """
import inspect, json
from conda import CondaError, exceptions
from conda.common import configuration
found = [
    name
    for module in (exceptions, configuration)
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, CondaError) and value.__module__ == module.__name__
]
print(json.dumps(sorted(found)))
"""


def test_every_exception_of_conda_has_a_kind(conda_installation: Path) -> None:
    done = subprocess.run(
        [str(conda_installation / "bin" / "python"), "-I", "-c", LIST],
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(json.loads(done.stdout))
    assert len(names) > 60
    assert sorted(names - set(BY_NAME) - NO_FAILURES) == []
