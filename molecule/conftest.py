"""What the tests of all scenarios' hosts share: a person who logs in, and what changed on the host."""

from __future__ import annotations

import json
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

    def types_in(self, shell: str, command: str) -> str:
        """As `types`, with another shell as this person's login shell."""
        return self.types(f"{shell} -l -c {shlex.quote(command)}")

    def is_refused(self, command: str) -> str:
        """What the command complains of; fails the test when it succeeds."""
        result = self.host.run(f"su - {self.name} -c {shlex.quote(command)}")
        assert result.rc != 0, f"{command}\nsucceeded\n{result.stdout}"
        return str(result.stdout + result.stderr)

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
def person(host: Any) -> Callable[[str], Person]:
    """A user by name, for tests that are about several."""
    return lambda name: Person(name, host)


@pytest.fixture
def changes(host: Any) -> Callable[[int, int], dict[str, str]]:
    """Between two snapshots by number: the paths that differ, with `came`, `went` or `changed`."""

    def compare(first: int, second: int) -> dict[str, str]:
        before, after = (
            json.loads(host.file(f"/var/tmp/snapshots/{number}.json").content_string)
            for number in (first, second)
        )
        assert len(before) > 1000
        return {
            path: "came" if path not in before else "went" if path not in after else "changed"
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        }

    return compare


@pytest.fixture
def version_of(ada: Person) -> Callable[[str], str]:
    """The version of an importable package in the environment llm, as it says itself."""
    return lambda package: ada.python(f"import {package}; print({package}.__version__)")
