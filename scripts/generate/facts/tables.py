"""Reads and lints the tables in data/facts: every row has a source and the date on which it was read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from scripts.generate.facts.writer import Fields
from scripts.layout import ROOT

FACTS = ROOT / "data" / "facts"
COMMON = ("source", "seen", "since", "until", "note")
_FIRST_DATE = date(2020, 1, 1)


class FactsError(Exception):
    """A table breaks a rule. The text has one line for each problem."""


@dataclass(frozen=True)
class Table:
    """A table of facts.

    Attributes:
        name: file name without the suffix.
        about: what the table is used for, one or two sentences.
        rows: mappings in the order of the file; ``seen`` is a date.
    """

    name: str
    about: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def fields(self) -> list[str]:
        """The names of the rows' own fields, in the order in which they first occur."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        own = [name for name in names if name not in COMMON]
        return own + [name for name in ("since", "until") if name in names]


def read(directory: Path = FACTS, fields: Mapping[str, Fields] | None = None) -> dict[str, Table]:
    """All tables by name.

    Args:
        directory: where the files are.
        fields: what the rows of a table may and must have, by table name; a table without an entry may
            have any field that does not look like a misspelt one.

    Raises:
        FactsError: with one line for each problem of each file.
    """
    tables, problems = {}, []
    for path in sorted(directory.iterdir()):
        try:
            if path.suffix != ".yml":
                raise FactsError("is not a .yml file")
            table = _table(path)
        except FactsError as error:
            problems.append(f"{path.name}: {error}")
            continue
        known = (fields or {}).get(table.name)
        problems += [f"{path.name}: {problem}" for problem in lint(table, known)]
        tables[table.name] = table
    if problems:
        raise FactsError("\n".join(problems))
    return tables


def _table(path: Path) -> Table:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: an unquoted date that does not exist.
        raise FactsError(f"cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or set(data) != {"about", "rows"}:
        raise FactsError("must be a mapping with the keys about and rows")
    about, rows = data["about"], data["rows"]
    if not isinstance(about, str) or not about.strip():
        raise FactsError("about must say what the table is used for")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise FactsError("rows must be a list of mappings")
    return Table(path.stem, " ".join(about.split()), tuple(rows))


def lint(table: Table, fields: Fields | None = None) -> Iterator[str]:
    """The problems of a table, each as a line that names the row."""
    counts = [sum(name in row for row in table.rows) for name in table.fields]
    usual = [name for name, count in zip(table.fields, counts, strict=True) if count > 1]
    for number, row in enumerate(table.rows, 1):
        first = next(((name, row[name]) for name in row if name not in COMMON), None)
        where = f"row {number}" + (f" ({first[0]}: {first[1]})" if first else "")
        yield from (f"{where}: {problem}" for problem in _problems(row, fields, usual))


def _problems(row: Mapping[str, Any], fields: Fields | None, usual: Sequence[str]) -> Iterator[str]:
    own = [name for name in row if name not in COMMON]
    if not own:
        yield "has no field of its own"
    yield from _source(row)
    yield from _seen(row)
    for name in ("since", "until", "note"):
        if name in row and not (isinstance(row[name], str) and row[name].strip()):
            yield f"{name} must be a text in quotes"
    if fields:
        yield from (f"{name} is missing" for name in fields.required if name not in row)
        unknown = [name for name in own if name not in (*fields.required, *fields.optional)]
        yield from (f"{name} is no field of this table" for name in unknown)
        return
    for name in own:
        others = [other for other in (*COMMON, *usual) if other not in row]
        meant = (
            difflib.get_close_matches(name, others, n=1, cutoff=0.8) if name not in usual else ()
        )
        if meant:
            yield f"{name} looks like a misspelt {meant[0]}"


def _source(row: Mapping[str, Any]) -> Iterator[str]:
    source = row.get("source")
    if not isinstance(source, str) or not source.strip():
        yield "source is missing: a link, or a document and its version or date"
    elif not source.startswith("https://") and not re.search(r"\d", source):
        yield "source is neither a link nor a document with a version or date"


def _seen(row: Mapping[str, Any]) -> Iterator[str]:
    seen = row.get("seen")
    if seen is None:
        yield "seen is missing: the date on which the source was read"
    elif type(seen) is not date:
        yield f"seen must be a date such as 2026-11-30 without quotes, not {seen!r}"
    elif not _FIRST_DATE <= seen <= date.today():
        yield f"seen is {seen}, which is before {_FIRST_DATE} or in the future"
