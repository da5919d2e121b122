"""What the tests of all scenarios' hosts share: a person who logs in."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Person:
    """An ordinary user of a host; every command runs in a login shell of theirs."""

    name: str
    host: Any

    def types(self, command: str) -> str:
        """What the command prints; fails the test with all that it said when it fails."""
        result = self.host.run(f"su - {self.name} -c {shlex.quote(command)}")
        assert result.rc == 0, f"{command}\nended with {result.rc}\n{result.stdout}{result.stderr}"
        return result.stdout.strip()

    def python(self, code: str, environment: str = "llm") -> str:
        """What Python prints in an environment that was activated by name."""
        return self.types(f"conda activate {environment} && python -c {shlex.quote(code)}")


@pytest.fixture
def ada(host: Any) -> Person:
    """An ordinary user whom the lab's images have."""
    return Person("ada", host)


@pytest.fixture
def ben(host: Any) -> Person:
    """The other ordinary user of the lab's images."""
    return Person("ben", host)


@pytest.fixture
def version_of(ada: Person) -> Callable[[str], str]:
    """The version of an importable package in the environment llm, as it says itself."""
    return lambda package: ada.python(f"import {package}; print({package}.__version__)")
