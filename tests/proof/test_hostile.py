"""Hostile values: the same for the same seed, on everything that is read, and honestly judged."""

from __future__ import annotations

import json
from typing import Any

from proof.faults import hostile, hostile_driver, hostile_world
from proof.faults.hostile_calls import Value, calls, option_names
from proof.faults.hostile_files import KINDS, OfFiles
from proof.faults.hostile_tricks import TRICKS
from proof.faults.hostile_values import Generator
from proof.faults.same_host import differences

SPECS: dict[str, Any] = {
    "conda_info": {"prefix": {"type": "path"}, "gather": {"type": "list", "choices": ["config"]}},
    "llm_check": {"thresholds": {"type": "dict", "options": {"min_glibc": {"type": "str"}}}},
}
GOOD = json.dumps({"failed": True, "msg": "The option prefix is no path."})


def test_a_seed_repeats_its_values() -> None:
    lines = [[one.as_line(0) for one in hostile.batch(7, 60, SPECS)] for _ in range(2)]
    assert lines[0] == lines[1]
    assert lines[0] != [one.as_line(0) for one in hostile.batch(8, 60, SPECS)]


def test_every_option_and_every_kind_of_file_has_its_turn() -> None:
    tried = {one.what for one in hostile.batch(1, 3 * len(KINDS), SPECS)}
    names = {f"{module}.{name}" for module in SPECS for name, _ in option_names(SPECS[module])}
    assert "llm_check.thresholds.min_glibc" in names
    assert tried == names | set(KINDS)


def test_every_kind_of_file_begins_with_a_good_content() -> None:
    made = OfFiles(hostile.ROOT_OF_WORLD, Generator("x"))
    # What marks an environment as frozen is the file as such.
    assert [kind.name for kind in made.kinds if not kind.good] == []
    assert all(kind.readers for kind in made.kinds)


def test_calls_begin_in_the_world() -> None:
    for module in hostile_driver.MODULES:
        text = json.dumps(calls(module, "/w"))
        assert "/opt/miniconda3" not in text
        assert "{place}" not in text


def test_a_secret_that_was_torn_out_of_its_url_is_left_out() -> None:
    made = OfFiles(hostile.ROOT_OF_WORLD, Generator("y"))
    known = f"ada:{hostile_world.TOKEN}@127.0.0.1:9"
    for _ in range(400):
        for name, content in made.next().files.items():
            if not content.startswith("data:"):
                continue
            text = hostile_world.base64.b64decode(content.removeprefix("data:")).decode(
                "utf-8", "replace"
            )
            assert text.count(hostile_world.TOKEN) <= 2 * text.count(known), name


def test_verdicts() -> None:
    def end(code: int | None, stdout: str, stderr: str = "") -> str:
        return str(hostile_driver.judge(code, stdout, stderr)["end"])

    assert end(1, GOOD) == "failed"
    assert end(0, '{"changed": false}') == "through"
    assert end(None, GOOD) == "wrong"
    assert end(0, GOOD) == "wrong"
    assert end(1, "") == "wrong"
    assert end(1, '{"failed": true, "msg": "no"}') == "wrong"
    assert end(1, GOOD, "Traceback (most recent call last)") == "wrong"
    assert end(1, GOOD, hostile_world.TOKEN) == "wrong"


def test_only_new_paths_that_a_value_named_may_be_outside() -> None:
    value = Value("x", "conda_env", {"prefix": "/opt/new/env"}, {}, False)
    new = ["/opt/new", "/opt/new/env", "/canary"]
    outside = {
        "outside": ["/opt", "/etc", "/etc/passwd", "/etc/new", *new],
        "new": [*new, "/etc/new"],
        "touched": ["/opt", "/etc"],
    }
    wrong = ["/etc", "/etc/passwd", "/etc/new", "/canary"]
    assert hostile.unexplained([value], outside) == wrong


def test_a_directory_may_get_another_time_on_the_way_to_a_place_but_no_other_mode() -> None:
    value = Value("x", "conda_env", {"prefix": "/srv/gone/env"}, {}, False)
    assert hostile.unexplained([value], {"outside": ["/srv"], "new": [], "touched": ["/srv"]}) == []
    assert hostile.unexplained([value], {"outside": ["/srv"], "new": [], "touched": []}) == ["/srv"]


def test_tricks_have_names_of_their_own() -> None:
    assert len({trick.name for trick in TRICKS}) == len(TRICKS)


def test_two_hosts_differ_in_a_file() -> None:
    one: dict[str, Any] = {"conda": [], "pip": [], "files": {"/a": 1, "/b": 2}}
    assert differences(one, one) == []
    assert differences(one, {**one, "pip": [1], "files": {"/a": 1, "/b": 3}}) == ["pip list", "/b"]
