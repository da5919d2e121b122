"""The files that conda linked, whole and damaged, in prefixes made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.linked_files import (
    conda_files,
    damaged_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix


@pytest.fixture
def prefix(tmp_path: Path) -> FakePrefix:
    return FakePrefix(tmp_path / "env")


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

    def test_longer_file_is_not_damage(self, prefix: FakePrefix) -> None:
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

    def test_path_of_two_packages_is_checked_for_existence_only(self, prefix: FakePrefix) -> None:
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

    def test_file_replaced_by_a_dangling_link(self, prefix: FakePrefix) -> None:
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

    @pytest.mark.parametrize(
        ("recorded", "linked"),
        [
            ("site-packages/tqdm/std.py", "lib/python3.12/site-packages/tqdm/std.py"),
            ("python-scripts/tqdm", "bin/tqdm"),
        ],
    )
    def test_sizes_of_noarch_packages_are_recorded_under_other_names(
        self, prefix: FakePrefix, recorded: str, linked: str
    ) -> None:
        prefix.link("python", "3.12.4")
        record = prefix.link("tqdm", files={linked: b"code"}, noarch="python")
        data = json.loads(record.read_text())
        data["paths_data"]["paths"][0]["_path"] = recorded
        record.write_text(json.dumps(data))
        assert self.damage(prefix) == {}
        (prefix.path / linked).write_bytes(b"cod")
        assert self.damage(prefix) == {"tqdm": [linked]}

    def test_names_outside_of_ascii(self, prefix: FakePrefix) -> None:
        prefix.link("six", files={"share/größe 1.txt": b"code"})
        assert self.damage(prefix) == {}
        (prefix.path / "share/größe 1.txt").unlink()
        assert self.damage(prefix) == {"six": ["share/größe 1.txt"]}


def test_all_files_of_conda(prefix: FakePrefix) -> None:
    prefix.link("a", files={"x": b"", "y": b""})
    prefix.link("b", files={"y": b"", "z": b""})
    assert conda_files(observe_prefix(str(prefix.path)).records.values()) == {"x", "y", "z"}
