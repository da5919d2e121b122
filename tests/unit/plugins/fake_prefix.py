"""Conda prefixes made of files alone, as conda would leave them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class FakePrefix:
    """A directory with ``conda-meta``, to which packages can be linked."""

    def __init__(self, path: Path, *, history: bool = True) -> None:
        self.path = path
        self.meta = path / "conda-meta"
        self.meta.mkdir(parents=True)
        if history:
            (self.meta / "history").write_text("==> 2026-01-01 00:00:00 <==\n")

    def link(
        self,
        name: str,
        version: str = "1.0",
        build: str = "0",
        *,
        files: dict[str, bytes] | None = None,
        depends: Iterable[str] = (),
        placeholders: Iterable[str] = (),
        **more: Any,
    ) -> Path:
        """Write the files and the record of one package; returns the record's path."""
        paths = []
        for relative, content in (files or {}).items():
            target = self.path / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            item = {"_path": relative, "path_type": "hardlink", "size_in_bytes": len(content)}
            if relative in placeholders:
                item.update(prefix_placeholder="/placehold", file_mode="text")
            paths.append(item)
        record = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "channel": "https://conda.anaconda.org/lab/noarch",
            "subdir": "noarch",
            "fn": f"{name}-{version}-{build}.conda",
            "depends": list(depends),
            "files": list(files or {}),
            "paths_data": {"paths_version": 1, "paths": paths},
            **more,
        }
        target = self.meta / f"{name}-{version}-{build}.json"
        target.write_text(json.dumps(record))
        return target


def snapshot(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Everything below ``root``: path to mode, and content or link target; times do not count."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        content: bytes | str = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found
