"""Records whose long lists are left unread say the same as records that are read as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    record_file as path_lists,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.record_file import read_record

RECORD: dict[str, Any] = {
    "build": "0",
    "depends": ["a", "b >=1"],
    "files": ["lib/a.py", "bin/b"],
    "link": {"source": "/pkgs/six", "type": 1},
    "name": "six",
    "paths_data": {
        "paths": [
            {"_path": "lib/a.py", "path_type": "hardlink", "size_in_bytes": 3},
            {"_path": "bin/b", "prefix_placeholder": "/opt/x", "size_in_bytes": 9},
            {"_path": "lib/c", "path_type": "softlink", "size_in_bytes": 4},
            {"_path": "lib/d.pyc"},
        ],
        "paths_version": 1,
    },
    "requested_spec": "six",
    "url": "http://host/six.conda",
    "version": "1.16",
}


def as_conda_writes(record: dict[str, Any]) -> bytes:
    """conda.gateways.disk.create.write_as_json_to_file: sorted keys, two spaces."""
    return json.dumps(record, indent=2, sort_keys=True).encode()


def was_cut(text: bytes) -> bool:
    return path_lists._cut(text) is not None


def test_record_in_condas_format_is_cut() -> None:
    text = as_conda_writes(RECORD)
    assert was_cut(text)
    data, paths = read_record(text)
    assert data == {**RECORD, "files": [], "paths_data": {}}
    assert paths.files == ("lib/a.py", "bin/b")
    assert paths.sizes == {"lib/a.py": 3}


OTHER_WAYS = {
    "in one line": json.dumps(RECORD).encode(),
    "four spaces deep": json.dumps(RECORD, indent=4).encode(),
    "in another order": json.dumps(dict(reversed(RECORD.items())), indent=2).encode(),
    "without lists": as_conda_writes({**RECORD, "files": [], "paths_data": {}}),
    "a newer kind of list": as_conda_writes(
        {**RECORD, "paths_data": {**RECORD["paths_data"], "paths_version": 2}}
    ),
}


@pytest.mark.parametrize("text", OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_record_in_another_format_is_parsed_whole(text: bytes) -> None:
    assert not was_cut(text)
    data, paths = read_record(text)
    whole = json.loads(text)
    assert data == whole
    assert paths.files == tuple(whole["files"])


def test_keys_around_the_lists_are_kept() -> None:
    """A later mapping, a list inside the list, and the closing words inside a text."""
    record = {
        **RECORD,
        "files": ['a\n  ],\n  "version": "9"', "b"],
        "signatures": {"paths": [], "paths_version": 1, "x": {"paths_version": 1}},
        "zz": {"deep": {"paths_version": 1}},
    }
    data, paths = read_record(as_conda_writes(record))
    assert {**data, "files": 0, "paths_data": 0} == {**record, "files": 0, "paths_data": 0}
    assert list(paths.files) == record["files"]
    assert paths.sizes == {"lib/a.py": 3}


def test_empty_list_is_not_confused_with_a_later_one() -> None:
    record = {**RECORD, "files": [], "license_files": ["COPYING"], "name": "six"}
    assert read_record(as_conda_writes(record))[0]["license_files"] == ["COPYING"]


def test_duplicate_key_counts_as_in_json() -> None:
    text = as_conda_writes(RECORD)[:-2] + b',\n  "files": [\n    "last"\n  ]\n}'
    assert json.loads(text)["files"] == ["last"]
    assert read_record(text)[1].files == ("last",)


@pytest.mark.parametrize("damage", [b"\x00\x00\x00\x00", b'"""""""'])
def test_damaged_list_fails_when_read(damage: bytes) -> None:
    text = as_conda_writes(RECORD)
    at = text.index(b"hardlink")
    _data, paths = read_record(text[:at] + damage + text[at + len(damage) :])
    with pytest.raises(ValueError, match="line"):
        paths.check()


TEXTS = st.text(alphabet='ab/ \n"]}{[,:\\é0', max_size=12)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PATHS = st.lists(st.fixed_dictionaries({"_path": TEXTS, "size_in_bytes": st.integers(0, 99)}))


@given(
    files=st.lists(TEXTS, max_size=4),
    paths=PATHS,
    version=st.integers(1, 2),
    more=st.dictionaries(st.sampled_from(["a", "link", "signed", "z", "{", "paths"]), VALUES),
    indent=st.sampled_from([None, 1, 2, 3]),
)
def test_cut_record_equals_whole_record(
    files: list[str], paths: list[Any], version: int, more: dict[str, Any], indent: int | None
) -> None:
    record = {
        **more,
        "files": files,
        "paths_data": {"paths": paths, "paths_version": version},
        "name": "six",
    }
    data, lists = read_record(json.dumps(record, indent=indent, sort_keys=True).encode())
    ignored = {"files": 0, "paths_data": 0}
    assert {**data, **ignored} == {**record, **ignored}
    assert lists.files == tuple(files)
    assert lists.sizes == {item["_path"]: item["size_in_bytes"] for item in paths}
