"""The real conda as an oracle."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


def run_conda(installation: Path, home: Path, *arguments: str) -> Any:
    """Run the conda of ``installation``; returns its JSON document, or its text without ``--json``."""
    done = subprocess.run(
        [str(installation / "bin" / "python"), "-I", "-m", "conda", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout
