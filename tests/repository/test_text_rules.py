"""Rules for the text of every file that is, or would be, committed."""

from __future__ import annotations

import ast
import re

import pytest

from tests.repository.files import ROOT, tracked_files

# Written in pieces, so that this file does not break its own rule.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("pypi", "python", "org"),
        ("deb", "debian", "org"),
        ("ftp", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("registry", "npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
    )
]
MACHINE_PATHS = re.compile(
    r"(?<![\w.~$}/-])/(?:"
    + "|".join(("roo" + "t/", "wor" + r"k(?:/|\b(?![\w-]))", "opt/whee" + "ls", "opt/py" + "pi"))
    + ")"
)


def texts() -> dict[str, str]:
    """The text files among them by name; binary ones are left out."""
    found = {}
    for name in tracked_files():
        raw = (ROOT / name).read_bytes()
        if b"\0" not in raw:
            found[name] = raw.decode("utf-8")
    return found


@pytest.fixture(scope="module")
def repository() -> dict[str, str]:
    files = texts()
    assert "galaxy.yml" in files
    return files


def offending(repository: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in repository.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_rules_see_what_they_forbid() -> None:
    assert MACHINE_PATHS.search("cp x /" + "root/y")
    assert MACHINE_PATHS.search("path: '/" + "work'")
    assert not MACHINE_PATHS.search("https://example.org/" + "root/y")
    assert not MACHINE_PATHS.search("/home/alice/" + "work/y")
    assert not MACHINE_PATHS.search("prefix not in ['/', '/" + "root', '/home']")


def test_no_registry_host_is_written_down(repository: dict[str, str]) -> None:
    hosts = re.compile("|".join(re.escape(host) for host in REGISTRIES))
    assert offending(repository, hosts) == []


def test_no_path_of_a_build_machine_is_written_down(repository: dict[str, str]) -> None:
    assert offending(repository, MACHINE_PATHS) == []


def test_nothing_is_left_to_be_done(repository: dict[str, str]) -> None:
    words = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert offending(repository, words) == []


def test_no_trailing_blanks_and_one_newline_at_the_end(repository: dict[str, str]) -> None:
    # The licence and the data files are kept byte for byte.
    blanks = {
        name: text
        for name, text in repository.items()
        if name != "LICENSE" and not name.startswith("data/")
    }
    assert offending(blanks, re.compile(r"[ \t]+$")) == []
    ends = [name for name, text in blanks.items() if text and not text.endswith("\n")]
    assert ends == []


def test_every_plugin_file_starts_with_its_copyright(repository: dict[str, str]) -> None:
    banner = "SPDX-License-Identifier: GPL-3.0-or-later"
    plugins = {
        name: text
        for name, text in repository.items()
        if name.startswith("plugins/") and name.endswith(".py") and text.strip()
    }
    assert plugins
    assert [name for name, text in plugins.items() if banner not in text[:400]] == []


def test_scripts_are_executable() -> None:
    scripts = [*ROOT.glob("scripts/**/*.sh"), ROOT / ".ci" / "run"]
    assert scripts
    assert [path.name for path in scripts if not path.stat().st_mode & 0o100] == []


# A clock that goes on while the machine does something else.
WALL_CLOCKS = {"monotonic", "perf_counter", "time"}


def wall_clock_limits(source: str) -> list[int]:
    """Lines with an assertion that something took less than so many seconds by the clock on the wall."""

    def is_span(node: ast.expr) -> bool:
        calls = (found.func for found in ast.walk(node) if isinstance(found, ast.Call))
        names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
        minus = any(isinstance(found, ast.Sub) for found in ast.walk(node))
        return minus and bool(names & WALL_CLOCKS)

    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assert):
            continue
        for compared in (part for part in ast.walk(node.test) if isinstance(part, ast.Compare)):
            sides = [compared.left, *compared.comparators]
            for left, operator, right in zip(sides, compared.ops, sides[1:], strict=False):
                less = isinstance(operator, ast.Lt | ast.LtE) and is_span(left)
                more = isinstance(operator, ast.Gt | ast.GtE) and is_span(right)
                if less or more:
                    found.append(node.lineno)
    return found


def test_the_rule_about_clocks_sees_what_it_forbids() -> None:
    assert wall_clock_limits("assert time.monotonic() - began < 5") == [1]
    assert wall_clock_limits("assert 0.4 < time.time() - began <= 5, 'late'") == [1]
    assert wall_clock_limits("assert 5 > time.perf_counter() - began") == [1]
    assert wall_clock_limits("assert time.monotonic() - began > 0.4") == []
    assert wall_clock_limits("assert time.process_time() - began < 5") == []
    assert wall_clock_limits("assert time.monotonic() < deadline") == []


def test_no_test_fails_because_the_machine_is_busy(repository: dict[str, str]) -> None:
    """Tests count starts, requests and CPU seconds; what takes how long belongs in the bench."""
    found = {
        name: lines
        for name, text in repository.items()
        if name.startswith(("tests/", "molecule/")) and name.endswith(".py")
        if (lines := wall_clock_limits(text))
    }
    assert found == {}


def test_one_file_removes_trees(repository: dict[str, str]) -> None:
    """What it does not remove (mounts, what links point to), nobody else may remove either."""
    plugins = {path: text for path, text in repository.items() if path.startswith("plugins/")}
    assert "def remove_made(" in plugins["plugins/module_utils/_core/tree.py"]
    assert [path for path, text in plugins.items() if re.search(r"\brmtree\b", text)] == []
