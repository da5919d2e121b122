"""Observing prefixes that were made by hand, whole and broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils import _prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    canonical_channel,
    conda_files,
    damaged_files,
    observe_prefix,
)
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


def test_a_directory_of_somebody_elses(tmp_path: Path) -> None:
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
        b'{"name": "six", "version": "1", "paths_data": {"paths": [{"size_in_bytes": 3}]}}',
        b'{"name": "six", "version": "1", "paths_data": {"paths": 7}}',
        b'{"name": "six", "version": "1", "files": 7}',
        b'{"name": "six", "version": "1", "depends": true}',
        b'{"name": ["six"], "version": "1"}',
        b'{"name": null, "version": "1"}',
        b'{"name": "six", "version": "1", "paths_data": []}',
    ],
)
def test_an_unreadable_record_is_a_problem_and_not_a_crash(
    prefix: FakePrefix, content: bytes
) -> None:
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


def test_other_files_in_conda_meta_are_no_records(prefix: FakePrefix) -> None:
    for name in ("history", "pinned", "six.json.bak", ".hidden.json", "initial-state.explicit.txt"):
        (prefix.meta / name).write_text("not json")
    state = observe_prefix(str(prefix.path))
    assert state.records == {}
    assert state.problems == ()


def test_a_directory_that_may_not_be_read(
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


def test_observing_writes_nothing(prefix: FakePrefix) -> None:
    prefix.link("six", files={"lib/six.py": b"x"})
    before = snapshot(prefix.path)
    damaged_files(observe_prefix(str(prefix.path)))
    assert snapshot(prefix.path) == before


class TestDamage:
    """Which files count as damaged, and which do not."""

    def damage(self, prefix: FakePrefix) -> dict[str, list[str]]:
        return damaged_files(observe_prefix(str(prefix.path)))

    def test_a_whole_package(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code", "empty": b"", "bin/six": b"#!"})
        assert self.damage(prefix) == {}

    def test_a_missing_file(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code", "lib/b.py": b"code"})
        (prefix.path / "lib/six.py").unlink()
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_a_missing_directory(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/a/b/c.py": b"code", "lib/a/d.py": b"code", "x": b"y"})
        for path in ("lib/a/b/c.py", "lib/a/d.py"):
            (prefix.path / path).unlink()
        (prefix.path / "lib/a/b").rmdir()
        (prefix.path / "lib/a").rmdir()
        assert self.damage(prefix) == {"six": ["lib/a/b/c.py", "lib/a/d.py"]}

    def test_a_truncated_file(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code", "lib/other.py": b"code"})
        (prefix.path / "lib/six.py").write_bytes(b"cod")
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_an_emptied_file(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code"})
        (prefix.path / "lib/six.py").write_bytes(b"")
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_a_file_that_grew_is_none(self, prefix: FakePrefix) -> None:
        prefix.link("certs", files={"ssl/cacert.pem": b"one"})
        (prefix.path / "ssl/cacert.pem").write_bytes(b"one and the company's")
        assert self.damage(prefix) == {}

    def test_compiled_files_do_not_count(self, prefix: FakePrefix) -> None:
        files = {"lib/__pycache__/six.cpython-312.pyc": b"xx", "lib/old.pyo": b"xx", "a.pyc": b"x"}
        prefix.link("six", files=files)
        (prefix.path / "lib/__pycache__/six.cpython-312.pyc").unlink()
        (prefix.path / "lib/old.pyo").write_bytes(b"")
        assert self.damage(prefix) == {}

    def test_a_file_with_a_placeholder_may_shrink_but_not_vanish(self, prefix: FakePrefix) -> None:
        prefix.link("tool", files={"bin/tool": b"#!/placehold/bin"}, placeholders=["bin/tool"])
        (prefix.path / "bin/tool").write_bytes(b"#!/x")
        assert self.damage(prefix) == {}
        (prefix.path / "bin/tool").unlink()
        assert self.damage(prefix) == {"tool": ["bin/tool"]}

    def test_a_path_that_two_packages_claim_need_only_exist(self, prefix: FakePrefix) -> None:
        prefix.link("a", files={"share/both": b"long content", "share/a": b"a"})
        prefix.link("b", files={"share/both": b"short"})
        assert self.damage(prefix) == {}
        (prefix.path / "share/both").unlink()
        assert self.damage(prefix) == {"a": ["share/both"], "b": ["share/both"]}

    def test_links(self, prefix: FakePrefix) -> None:
        prefix.link("lib", files={"lib/real.so.1": b"elf"})
        (prefix.path / "lib/real.so").symlink_to("real.so.1")
        (prefix.path / "lib/dangling").symlink_to("/nonexistent/target")
        record = prefix.meta / "lib-1.0-0.json"
        data = json.loads(record.read_text())
        for name in ("lib/real.so", "lib/dangling"):
            data["files"].append(name)
            data["paths_data"]["paths"].append(
                {"_path": name, "path_type": "softlink", "size_in_bytes": 3}
            )
        record.write_text(json.dumps(data))
        # A package may well link to what only the host has; but the link itself must be there.
        assert self.damage(prefix) == {}
        (prefix.path / "lib/real.so").unlink()
        assert self.damage(prefix) == {"lib": ["lib/real.so"]}

    def test_a_file_that_became_a_dangling_link(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code"})
        (prefix.path / "lib/six.py").unlink()
        (prefix.path / "lib/six.py").symlink_to("nowhere")
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_a_package_below_a_linked_directory(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code"})
        (prefix.path / "lib").rename(prefix.path / "lib64")
        (prefix.path / "lib").symlink_to("lib64")
        assert self.damage(prefix) == {}

    def test_a_file_where_a_directory_was(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code"})
        (prefix.path / "lib/six.py").unlink()
        (prefix.path / "lib").rmdir()
        (prefix.path / "lib").write_bytes(b"a file now")
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_a_directory_where_a_file_was(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"lib/six.py": b"code"})
        (prefix.path / "lib/six.py").unlink()
        (prefix.path / "lib/six.py").mkdir()
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_a_record_of_old_conda_without_sizes(self, prefix: FakePrefix) -> None:
        record = prefix.link("six", files={"lib/six.py": b"code"})
        data = json.loads(record.read_text())
        del data["paths_data"]
        record.write_text(json.dumps(data))
        (prefix.path / "lib/six.py").write_bytes(b"")
        assert self.damage(prefix) == {}
        (prefix.path / "lib/six.py").unlink()
        assert self.damage(prefix) == {"six": ["lib/six.py"]}

    def test_names_outside_of_ascii(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"share/größe 1.txt": b"code"})
        assert self.damage(prefix) == {}
        (prefix.path / "share/größe 1.txt").unlink()
        assert self.damage(prefix) == {"six": ["share/größe 1.txt"]}


def test_all_files_of_conda(prefix: FakePrefix) -> None:
    prefix.link("a", files={"x": b"", "y": b""})
    prefix.link("b", files={"y": b"", "z": b""})
    assert conda_files(observe_prefix(str(prefix.path)).records.values()) == {"x", "y", "z"}


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
