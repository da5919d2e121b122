"""antsibull-docs on the built artifact: `python -m scripts.testing.docs_lint`.

Renders a page for every module, plugin and role, as documentation sites do, and fails for each page that is
missing or shows an error. Then runs antsibull-docs' linter: markup, references and the pages' RST. References
may name this collection and ansible.builtin only, since the collection has no dependencies.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import Ticker, heading
from scripts.layout import BUILD, LOGS, ROOT, VENV_BIN, shown, tool_environment
from scripts.processes import run
from scripts.setup import artifact
from scripts.testing.results import Tally, tell

FOLDER = BUILD / "docs-lint"
LOG = LOGS / "docs-lint.log"
SECONDS = 600

# Folders of plugins/ that hold no documented plugins. Action plugins have their module's page.
_NO_PAGES = ("action", "doc_fragments", "module_utils", "plugin_utils")

# antsibull-docs writes this line into a page that replaces a broken one, and below one that lost a part.
_ERRORS = "The errors were:"

# A role with a known mistake. If the linter does not report it, the linter looked at nothing.
_CANARY = "roles/lint_canary/meta/argument_specs.yml"
_CANARY_SPEC = "argument_specs: {main: {short_description: An entry point without a description}}\n"

# The linter's exit code where it has messages, as it must have about the planted mistake.
_FOUND_MISTAKES = 3


def expected_pages(collection: Path) -> set[str]:
    """The names of the pages that the collection's modules, plugins and roles must have."""
    names = {f"{path.name}_role.rst" for path in (collection / "roles").iterdir() if path.is_dir()}
    for path in (collection / "plugins").glob("*/*"):
        kind = path.parent.name
        documented = path.suffix in (".py", ".yml") and not path.name.startswith("_")
        if documented and kind not in _NO_PAGES:
            names.add(f"{path.stem}_{'module' if kind == 'modules' else kind}.rst")
    return names


def page_errors(text: str) -> str:
    """What antsibull-docs says is wrong on a page, on one line; empty for a good page."""
    lines = [line.strip() for line in text.splitlines()]
    if _ERRORS not in lines:
        return ""
    told = lines[lines.index(_ERRORS) + 1 :]
    words = [
        line
        for line in told
        if line and not line.startswith(("* .. code-block::", "File a bug with"))
    ]
    return " ".join(words) or "no reason given"


def read_pages(expected: set[str], pages: Mapping[str, str]) -> Tally:
    """Counts each expected page as one test; ``pages`` are the rendered ones, text by name."""
    tally = Tally()
    if not expected:
        tally.fail("the artifact has no modules, plugins and roles")
    for name in sorted(expected):
        if name not in pages:
            tally.fail(f"{name}: antsibull-docs rendered no such page")
        elif errors := page_errors(pages[name]):
            tally.fail(f"{name}: {errors}")
        else:
            tally.passed += 1
    return tally


def read_messages(text: str, code: int) -> Tally:
    """Counts a run without a message as one test, else each message; ``text`` holds the JSON document."""
    tally = Tally()
    lines = text.splitlines()
    try:
        # Warnings of ansible-doc may stand around the document, which begins and ends at the margin.
        found = json.loads("\n".join(lines[lines.index("{") : lines.index("}") + 1]))
        messages: list[dict[str, Any]] = found["messages"]
    except (ValueError, KeyError) as error:
        tally.fail(f"antsibull-docs lint-collection-docs: no result ({error}), exit code {code}")
        return tally
    mistakes = [one for one in messages if one["path"] != _CANARY]
    for one in mistakes:
        where = f"{one['path']}:{one['row'] or 0}:{one['column'] or 0}"
        tally.fail(f"{where}: {' '.join(one['message'].split())}")
    if len(mistakes) == len(messages):
        tally.fail(f"the linter overlooked the mistake planted in {_CANARY}; it saw no roles")
    elif not mistakes and code != _FOUND_MISTAKES:
        tally.fail(f"antsibull-docs lint-collection-docs ended with exit code {code}")
    elif not mistakes:
        tally.passed += 1
    return tally


def _antsibull_docs(collection: Path, *words: str | Path) -> tuple[int, str]:
    """Runs antsibull-docs and returns its exit code and what it wrote."""
    before = LOG.stat().st_size
    code = run(
        [VENV_BIN / "antsibull-docs", *words],
        log=LOG,
        cwd=collection,
        env=tool_environment({"ANSIBLE_COLLECTIONS_PATH": str(FOLDER)}),
        timeout=SECONDS,
        append=True,
    )
    return code, LOG.read_bytes()[before:].decode("utf-8", "replace")


def docs_lint(root: Path = ROOT) -> Tally:
    """Builds and checks the collection at ``root``; all output is in build/logs/docs-lint.log."""
    tally = Tally()
    with Ticker("antsibull-docs: building the artifact") as ticker:
        try:
            archive = artifact.build(root, FOLDER, LOG)
        except artifact.BuildFailed as error:
            tally.fail(str(error))
            return tally
        collection = artifact.unpack(archive, FOLDER)
        name = f"{collection.parent.name}.{collection.name}"
        ticker.update("antsibull-docs: rendering the pages")
        pages = FOLDER / "pages"
        shutil.rmtree(pages, ignore_errors=True)
        pages.mkdir()
        code, _text = _antsibull_docs(
            collection,
            *("collection", "--use-current", "--squash-hierarchy", "--dest-dir", pages, name),
        )
        if code:
            tally.fail(f"antsibull-docs collection ended with exit code {code}")
        rendered = {path.name: path.read_text(encoding="utf-8") for path in pages.glob("*.rst")}
        tally.add(read_pages(expected_pages(collection), rendered))
        ticker.update("antsibull-docs: linting the pages")
        canary = collection / _CANARY
        canary.parent.mkdir(parents=True)
        canary.write_text(_CANARY_SPEC, encoding="utf-8")
        artifact.own_repository(collection)
        code, text = _antsibull_docs(
            collection,
            *("lint-collection-docs", "--plugin-docs", "--check-extra-docs-refs"),
            *("--validate-collection-refs", "dependent", "--disallow-unknown-collection-refs"),
            *("--message-format", "json", "."),
        )
        tally.add(read_messages(text, code))
    tally.notes = [f"documentation: {note}; see {shown(LOG)}" for note in tally.notes]
    return tally


def main() -> int:
    """Checks the documentation and counts; 0 only if some page was seen and none failed."""
    heading("docs: antsibull-docs on the built artifact")
    return tell(docs_lint())


if __name__ == "__main__":
    sys.exit(main())
