"""What packages take, by what conda's dry run and the package caches tell."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda import package_room
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import (
    ToLink,
    solution_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.output import find_document
from ansible_collections.llmfleet.conda.plugins.module_utils._conda.package_room import (
    needs_of,
    unknown,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import Volume

RECORDED = Path(__file__).parents[3] / "data" / "recorded-output.jsonl"
MIB = 1 << 20
BIG = ToLink("big-1.0-0", "big-1.0-0.conda", 10 * MIB, md5="a" * 32)


@pytest.fixture(params=[True, False], ids=["one volume", "two volumes"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the cache and the environment are on one volume."""

    def volume(path: str) -> Volume:
        return Volume(1 if request.param or "pkgs" in path else 2, "/", 0, None)

    monkeypatch.setattr(package_room, "volume_of", volume)
    return bool(request.param)


def extract(cache: Path, package: ToLink, paths: dict[str, Any], md5: str = "") -> None:
    info = cache / package.stem / "info"
    info.mkdir(parents=True)
    (info / "repodata_record.json").write_text(json.dumps({"md5": md5 or package.md5}))
    listed = [{"_path": name, **entry} for name, entry in paths.items()]
    (info / "paths.json").write_text(json.dumps({"paths": listed}))


FILES = {
    "lib/a.so": {"size_in_bytes": 30 * MIB},
    "bin/run": {"size_in_bytes": MIB, "prefix_placeholder": "/opt/placeholder"},
    "lib/a.so.1": {"size_in_bytes": 30 * MIB, "path_type": "softlink"},
}


def sizes(cache: Path, packages: list[ToLink], copies: bool = False) -> list[int]:
    """MiB to download, to extract and to link."""
    needs = needs_of(packages, str(cache.parent / "env"), [str(cache)], copies)
    return [need.size // MIB for need in needs]


def test_a_new_package_is_downloaded_and_extracted(tmp_path: Path, shared: bool) -> None:
    assert sizes(tmp_path / "pkgs", [BIG]) == [10, 20, 0 if shared else 20]
    assert sizes(tmp_path / "pkgs", [BIG], copies=True) == [10, 20, 20]


def test_an_archive_in_the_cache_is_not_downloaded(tmp_path: Path, shared: bool) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    with open(cache / BIG.file_name, "wb") as stream:
        stream.truncate(BIG.size)
    assert sizes(cache, [BIG])[:2] == [0, 20]
    with open(cache / BIG.file_name, "wb") as stream:
        stream.truncate(BIG.size - 1)
    assert sizes(cache, [BIG])[:2] == [10, 20]


def test_an_extracted_package_costs_only_its_rewritten_files(tmp_path: Path, shared: bool) -> None:
    cache = tmp_path / "pkgs"
    extract(cache, BIG, FILES)
    assert sizes(cache, [BIG]) == [0, 0, 1 if shared else 31]
    assert unknown([ToLink(BIG.stem)], [str(cache)]) == []


def test_a_namesake_of_another_archive_is_not_linked(tmp_path: Path, shared: bool) -> None:
    cache = tmp_path / "pkgs"
    extract(cache, BIG, FILES, md5="b" * 32)
    assert sizes(cache, [BIG])[:2] == [10, 20]
    assert unknown([ToLink("other-1-0"), BIG], [str(cache)]) == [ToLink("other-1-0")]


def test_damaged_metadata_of_a_cache_is_no_error(tmp_path: Path, shared: bool) -> None:
    cache = tmp_path / "pkgs"
    info = cache / BIG.stem / "info"
    info.mkdir(parents=True)
    (info / "repodata_record.json").write_text(json.dumps({"md5": BIG.md5}))
    for text in ("[", "{}", '{"paths": 1}', '{"paths": [1, {"size_in_bytes": "x"}]}'):
        (info / "paths.json").write_text(text)
        assert sizes(cache, [BIG]) == [0, 0, 0]


@pytest.mark.parametrize("name", ["create-dryrun", "mm-install-dry"])
def test_a_dry_run_tells_the_sizes(name: str) -> None:
    """Compared with the sizes in the recorded output itself."""
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        if run["name"] == name:
            document = find_document(run["stdout"])
    assert document is not None
    fetched = document["actions"]["FETCH"]
    packages = {one.stem: one for one in solution_of(document).packages}
    assert len(packages) == len(document["actions"]["LINK"])
    assert fetched
    for item in fetched:
        one = packages[f"{item['name']}-{item['version']}-{item['build']}"]
        assert (one.size, one.file_name, one.md5) == (item["size"], item["fn"], item["md5"])


def test_odd_records_of_a_dry_run_have_no_size() -> None:
    link = [{"name": "a", "version": "1", "build_string": "0", "channel": "lab"}]
    for fetch in (
        None,
        3,
        [3],
        [{"name": "a"}],
        [{**link[0], "size": "x"}],
        [{**link[0], "size": -1}],
    ):
        document = {"success": True, "actions": {"LINK": link, "FETCH": fetch}}
        assert solution_of(document).packages == (ToLink("a-1-0"),)


def test_digests_are_compared_without_regard_to_case(tmp_path: Path) -> None:
    digest = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
    package = ToLink("big-1.0-0", md5=digest.upper())
    extract(tmp_path, package, {}, md5=digest)
    assert unknown([package], [str(tmp_path)]) == []
