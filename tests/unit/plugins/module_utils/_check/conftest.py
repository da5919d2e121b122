"""Fake prefixes: a real interpreter in a directory that looks like a conda environment."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

VERSION = platform.python_version()


class Prefix:
    """A conda environment for tests, with packages whose content the test defines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta = path / "conda-meta"
        short = ".".join(VERSION.split(".")[:2])
        self.site_packages = path / "lib" / f"python{short}" / "site-packages"

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    def record(
        self, name: str, version: str, *, files: tuple[str, ...] = (), **more: object
    ) -> Path:
        """Write conda's record of a package whose files are there already."""
        self.meta.mkdir(parents=True, exist_ok=True)
        (self.meta / "history").touch()
        data: dict[str, object] = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "channel": "https://mirror.example/conda/lab/linux-64",
            "subdir": "noarch",
            "depends": [],
            "files": list(files),
            "paths_data": {
                "paths": [
                    {"_path": file, "size_in_bytes": (self.path / file).stat().st_size}
                    for file in files
                ]
            },
        }
        data.update(more)
        path = self.meta / f"{name}-{version}-0.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def code(self, name: str, source: str) -> str:
        """Write a package's ``__init__.py``; returns its path relative to the prefix."""
        file = self.site_packages / name / "__init__.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        return str(file.relative_to(self.path))

    def pip_package(
        self,
        name: str,
        version: str = "1.0",
        source: str = "",
        *,
        module: str | None = None,
        requires: tuple[str, ...] = (),
        headers: str = "",
    ) -> Path:
        """Install a distribution as pip would; returns its ``__init__.py``."""
        code = self.path / self.code(module or name, source)
        info = self.site_packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Requires-Dist: {text}\n" for text in requires]
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(lines)}{headers}\n"
        )
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
        rows = []
        for file in (code, info / "METADATA", info / "INSTALLER"):
            data = file.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{file.relative_to(self.site_packages)},sha256={digest},{len(data)}\n")
        rows.append(f"{info.name}/RECORD,,\n")
        (info / "RECORD").write_text("".join(rows), encoding="utf-8")
        return code

    def tree(self) -> dict[str, tuple[int, int]]:
        """Every path below the prefix, with its size and time of change."""
        return {
            os.path.join(directory, name): (status.st_size, status.st_mtime_ns)
            for directory, directories, files in os.walk(self.path)
            for name in [*directories, *files]
            for status in [os.lstat(os.path.join(directory, name))]
        }


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    return path


@pytest.fixture
def make_prefix(_template: Path, tmp_path: Path) -> Callable[..., Prefix]:
    """Makes environments with an interpreter that starts, and a record of it."""

    def make(name: str = "env") -> Prefix:
        prefix = Prefix(tmp_path / name)
        shutil.copytree(_template, prefix.path, symlinks=True)
        prefix.site_packages.mkdir(parents=True, exist_ok=True)
        prefix.record("python", VERSION, files=("bin/python",), subdir=subdir())
        return prefix

    return make


@pytest.fixture
def prefix(make_prefix: Callable[..., Prefix]) -> Prefix:
    return make_prefix()


@pytest.fixture(autouse=True)
def _plain_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No search paths and an empty home directory, whoever runs the tests."""
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))


def subdir() -> str:
    """conda's name of the platform on which the tests run."""
    machines = {"x86_64": "64", "amd64": "64"}
    system = {"linux": "linux", "darwin": "osx"}[sys.platform]
    machine = sysconfig.get_platform().rsplit("-", 1)[1]
    return f"{system}-{machines.get(machine, machine)}"
