"""A process that answers questions about versions and specs, many at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Question = Sequence[Any]

_AT_ONCE = 2000


class Oracle:
    """The real conda, or rattler: whoever runs in the process.

    Args:
        command: what to run; it speaks the protocol of ``conda_answers.py``.
        home: an empty directory, so that no user's configuration counts.
    """

    def __init__(self, command: Sequence[str | Path], home: Path) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            text=True,
        )

    def ask(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """One answer for each question: ``{"ok": ANSWER}`` or ``{"error": TEXT}``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answers: list[dict[str, Any]] = []
        for start in range(0, len(questions), _AT_ONCE):
            chunk = questions[start : start + _AT_ONCE]
            self._process.stdin.write(json.dumps(chunk) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            assert line, f"the process died of one of {chunk}"
            answers.extend(json.loads(line))
        assert len(answers) == len(questions)
        return answers

    def close(self) -> None:
        """End the process, however it takes it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
