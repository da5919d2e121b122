"""Observing prefixes that were made by hand, whole and broken."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import records as _prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import canonical_channel
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot


@pytest.fixture
def prefix(tmp_path: Path) -> FakePrefix:
    return FakePrefix(tmp_path / "env")


def test_an_absent_prefix(tmp_path: Path) -> None:
    state = observe_prefix(str(tmp_path / "none" / "deeper"))
    assert (state.exists, state.is_environment, state.empty) == (False, False, True)
    assert state.records == {}


def test_an_empty_directory(tmp_path: Path) -> None:
    state = observe_prefix(str(tmp_path))
    assert (state.exists, state.is_environment, state.empty) == (True, False, True)


def test_directory_that_is_not_an_environment(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    state = observe_prefix(str(tmp_path))
    assert (state.exists, state.is_environment, state.empty) == (True, False, False)


def test_a_file_where_the_prefix_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    state = observe_prefix(str(tmp_path / "file"))
    assert (state.exists, state.is_environment, state.empty) == (True, False, False)


def test_a_dangling_link_where_the_prefix_should_be(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    state = observe_prefix(str(tmp_path / "link"))
    assert state.exists
    assert not state.is_environment


def test_a_prefix_behind_a_link(tmp_path: Path, prefix: FakePrefix) -> None:
    prefix.link("six", files={"lib/six.py": b"x"})
    (tmp_path / "link").symlink_to(prefix.path)
    state = observe_prefix(str(tmp_path / "link"))
    assert list(state.records) == ["six"]
    assert damaged_files(state) == {}


def test_the_facts_of_a_record(prefix: FakePrefix) -> None:
    prefix.link(
        "python",
        "3.12.4",
        "h1_0_cpython",
        build_number=3,
        channel="http://mirror:8000/conda/lab/linux-64",
        subdir="linux-64",
        url="http://mirror:8000/conda/lab/linux-64/python-3.12.4-h1_0_cpython.conda",
        md5="0" * 32,
        sha256="1" * 64,
        track_features="a b",
        constrains=["x <1"],
        requested_spec="python=3.12",
        depends=["zlib"],
    )
    state = observe_prefix(str(prefix.path))
    record = state.records["python"]
    assert record.label == "python 3.12.4 h1_0_cpython lab"
    assert (record.build_number, record.subdir, record.depends) == (3, "linux-64", ("zlib",))
    assert (record.track_features, record.constrains) == (("a", "b"), ("x <1",))
    assert (record.md5, record.sha256, record.requested) == ("0" * 32, "1" * 64, "python=3.12")
    assert state.python_version == "3.12"
    assert state.python == str(prefix.path / "bin" / "python")
    assert state.site_packages == str(prefix.path / "lib" / "python3.12" / "site-packages")
    assert state.labels() == [record.label]


def test_an_environment_without_python(prefix: FakePrefix) -> None:
    state = observe_prefix(str(prefix.path))
    assert state.is_environment
    assert state.python_version is None
    assert state.site_packages is None


def test_frozen_and_history_are_seen(tmp_path: Path) -> None:
    frozen = FakePrefix(tmp_path / "a")
    (frozen.meta / "frozen").write_text("{}")
    assert observe_prefix(str(frozen.path)).frozen
    unborn = FakePrefix(tmp_path / "b", history=False)
    unborn.link("six")
    state = observe_prefix(str(unborn.path))
    assert not state.is_environment
    assert not state.frozen
    assert list(state.records) == ["six"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"name": "six", "version": "1',
        b"[]",
        b"null",
        b"3",
        b"{}",
        b'{"version": "1.0"}',
        b'{"name": "six"}',
        b"\x00" * 4096,
        b"\xff\xfe{}",
        b'{"name": "six", "version": "1", "build_number": "x"}',
        b'{"name": "six", "version": "1", "build_number": 1e309}',
        b'{"name": "six", "version": "1", "paths_data": {"paths": [{"size_in_bytes": 3}]}}',
        b'{"name": "six", "version": "1", "paths_data": {"paths": 7}}',
        b'{"name": "six", "version": "1", "files": 7}',
        b'{"name": "six", "version": "1", "depends": true}',
        b'{"name": ["six"], "version": "1"}',
        b'{"name": null, "version": "1"}',
        b'{"name": "six", "version": "1", "paths_data": []}',
    ],
)
def test_unreadable_record_is_a_problem(prefix: FakePrefix, content: bytes) -> None:
    prefix.link("good")
    (prefix.meta / "six-1.0-0.json").write_bytes(content)
    state = observe_prefix(str(prefix.path), thorough=True)
    if content.endswith(b'"paths_data": []}'):
        assert set(state.records) == {"good", "six"}
        return
    assert list(state.records) == ["good"]
    assert state.bad_records == ("six-1.0-0.json",)
    assert len(state.problems) == 1
    assert str(prefix.meta / "six-1.0-0.json") in state.problems[0]


def test_a_record_that_is_a_directory_or_a_dangling_link(prefix: FakePrefix) -> None:
    (prefix.meta / "a-1-0.json").mkdir()
    (prefix.meta / "b-1-0.json").symlink_to("nowhere")
    state = observe_prefix(str(prefix.path))
    assert state.bad_records == ("a-1-0.json", "b-1-0.json")
    assert state.records == {}


def test_two_records_of_one_package(prefix: FakePrefix) -> None:
    prefix.link("six", "1.0")
    prefix.link("six", "1.1")
    state = observe_prefix(str(prefix.path))
    assert state.records["six"].version == "1.0"
    assert state.bad_records == ("six-1.1-0.json",)
    assert "second record of six" in state.problems[0]


def test_other_files_in_conda_meta_are_ignored(prefix: FakePrefix) -> None:
    for name in ("history", "pinned", "six.json.bak", ".hidden.json", "initial-state.explicit.txt"):
        (prefix.meta / name).write_text("not json")
    state = observe_prefix(str(prefix.path))
    assert state.records == {}
    assert state.problems == ()


def test_directory_without_read_permission(
    prefix: FakePrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.listdir

    def listdir(path: str) -> list[str]:
        if path == str(prefix.meta):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(_prefix.os, "listdir", listdir)
    with pytest.raises(CondaModuleError, match="conda-meta cannot be read: Permission denied") as e:
        observe_prefix(str(prefix.path))
    assert e.value.prefix == str(prefix.meta)
    assert "become" in (e.value.hint or "")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("name", ["six-1.0-0.json", "history"])
def test_temporary_read_error_is_not_damage(
    prefix: FakePrefix, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    prefix.link("six")
    real, real_stat = os.open, os.stat

    def fails(path: Any, *arguments: Any, **how: Any) -> Any:
        if str(path).endswith(f"conda-meta/{name}"):
            raise OSError(number, os.strerror(number), path)
        return real(path, *arguments, **how)

    def stat_fails(path: Any, *arguments: Any, **how: Any) -> Any:
        if name == "history" and str(path).endswith(f"conda-meta/{name}"):
            raise OSError(number, os.strerror(number), path)
        return real_stat(path, *arguments, **how)

    with monkeypatch.context() as patch:
        patch.setattr(_prefix.os, "open", fails)
        patch.setattr(_prefix.os, "stat", stat_fails)
        with pytest.raises(CondaModuleError) as error:
            observe_prefix(str(prefix.path))
    assert f"{name} cannot be read: {os.strerror(number)}" in error.value.message
    assert "nothing was changed" in error.value.message


def test_observing_writes_nothing(prefix: FakePrefix) -> None:
    prefix.link("six", files={"lib/six.py": b"x"})
    before = snapshot(prefix.path)
    damaged_files(observe_prefix(str(prefix.path)))
    assert snapshot(prefix.path) == before


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("", ""),
        ("conda-forge", "conda-forge"),
        ("defaults", "defaults"),
        ("pkgs/main", "pkgs/main"),
        ("https://conda.anaconda.org/conda-forge", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/linux-64", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/noarch", "conda-forge"),
        ("https://conda.anaconda.org/conda-forge/osx-arm64/x-1-0.conda", "conda-forge"),
        ("https://conda.anaconda.org/t/TOKEN/mine/linux-64", "mine"),
        ("https://repo.anaconda.com/pkgs/main/linux-64", "pkgs/main"),
        ("http://mirror:8080/anaconda/pkgs/r", "pkgs/r"),
        ("http://mirror/conda/lab/linux-64/numpy-1-0.tar.bz2", "lab"),
        ("https://user:pw@mirror/lab", "lab"),
        ("http://mirror:8000", "mirror:8000"),
        ("file:///srv/channel", "channel"),
        ("file:///srv/channel/linux-64", "channel"),
        ("/srv/channel/noarch", "channel"),
        ("conda-forge/label/dev", "conda-forge/label/dev"),
        ("https://conda.anaconda.org/conda-forge/label/dev/linux-64", "conda-forge/label/dev"),
    ],
)
def test_canonical_names_of_channels(channel: str, name: str) -> None:
    assert canonical_channel(channel) == name
