"""Wheels become packages: who owns the files, what they need, and their scripts."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.extract import extract

from lab import packages, wheels_to_conda
from lab.errors import LabError

NAMES = {"thing": "thing", "ruamel-yaml": "ruamel.yaml", "six": "six", "old": "old"}


def _wheel(folder: Path, tags: str, *requires: str, members: dict[str, str] | None = None) -> Path:
    info = "thing-1.2.dist-info"
    metadata = ["Metadata-Version: 2.1", "Name: Thing", "Version: 1.2", "Requires-Python: >=3.8"]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    content = {
        "thing/__init__.py": "def main():\n    return 0\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/entry_points.txt": "[console_scripts]\nthing = thing:main\n",
        f"{info}/RECORD": "",
        **(members or {}),
    }
    path = folder / f"thing-1.2-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return path


def _convert(tmp_path: Path, wheel: Path, minor: str = "3.11") -> tuple[dict[str, Any], Path]:
    target = tmp_path / "out"
    target.mkdir()
    package = wheels_to_conda.convert(wheel, minor, NAMES, None, target)
    extract(package, tmp_path / "unpacked")
    index: dict[str, Any] = json.loads((tmp_path / "unpacked" / "info" / "index.json").read_text())
    return index, tmp_path / "unpacked"


def test_a_pure_wheel_is_noarch_and_conda_writes_its_scripts(tmp_path: Path) -> None:
    index, unpacked = _convert(tmp_path, _wheel(tmp_path, "py3-none-any"))
    assert index["noarch"] == "python"
    assert index["depends"] == ["python >=3.8"]
    assert (unpacked / "site-packages" / "thing" / "__init__.py").is_file()
    link = json.loads((unpacked / "info" / "link.json").read_text())
    assert link["noarch"]["entry_points"] == ["thing = thing:main"]


def test_a_binary_wheel_is_pinned_to_its_python_and_has_its_scripts(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "cp311-cp311-manylinux_2_17_x86_64")
    index, unpacked = _convert(tmp_path, wheel)
    assert index["subdir"] == "linux-64"
    assert index["build"] == "py311lab_0"
    assert index["depends"] == ["python >=3.11,<3.12.0a0"]
    assert (unpacked / "lib/python3.11/site-packages/thing/__init__.py").is_file()
    script = unpacked / "bin" / "thing"
    assert script.read_text().startswith(f"#!{packages.PLACEHOLDER}/bin/python\n")
    assert script.stat().st_mode & 0o111


def test_conda_owns_the_files_and_the_record_is_true(tmp_path: Path) -> None:
    wheel = _wheel(
        tmp_path,
        "cp311-cp311-manylinux_2_17_x86_64",
        members={
            "thing-1.2.data/data/share/thing.txt": "x",
            "thing-1.2.data/scripts/s": "#!python\n",
        },
    )
    _, unpacked = _convert(tmp_path, wheel)
    site = unpacked / "lib/python3.11/site-packages"
    info = site / "thing-1.2.dist-info"
    assert (info / "INSTALLER").read_text().strip() == "conda"
    with (info / "RECORD").open(newline="") as handle:
        listed = {row[0] for row in csv.reader(handle)}
    real = {
        os.path.relpath(path, site)
        for path in unpacked.rglob("*")
        if path.is_file() and not path.is_relative_to(unpacked / "info")
    }
    assert listed == real
    assert (unpacked / "bin" / "s").read_text() == f"#!{packages.PLACEHOLDER}/bin/python\n"


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        ("3.8", ["ruamel.yaml !=0.18.1,>=0.17", "old"]),
        ("3.11", ["ruamel.yaml !=0.18.1,>=0.17", "six >=1.5"]),
    ],
)
def test_markers_are_those_of_the_packages_python(
    minor: str, expected: list[str], tmp_path: Path
) -> None:
    wheel = _wheel(
        tmp_path,
        "py3-none-any",
        "ruamel_yaml>=0.17,!=0.18.1",
        'six>=1.5; python_version >= "3.9"',
        'old; python_version < "3.9"',
        'six; sys_platform == "win32"',
        'nowhere; extra == "test"',
    )
    index, _ = _convert(tmp_path, wheel, minor)
    assert index["depends"] == ["python >=3.8", *expected]


def test_a_requirement_outside_the_channel_is_an_error_that_names_it(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "py3-none-any", "nowhere>=1")
    with pytest.raises(LabError, match=r"thing-1\.2.*nowhere"):
        _convert(tmp_path, wheel)


def test_a_member_that_leaves_the_package_is_refused(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "py3-none-any", members={"../../outside.py": ""})
    with pytest.raises(LabError, match="leaves the package"):
        _convert(tmp_path, wheel)
