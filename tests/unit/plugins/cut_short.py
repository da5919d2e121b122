"""A prefix whose Python has compiled files, for tests of what becomes of those that are cut short."""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path


def give_python(prefix: Path) -> None:
    """Let ``bin/python`` of a prefix be the interpreter that runs the tests."""
    python = prefix / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)


def compiled(prefix: Path, name: str) -> Path:
    """A module below ``lib`` of a prefix; returns the path of its compiled file."""
    source = prefix / "lib" / f"{name}.py"
    source.parent.mkdir(exist_ok=True)
    source.write_text(f"NAME = {name!r}\nNUMBERS = {list(range(500))}\n")
    return Path(str(py_compile.compile(str(source), doraise=True)))
