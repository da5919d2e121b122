"""An installed base prefix and how tests run its conda against the lab's channel."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def clean_environment(home: Path) -> dict[str, str]:
    """An environment without the caller's Python and conda variables."""
    foreign = ("CONDA", "PYTHON", "PIP_", "_CE_", "LLMFLEET_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"}


@dataclass
class Base:
    """An installed base prefix and how to run its conda against the lab's channel."""

    prefix: Path
    channel: Path
    home: Path
    environments: int = field(default=0)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run conda with arguments and further environment variables."""
        return subprocess.run(
            [str(self.prefix / "bin" / "python"), "-m", "conda", *arguments],
            env={**clean_environment(self.home), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def json(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Run a conda command that solves, offline from the lab's channel; return its JSON."""
        channel = ["--override-channels", "--channel", f"file://{self.channel}"]
        done = self.run(*arguments, *channel, "--yes", "--quiet", "--json", **variables)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def create(self, *specs: str) -> Path:
        """Make an environment and return its prefix."""
        self.environments += 1
        prefix = self.prefix / "envs" / f"made{self.environments}"
        answer = self.json("create", "--prefix", str(prefix), *specs)
        assert answer.get("success"), answer
        return prefix


def install(script: Path, prefix: Path, home: Path) -> None:
    """Run an installer in batch mode."""
    done = subprocess.run(
        ["sh", str(script), "-b", "-p", str(prefix)],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
