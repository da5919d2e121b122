"""`make facts` prints the tables, `make facts-data` writes what is generated from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from scripts.generate.facts import page, show
from scripts.generate.facts.tables import FactsError, Table, read
from scripts.generate.facts.writer import known_fields, writers
from scripts.layout import ROOT


def generated(tables: Mapping[str, Table]) -> dict[str, str]:
    """The text of every generated file, by its path relative to the root.

    Raises:
        FactsError: a writer's table does not exist.
    """
    texts = {page.TARGET: page.render(tables)}
    for writer in writers():
        missing = [name for name in writer.tables if name not in tables]
        if missing:
            raise FactsError(f"{writer.target} needs data/facts/{missing[0]}.yml")
        texts[writer.target] = writer.render({name: tables[name].rows for name in writer.tables})
    return texts


def write(root: Path = ROOT) -> list[str]:
    """Write the generated files below ``root``; return the paths of those that changed."""
    changed = []
    for name, text in generated(read(fields=known_fields())).items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def main(words: Sequence[str] | None = None) -> int:
    """Print or write. Returns 1, with one line for each problem, if a table breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m scripts.generate.facts", description=__doc__)
    parser.add_argument("what", choices=["show", "write"])
    what = parser.parse_args(words).what
    try:
        if what == "show":
            sys.stdout.write(show.shown(read(fields=known_fields()), date.today()))
        else:
            sys.stdout.writelines(f"{name} written\n" for name in write())
    except FactsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
