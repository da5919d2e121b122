"""Shows the tables on a terminal: aligned columns and, below each row, what does not fit, source and age."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from scripts.generate.facts.tables import Table

WIDTH = 100
# A field with longer values has a line of its own; the first one names the row and may be longer.
_LONGEST, _LONGEST_FIRST = 24, 48


def cell(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, list | tuple):
        return ", ".join(cell(one) or "any" for one in value) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {cell(one)}" for name, one in value.items()) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split())


def _columns(table: Table) -> dict[str, int]:
    """The fields that fit beside each other, with their widths; the column of the age comes after them."""
    chosen: dict[str, int] = {}
    room = WIDTH - len("age in days")
    for name in table.fields:
        width = max(len(name), *(len(cell(row.get(name, ""))) for row in table.rows))
        if width <= (_LONGEST if chosen else _LONGEST_FIRST) and width + 2 <= room:
            chosen[name] = width
            room -= width + 2
    return chosen


def lines(table: Table, today: date) -> Iterator[str]:
    """The table's lines, none longer than ``WIDTH`` unless a word is."""
    columns = _columns(table)
    yield table.name
    yield from _wrapped(table.about, "  ")
    yield ""
    head = "".join(f"{name:<{width}}  " for name, width in columns.items()) + "age in days"
    yield head
    yield "-" * len(head)
    source = ""
    for row in table.rows:
        cells = "".join(f"{cell(row.get(name, '')):<{width}}  " for name, width in columns.items())
        yield f"{cells}{(today - row['seen']).days:>{len('age in days')}}"
        told = {**row, "source": "as above" if row["source"] == source else row["source"]}
        yield from _below(told, [name for name in table.fields if name not in columns])
        source = row["source"]
    yield ""


def _below(row: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    for name in [*names, "note", "source"]:
        if name in row:
            yield from _wrapped(f"{name}: {cell(row[name])}", "    ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def shown(tables: Mapping[str, Table], today: date) -> str:
    """All tables as text."""
    parts = ["\n".join(lines(table, today)) for table in tables.values()]
    oldest = min(row["seen"] for table in tables.values() for row in table.rows)
    rows = sum(len(table.rows) for table in tables.values())
    age = (today - oldest).days
    last = f"{len(tables)} tables, {rows} rows; age of the oldest row in days: {age}"
    return "\n".join([*parts, last]) + "\n"
