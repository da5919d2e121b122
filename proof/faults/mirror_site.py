"""What a mirror of everything serves: the lab's site, and a hub with one model beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from lab import model, paths
from lab.mirror import Mirror

MODEL = "lab/tiny"
"""The hub's one model."""

COMMIT = hashlib.sha1(MODEL.encode(), usedforsecurity=False).hexdigest()
"""What its branch main stands for."""


def make(folder: Path) -> Path:
    """Make the folder to serve, anew, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in paths.site_dir().iterdir():
        (folder / entry.name).symlink_to(entry)
    api = folder / "api" / "models" / MODEL
    files = model_files()
    _write(
        api / "revision" / "main",
        {
            "id": MODEL,
            "modelId": MODEL,
            "sha": COMMIT,
            "tags": [],
            "siblings": [{"rfilename": name} for name in files],
        },
    )
    listed = [
        {"type": "file", "path": name, "size": path.stat().st_size, "oid": blob_id(path)}
        for name, path in files.items()
    ]
    _write(api / "tree" / COMMIT, listed)
    for name, path in files.items():
        link = folder / MODEL / "resolve" / COMMIT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return folder


def serve(folder: Path, host: str) -> Mirror:
    """A mirror of that folder, not started yet, whose hub's files have the headers of a hub's."""
    mirror = Mirror(folder, host=host)
    for name, path in model_files().items():
        tag = f'"{blob_id(path)}"'
        mirror.headers(f"/{MODEL}/resolve/*/{name}", X_Repo_Commit=COMMIT, ETag=tag)
    return mirror


def model_files() -> dict[str, Path]:
    """The files of the model by name."""
    folder = model.path()
    return {path.name: path for path in sorted(folder.iterdir()) if path.name[0] != "."}


def blob_id(path: Path) -> str:
    """git's name for a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
