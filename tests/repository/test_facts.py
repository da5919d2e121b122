"""The tables in data/facts: every row has its source and date, and what is generated from them is current."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from scripts.generate.facts.__main__ import generated
from scripts.generate.facts.show import WIDTH, shown
from scripts.generate.facts.tables import FACTS, FactsError, read
from scripts.generate.facts.writer import Fields, known_fields, writers

ROOT = Path(__file__).resolve().parents[2]
GOOD = 'about: Used by the lint.\nrows:\n  - {name: a, source: "https://example.com/1", seen: 2026-11-30}\n'
FIELDS = {"one": Fields(required=("name",), optional=("driver",))}


def linted(directory: Path, text: str, fields: dict[str, Fields] | None = None) -> str:
    """The problems of a table with this text, empty without one."""
    (directory / "one.yml").write_text(text)
    try:
        read(directory, fields)
    except FactsError as error:
        return str(error)
    return ""


def test_every_table_keeps_the_rules() -> None:
    tables = read(fields=known_fields())
    assert {path.stem for path in FACTS.iterdir()} == set(tables)
    assert len(tables) >= 4


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("source:", "sorce:", "source is missing"),
        ("source:", "sorce:", "sorce"),
        (', source: "https://example.com/1"', "", "source is missing"),
        ("https://example.com/1", "somebody told me", "neither a link nor a document"),
        ("https://example.com/1", "", "source is missing"),
        (", seen: 2026-11-30", "", "seen is missing"),
        ("2026-11-30", "2026-02-30", "cannot be read"),
        ("2026-11-30", '"2026-11-30"', "seen must be a date"),
        ("2026-11-30", "2999-01-01", "in the future"),
        ("2026-11-30", "1999-01-01", "before 2020-01-01"),
        ("name: a, ", "", "no field of its own"),
        ("seen:", "since: 2.15, seen:", "since must be a text in quotes"),
        ("seen:", "sinse: '2', seen:", "sinse looks like a misspelt since"),
        ("about: Used by the lint.", "about: ''", "about must say"),
        ("about:", "abuot:", "the keys about and rows"),
        ("  - {", "  - {}\n  - {", "row 1: source is missing"),
        ("rows:", "rows: []\nmore:", "the keys about and rows"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    assert linted(tmp_path, GOOD) == ""
    assert old in GOOD
    found = linted(tmp_path, GOOD.replace(old, new))
    assert found.startswith("one.yml: ")
    assert problem in found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: a", "driver: 5", "name is missing"),
        ("name: a", "name: a, drivr: 5", "drivr is no field of this table"),
    ],
)
def test_the_fields_of_a_table_with_a_writer_are_known(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    assert linted(tmp_path, GOOD, FIELDS) == ""
    assert problem in linted(tmp_path, GOOD.replace(old, new), FIELDS)


@pytest.mark.parametrize("name", [writer.target for writer in writers()] + ["docs/facts.md"])
def test_what_is_generated_is_current(name: str) -> None:
    expected = generated(read(fields=known_fields()))[name]
    assert (ROOT / name).read_text() == expected, "run `make facts-data`"


def test_the_page_is_linked() -> None:
    assert "docs/facts.md" in (ROOT / "README.md").read_text()


def test_the_printed_tables_fit_and_tell_the_age_of_each_row() -> None:
    tables = read(fields=known_fields())
    text = shown(tables, date(2026, 12, 10))
    # Only a long link may be wider.
    assert [line for line in text.splitlines() if len(line) > WIDTH and "://" not in line] == []
    ages = [line for line in text.splitlines() if line.endswith("  10")]
    read_then = [
        row for table in tables.values() for row in table.rows if row["seen"] == date(2026, 11, 30)
    ]
    assert len(ages) == len(read_then) > 20


def test_generated_yaml_is_what_the_tables_say() -> None:
    """The first row of a table arrives in the role with its value."""
    role = ROOT / "roles/install_llm_stack/vars/main/backends.yml"
    data = yaml.safe_load(role.read_text())["install_llm_stack__backends"]
    rows = read()["torch_indexes"].rows
    assert {row["backend"]: row["torch"] for row in rows} == {
        name: backend["torch"] for name, backend in data.items()
    }
