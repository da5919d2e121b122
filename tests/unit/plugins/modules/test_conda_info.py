"""The module conda_info on prefixes made of files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.modules import conda_info
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module, in check mode too; returns its result. It may start no process and write nothing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a process was started")

    def start(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            **options,
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": str(tmp_path / "scratch"),
        }
        before = snapshot(tmp_path)
        with monkeypatch.context() as patched, patch_module_args(arguments):
            patched.setattr(subprocess, "Popen", refuse)
            with pytest.raises(SystemExit) as left:
                conda_info.main()
        assert snapshot(tmp_path) == before
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(left.value.code) == bool(result.get("failed"))
        result.pop("invocation", None)
        if not check:
            assert start(check=True, **options) == result
        return result

    return start


@pytest.fixture
def base(tmp_path: Path) -> FakePrefix:
    """An installation with conda and Python."""
    prefix = FakePrefix(tmp_path / "base")
    prefix.link("python", "3.12.7", "h0_0", subdir="linux-64")
    prefix.link("conda", "26.7.1", "py312_0", channel="https://repo.example.org/pkgs/main/linux-64")
    (prefix.path / ".installer.info").write_text("Miniconda3-py312_26.7.1-0-Linux-x86_64.sh\n")
    return prefix


@pytest.fixture
def llm(base: FakePrefix) -> FakePrefix:
    """An environment with a package of conda's and one of pip's."""
    prefix = FakePrefix(base.path / "envs" / "llm")
    site = "lib/python3.12/site-packages"
    metadata = b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\n"
    prefix.link("python", "3.12.7", "h0_0")
    prefix.link("six", "1.16.0", "py_0", files={f"{site}/six-1.16.0.dist-info/METADATA": metadata})
    own = prefix.path / site / "Tiny_Thing-0.1.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: Tiny_Thing\nVersion: 0.1\n\n")
    with (prefix.meta / "history").open("a") as stream:
        stream.write("# update specs: ['python=3.12']\n")
    return prefix


def test_nothing_is_there(run: Run, tmp_path: Path) -> None:
    result = run(installation=str(tmp_path / "nothing"))
    assert result["changed"] is False
    assert (result["installed"], result["exists"]) == (False, False)
    assert (result["facts"], result["environments"]) == ({}, [])
    assert result["config"]["effective"]["channel_alias"] == "https://conda.anaconda.org"


def test_the_installation(run: Run, base: FakePrefix) -> None:
    result = run(installation=str(base.path), gather=["installation"])
    assert result["facts"] == {
        "prefix": str(base.path),
        "conda_version": "26.7.1",
        "python_version": "3.12.7",
        "distribution": "miniconda",
        "distribution_told_by": "Miniconda3-py312_26.7.1-0-Linux-x86_64.sh",
        "platform": "linux-64",
        "writable": True,
    }
    assert set(result) == {"changed", "installed", "exists", "facts"}


@pytest.mark.parametrize(
    ("note", "channel", "distribution"),
    [
        ("Mambaforge-24.1.2-0-Linux-x86_64.sh", "x", "miniforge"),
        ("Miniforge3-26.3.2-3-Linux-aarch64.sh", "x", "miniforge"),
        ("Anaconda3-2024.10-1-Linux-x86_64.sh", "x", "anaconda"),
        ("", "https://repo.example.org/pkgs/main/linux-64", "miniconda"),
        ("", "https://conda.anaconda.org/conda-forge/linux-64", "miniforge"),
        ("", "https://conda.anaconda.org/other/linux-64", ""),
    ],
)
def test_the_distribution(
    run: Run, base: FakePrefix, note: str, channel: str, distribution: str
) -> None:
    (base.path / ".installer.info").write_text(note)
    base.link("conda", "26.7.1", "py312_0", channel=channel)
    facts = run(installation=str(base.path))["facts"]
    assert facts["distribution"] == distribution
    assert bool(facts["distribution_told_by"]) == bool(distribution)


def test_environments(run: Run, base: FakePrefix, llm: FakePrefix, tmp_path: Path) -> None:
    FakePrefix(base.path / "envs" / "half", history=False)
    other = FakePrefix(tmp_path / "elsewhere" / "one")
    shared = FakePrefix(tmp_path / "shared" / "two")
    (shared.meta / "frozen").write_text("{}")
    (base.path / ".condarc").write_text(f"envs_dirs: [{tmp_path / 'shared'}]\n")
    register = tmp_path / "home" / ".conda" / "environments.txt"
    register.parent.mkdir()
    register.write_text(f"{llm.path}\n{other.path}\n{tmp_path / 'removed'}\n")
    found = run(installation=str(base.path))["environments"]
    assert [(one["name"], one["prefix"]) for one in found] == [
        ("base", str(base.path)),
        ("two", str(shared.path)),
        ("llm", str(llm.path)),
        ("", str(other.path)),
    ]
    assert [one["frozen"] for one in found] == [False, True, False, False]
    assert found[2] == {
        "prefix": str(llm.path),
        "name": "llm",
        "python_version": "3.12.7",
        "frozen": False,
        "package_count": 2,
        "problems": [],
        "damaged": [],
        "interrupted": "",
    }


def test_what_is_wrong_with_an_environment(run: Run, base: FakePrefix, llm: FakePrefix) -> None:
    lost = "lib/python3.12/site-packages/six-1.16.0.dist-info/METADATA"
    (llm.path / lost).unlink()
    (llm.meta / "bad-1-0.json").write_text("{")
    (llm.meta / ".llmfleet-journal").write_text('{"operation": "install"}')
    (found,) = run(installation=str(base.path), name="llm")["environments"]
    assert found["damaged"] == [{"name": "six", "files": [lost]}]
    assert len(found["problems"]) == 1
    assert "bad-1-0.json" in found["problems"][0]
    assert found["interrupted"] == "install"


def test_packages_and_distributions(run: Run, base: FakePrefix, llm: FakePrefix) -> None:
    subsets = ["packages", "distributions"]
    result = run(installation=str(base.path), name="llm", gather=subsets)
    common = {"channel": "lab"}
    assert result["packages"] == [
        {"name": "python", "version": "3.12.7", "build": "h0_0", "requested": True, **common},
        {"name": "six", "version": "1.16.0", "build": "py_0", "requested": False, **common},
    ]
    assert result["distributions"] == [
        {"name": "six", "version": "1.16.0", "owner": "conda"},
        {"name": "tiny-thing", "version": "0.1", "owner": "pip"},
    ]
    alone = run(prefix=str(llm.path), gather=subsets)
    assert "installed" not in alone
    assert alone["packages"] == result["packages"]
    names = [one["name"] for one in run(installation=str(base.path), gather=subsets)["packages"]]
    assert names == ["conda", "python"]


def test_an_environment_that_is_not_there(run: Run, base: FakePrefix) -> None:
    subsets = ["environments", "packages", "distributions"]
    result = run(installation=str(base.path), name="none", gather=subsets)
    assert (result["installed"], result["exists"]) == (True, False)
    assert [result[name] for name in subsets] == [[], [], []]


def test_settings(run: Run, base: FakePrefix, tmp_path: Path) -> None:
    (base.path / ".condarc").write_text(
        "channels: [https://joe:secret1@example.org/c, lab]\n"
        "channel_alias: http://mirror/conda\n"
        "service_token: secret2\n"
        "pkgs_dirs: [~/cache]\n"
    )
    parts = base.path / "condarc.d"
    parts.mkdir()
    (parts / "10-site.yml").write_text("channel_alias: http://later/conda\n")
    (parts / "notes.txt").write_text("no settings\n")
    (tmp_path / "home" / ".condarc").write_text("channels: [mine, lab]\n")
    (tmp_path / "home" / ".conda").mkdir()
    (tmp_path / "home" / ".conda" / ".condarc").write_text("channels: &a [x]\n")
    config = run(installation=str(base.path), gather=["config"])["config"]
    assert "secret" not in json.dumps(config)
    files = {file["path"]: file for file in config["files"] if not file["path"].startswith("/etc")}
    home = tmp_path / "home"
    assert list(files) == [
        str(base.path / ".condarc"),
        str(parts / "10-site.yml"),
        str(home / ".conda" / ".condarc"),
        str(home / ".condarc"),
    ]
    assert "line 1" in files[str(home / ".conda" / ".condarc")]["problem"]
    assert files[str(base.path / ".condarc")]["settings"]["service_token"] == "********"
    effective = config["effective"]
    assert effective["channels"] == ["mine", "lab", "https://********@example.org/c"]
    assert effective["channel_alias"] == "http://later/conda"
    assert effective["pkgs_dirs"] == [str(home / "cache")]
    assert effective["envs_dirs"] == [str(base.path / "envs"), str(home / ".conda" / "envs")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "installation"),
        ({"name": "llm"}, "installation"),
        ({"prefix": "/a/b", "gather": ["installation"]}, "require the option installation"),
        ({"prefix": "/a/b", "gather": ["config"]}, "require the option installation"),
        ({"installation": "relative"}, "absolute"),
        ({"installation": "/a/b", "name": "x/y"}, "not a valid environment name"),
        ({"installation": "/a/b", "name": "x", "prefix": "/a/c"}, "mutually exclusive"),
    ],
)
def test_wrong_options(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(**options)
    assert result["failed"]
    assert message in result["msg"]


def test_what_may_not_be_read_is_one_error(
    run: Run, base: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.listdir

    def listdir(path: str) -> list[str]:
        if str(path) == str(base.meta):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    # Not by the mode of the directory: root may read that.
    monkeypatch.setattr(os, "listdir", listdir)
    result = run(installation=str(base.path))
    assert result["failed"]
    assert f"{base.meta} cannot be read: Permission denied" in result["msg"]
