"""Observation of installed distributions, with `importlib.metadata` and real pip installs as oracles."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    damage_of,
    observe_packages,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import (
    metadata_text,
    record_digest,
)

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / SITE
    path.mkdir(parents=True)
    return path


@pytest.fixture
def install(site: Path) -> Callable[..., Path]:
    """Put a distribution with one module into the site-packages; returns its dist-info."""

    def put(name: str, version: str = "1.0", installer: str = "pip", **metadata: Any) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        module = site / f"{name.replace('-', '_')}.py"
        module.write_text(f"VERSION = {version!r}\n")
        data = module.read_bytes()
        (info / "METADATA").write_text(metadata_text(name, version, **metadata))
        (info / "INSTALLER").write_text(f"{installer}\n")
        rows = [
            f"{module.name},{record_digest(data)},{len(data)}",
            f"__pycache__/{module.stem}.cpython-311.pyc,,",
            f"{info.name}/METADATA,,",
            f"{info.name}/INSTALLER,,",
            f"{info.name}/RECORD,,",
        ]
        (info / "RECORD").write_text("\n".join([*rows, ""]))
        return info

    return put


def test_reads_the_same_as_importlib() -> None:
    site_packages = sysconfig.get_path("purelib")
    seen = observe_packages(sys.prefix, site_packages, [])
    expected = {}
    for one in importlib.metadata.distributions(path=[site_packages]):
        expected[canonicalize_name(one.metadata["Name"])] = (
            one.version,
            [" ".join(line.split()) for line in one.metadata.get_all("Requires-Dist") or []],
            {canonicalize_name(line) for line in one.metadata.get_all("Provides-Extra") or []},
        )
    assert {"pytest", "hypothesis", "packaging"} <= set(expected)
    found = {
        name: (one.version, list(one.requires), set(one.extras))
        for name, one in seen.by_name.items()
    }
    assert found == expected


def test_a_healthy_environment_has_no_damage() -> None:
    seen = observe_packages(sys.prefix, sysconfig.get_path("purelib"), [])
    assert damage_of(seen, ["pytest", "packaging", "not-there"]) == {}


def test_facts_of_one_distribution(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    info = install("My-Tool", "1.2", requires=["lib>=1", "x; extra == 'Cli_X'"], extras=["Cli_X"])
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///srv/tool.whl"}))
    one = observe_packages(str(tmp_path), str(site), []).by_name["my-tool"]
    assert (one.version, one.owner, one.path) == ("1.2", "pip", str(info))
    assert one.requires == ("lib>=1", "x; extra == 'Cli_X'")
    assert one.extras == frozenset({"cli-x"})
    assert one.direct_url == {"url": "file:///srv/tool.whl"}
    assert one.label == "my-tool==1.2 (pip)"


def test_folded_headers_and_windows_line_ends(tmp_path: Path, site: Path) -> None:
    info = site / "odd-1.dist-info"
    info.mkdir()
    text = "Name: odd\r\nVersion: 1\r\nRequires-Dist: lib\r\n  >=1\r\nLicense:\r\n\r\nName: no\r\n"
    (info / "METADATA").write_bytes(text.encode())
    one = observe_packages(str(tmp_path), str(site), []).by_name["odd"]
    assert one.requires == ("lib >=1",)


def test_a_long_header_is_read_to_its_end(tmp_path: Path, site: Path) -> None:
    info = site / "long-1.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: dependency-{number}" for number in range(2000)]
    text = "\n".join(["Name: long", "Version: 1", *lines, "", "x" * 100_000])
    (info / "METADATA").write_text(text)
    assert len(observe_packages(str(tmp_path), str(site), []).by_name["long"].requires) == 2000


def test_conda_owns_recorded_and_marked_distributions(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    install("by-record", installer="pip")
    install("by-installer", installer="conda")
    install("by-pip")
    files = [f"{SITE}/by_record-1.0.dist-info/METADATA", "lib/other/x.dist-info/METADATA"]
    seen = observe_packages(str(tmp_path), str(site), files)
    owners = {name: one.owner for name, one in seen.by_name.items()}
    assert owners == {"by-record": "conda", "by-installer": "conda", "by-pip": "pip"}
    assert [one.name for one in seen.owned_by_conda()] == ["by-installer", "by-record"]
    assert seen.of_conda == {("by-record", "1.0")}


def test_egg_info_of_conda_as_directory_and_as_file(tmp_path: Path, site: Path) -> None:
    (site / "old_tool-0.9-py3.11.egg-info").mkdir()
    (site / "old_tool-0.9-py3.11.egg-info" / "PKG-INFO").write_text(
        "Name: old-tool\nVersion: 0.9\n"
    )
    (site / "older-0.1-py3.11.egg-info").write_text("Name: older\nVersion: 0.1\n")
    files = [f"{SITE}/older-0.1-py3.11.egg-info"]
    seen = observe_packages(str(tmp_path), str(site), files)
    assert {name: (one.version, one.owner) for name, one in seen.by_name.items()} == {
        "old-tool": ("0.9", "pip"),
        "older": ("0.1", "conda"),
    }
    assert damage_of(seen, seen.by_name) == {}


def test_interrupted_installation_has_no_metadata(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    (install("half", "2.0") / "METADATA").unlink()
    (site / "~enamed-1.0.dist-info").mkdir()
    seen = observe_packages(str(tmp_path), str(site), [])
    assert list(seen.by_name) == ["half"]
    assert not seen.by_name["half"].metadata
    assert seen.by_name["half"].version == "2.0"
    assert damage_of(seen, ["half"]) == {"half": ("half-2.0.dist-info/METADATA",)}


def test_two_distributions_of_one_name(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    first, second = install("twice", "1.0"), install("twice", "2.0")
    seen = observe_packages(str(tmp_path), str(site), [])
    assert (seen.by_name["twice"].path, seen.doubles) == (str(first), {"twice": (str(second),)})
    assert "twice-2.0.dist-info (a second one)" in damage_of(seen, ["twice"])["twice"]
    (first / "METADATA").unlink()
    seen = observe_packages(str(tmp_path), str(site), [])
    assert (seen.by_name["twice"].path, seen.doubles) == (str(second), {"twice": (str(first),)})


def test_damage_by_kind(tmp_path: Path, site: Path, install: Callable[..., Path]) -> None:
    for name in ("missing", "short", "record", "sound", "of-conda"):
        install(name, installer="conda" if name == "of-conda" else "pip")
    (site / "missing.py").unlink()
    (site / "short.py").write_text("")
    (site / "record-1.0.dist-info" / "RECORD").unlink()
    (site / "of_conda.py").unlink()
    seen = observe_packages(str(tmp_path), str(site), [])
    assert damage_of(seen, seen.by_name) == {
        "missing": ("missing.py",),
        "short": ("short.py",),
        "record": ("record-1.0.dist-info/RECORD",),
    }
    assert damage_of(seen, ["sound", "of-conda", "absent"]) == {}


def test_wrong_size_with_the_right_hash_is_not_damage(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    info = install("sized")
    data = (site / "sized.py").read_bytes()
    record = (info / "RECORD").read_text()
    (info / "RECORD").write_text(record.replace(f",{len(data)}\n", ",99999\n"))
    seen = observe_packages(str(tmp_path), str(site), [])
    assert damage_of(seen, ["sized"]) == {}
    (site / "sized.py").write_text("VERSION = '9'\n")
    assert damage_of(seen, ["sized"]) == {"sized": ("sized.py",)}


def test_quoted_names_and_paths_outside_site_packages(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    info = install("quoted")
    script = tmp_path / "bin" / "tool"
    script.parent.mkdir()
    script.write_text("#!\n")
    (site / 'a,"b.py').write_text("")
    with (info / "RECORD").open("a") as stream:
        stream.write('"a,""b.py",,0\n../../../bin/tool,,3\n')
    seen = observe_packages(str(tmp_path), str(site), [])
    assert damage_of(seen, ["quoted"]) == {}
    script.unlink()
    (site / 'a,"b.py').unlink()
    assert damage_of(seen, ["quoted"]) == {"quoted": ('a,"b.py', "../../../bin/tool")}


def test_missing_site_packages_is_empty(tmp_path: Path) -> None:
    assert observe_packages(str(tmp_path), str(tmp_path / SITE), []).by_name == {}


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lib" / "python3.11").mkdir(parents=True)
    (tmp_path / SITE).write_text("not a directory")
    with pytest.raises(CondaModuleError, match="cannot be read"):
        observe_packages(str(tmp_path), str(tmp_path / SITE), [])


def test_direct_url_that_is_not_json(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    (install("odd") / "direct_url.json").write_text("{")
    assert observe_packages(str(tmp_path), str(site), []).by_name["odd"].direct_url == {}


def test_a_hundred_distributions_take_milliseconds(
    tmp_path: Path, site: Path, install: Callable[..., Path]
) -> None:
    template = install("d0", requires=["d1>=1", "d2; extra == 'x'"])
    for number in range(1, 100):
        info = site / f"d{number}-1.0.dist-info"
        shutil.copytree(template, info)
        (info / "METADATA").write_text(metadata_text(f"d{number}", "1.0", ["d1>=1"]))
    best = 1.0
    for _attempt in range(5):
        start = time.process_time()
        seen = observe_packages(str(tmp_path), str(site), [])
        best = min(best, time.process_time() - start)
    assert len(seen.by_name) == 100
    # CPU seconds: 5 ms on the machine where this was written; a process of pip's takes 400.
    assert best < 0.1
