"""What a writer of a generated file has to say about itself, and where all of them are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Fields:
    """The rows' own fields: those that every row has, and those that some have (besides the common ones)."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Writes one generated file.

    Attributes:
        target: the file, relative to the root of the repository.
        tables: the tables that it is made of, with the fields of their rows.
        render: the text of the file, from the rows of each of these tables by name.
    """

    target: str
    tables: Mapping[str, Fields]
    render: Callable[[Mapping[str, Rows]], str]


def writers() -> list[Writer]:
    """The ``WRITER`` of every module in ``writers``, in the order of the modules' names."""
    package = importlib.import_module("scripts.generate.facts.writers")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}").WRITER for name in names]


def known_fields() -> dict[str, Fields]:
    """The fields of every table that a writer reads."""
    return {name: fields for writer in writers() for name, fields in writer.tables.items()}
