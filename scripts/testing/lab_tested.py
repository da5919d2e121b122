"""Remembers that the lab's own tests passed: they run again when the lab or its pins change."""

from __future__ import annotations

from pathlib import Path

from lab import cache, paths
from scripts.layout import ROOT

# What the lab's own tests depend on; a file of any other kind does not change what they find.
_SOURCES = (
    "lab",
    "tests/lab",
    "requirements/lab.txt",
    "tests/conftest.py",
    "scripts/setup/debian-packages.txt",
)
_ENDINGS = (".py", ".txt", ".sh", ".fish", ".yml", "")


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = (path for path in source.rglob("*") if "__pycache__" not in path.parts)
    return sorted(path for path in found if path.is_file() and path.suffix in _ENDINGS)


def key(root: Path = ROOT) -> str:
    """The content key of the lab, its tests and its pins, the same in every checkout."""
    files = [path for name in _SOURCES for path in _files(root / name)]
    named = [(str(path.relative_to(root)), cache.content_key(path)) for path in files]
    return cache.content_key(named)


def _record() -> Path:
    return paths.cache_dir() / "tested.key"


def passed(wanted: str) -> bool:
    """Whether the lab's tests passed with exactly this lab."""
    try:
        return _record().read_text().strip() == wanted
    except OSError:
        return False


def remember(tested: str) -> None:
    """Write down that they passed."""
    _record().parent.mkdir(parents=True, exist_ok=True)
    _record().write_text(tested + "\n")
