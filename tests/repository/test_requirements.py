"""Everything that the tests and tools install is pinned.

Checks the repository's requirements and constraints files, the install commands in its scripts, and the
metadata of the distributions in build/venv.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from scripts.generate import make_pins
from scripts.setup import bootstrap
from tests.repository.files import ROOT, tracked_files

# -r and -c name another file of the repository.
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]\S+$")
# Folders and files with commands. The collection itself installs what users ask for.
_COMMANDS = re.compile(
    r"(?:\.ci|\.config|\.github|bench|faults|inventories|lab|molecule|scripts|tests)/|Makefile$|Dockerfile"
)
_SHELL = re.compile(r"(?<![\w-])(?:pip[\d.]*|uv +pip) +(?P<words>(?:-\S+ +)*install\b[^\n|;&`]*)")
# The versions come from a file, which has checks of its own.
_VERSIONED_BY = re.compile(r"(?:-c|--constraints?|-r|--requirements?|--build-constraints?)\b")
_TAKES_A_VALUE = re.compile(
    r"(?:-[rcifeptdb]"
    r"|--(?:requirements?|constraints?|index-url|extra-index-url|find-links|editable|prefix|python"
    r"|target|root|trusted-host|platform|python-version|implementation|abi|cache-dir|log|cert|proxy"
    r"|timeout|retries|upgrade-strategy|no-binary|only-binary|progress-bar|report|index-strategy))$"
)


def is_pinned(text: str) -> bool:
    """Whether a requirement names exactly one version; a URL and a wildcard do not."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    clauses = list(requirement.specifier)
    return (
        len(clauses) == 1
        and clauses[0].operator == "=="
        and not clauses[0].version.endswith("*")
        and requirement.url is None
    )


def content(text: str) -> list[str]:
    """The lines of a requirements file without comments, blank lines, and hashes."""
    joined = re.sub(r"\\\n", " ", text)
    lines = (re.sub(r"(?:^|\s)#.*", "", line) for line in joined.splitlines())
    return [bare for line in lines if (bare := re.sub(r"\s--hash=\S+", "", line).strip())]


def is_requirements_file(name: str, text: str) -> bool:
    """Whether pip is given this file: by its name, its folder, or a line that is a pin."""
    path = Path(name)
    if path.suffix not in (".txt", ".in", ".pip"):
        return False
    words = " ".join([*path.parts[:-1], path.stem]).lower()
    return "requirement" in words or "constraint" in words or any(map(is_pinned, content(text)))


def unpinned(text: str) -> list[str]:
    """The lines of a requirements file that leave a version open."""
    return [line for line in content(text) if not _INCLUDE.match(line) and not is_pinned(line)]


def requirements_files() -> dict[str, str]:
    """The requirements and constraints files of the repository: name and text."""
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in tracked_files()
        if name.endswith((".txt", ".in", ".pip"))
    }
    return {name: text for name, text in texts.items() if is_requirements_file(name, text)}


def open_names(words: Sequence[str | None]) -> list[str]:
    """The distributions without a version among the arguments of ``pip install``.

    None stands for an argument known only at run time. Paths and addresses are no names.
    """
    if any(word and _VERSIONED_BY.match(word) for word in words):
        return []
    found = []
    skipped = False
    for word in words:
        value, skipped = skipped, bool(word and _TAKES_A_VALUE.match(word))
        if value or not word or word.startswith("-") or re.search(r"[/{}$*]|\.whl$|^\.+$", word):
            continue
        if not is_pinned(word):
            found.append(word)
    return found


def in_shell(text: str) -> list[str]:
    """The distributions without a version that commands in the text install."""
    found = []
    for match in _SHELL.finditer(re.sub(r"\{\{.*?\}\}", "{}", text)):
        try:
            words = shlex.split(match["words"], comments=True)
        except ValueError:
            # A quote that ends outside of the command.
            words = match["words"].replace("'", " ").replace('"', " ").split()
        found += open_names(words[words.index("install") + 1 :])
    return found


def _word(node: ast.expr) -> str | None:
    """A constant as it stands, a formatted string with {} for its values, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return None


def _arguments(tree: ast.AST) -> Iterator[list[ast.expr]]:
    """Every list, tuple and call of the module, with nested starred ones laid open."""

    def laid_open(nodes: Sequence[ast.expr]) -> Iterator[ast.expr]:
        for node in nodes:
            if isinstance(node, ast.Starred) and isinstance(node.value, ast.List | ast.Tuple):
                yield from laid_open(node.value.elts)
            else:
                yield node

    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            yield list(laid_open(node.elts))
        elif isinstance(node, ast.Call):
            yield list(laid_open(node.args))


def in_python(text: str) -> list[str]:
    """The distributions without a version that argument lists and strings of a module install."""
    tree = ast.parse(text)
    found = []
    for nodes in _arguments(tree):
        words = [_word(node) for node in nodes]
        if "install" not in words:
            continue
        at = words.index("install")
        # `[*pip, "install", ...]` and `[python, "-m", "pip", "install", ...]`, but not conda's.
        before = " ".join(ast.unparse(node) for node in nodes[:at])
        if re.search(r"(?<![a-z])(?:pip|uv)(?![a-z])", before):
            found += open_names(words[at + 1 :])
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in prose:
            found += in_shell(_word(node) or "")
    return found


def commands_without_a_version() -> list[str]:
    """Each installation in the repository's own scripts that leaves a version open."""
    found = []
    for name in tracked_files():
        # This file has bad examples. Recordings of other people's commands are data.
        if not _COMMANDS.match(name) or ROOT / name == Path(__file__) or "/data/" in name:
            continue
        raw = (ROOT / name).read_bytes()
        if b"\0" in raw or name.endswith((".md", ".jsonl")):
            continue
        text = raw.decode("utf-8")
        search = in_python if name.endswith(".py") else in_shell
        found += [f"{name}: {word}" for word in search(text)]
    return found


def constraints(path: Path) -> dict[str, str]:
    """The versions of a constraints file that count in this Python, by name."""
    requirements = map(Requirement, content(path.read_text(encoding="utf-8")))
    return {
        canonicalize_name(one.name): next(iter(one.specifier)).version
        for one in requirements
        if one.marker is None or one.marker.evaluate()
    }


def is_own(distribution: Distribution) -> bool:
    """Whether it was installed from a local folder, as editable installs are."""
    return "dir_info" in json.loads(distribution.read_text("direct_url.json") or "{}")


@pytest.fixture(scope="module")
def installed() -> dict[str, str]:
    """The versions in build/venv by its metadata, without pip, setuptools and editable installs."""
    assert Path(sys.prefix) == bootstrap.VENV, "make unit, or build/venv/bin/pytest"
    return {
        canonicalize_name(one.name): one.version
        for one in distributions()
        # The search path has folders outside of the environment.
        if Path(str(one.locate_file(""))).is_relative_to(sys.prefix)
        and canonicalize_name(one.name) not in ("pip", "setuptools")
        and not is_own(one)
    }


@pytest.mark.parametrize(
    "line",
    [
        "six",
        "six>=1.0",
        "six==1.*",
        "six===1.0",
        "six==1.0,!=1.0.1",
        "six @ https://host/six.whl",
        "-e .",
        "--pre",
        "--extra-index-url https://host",
        "six; python_version > '3'",
    ],
)
def test_unpinned_lines_are_reported(line: str) -> None:
    assert unpinned(f"# a comment\n{line}\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "six==1.0",
        "six[extra]==1.0  # why",
        "torch==2.0+cpu",
        "six==1.0 ; python_version > '3'",
        "-r other.txt",
        "-c other.txt",
        "# six",
        "six==1.0 \\\n  --hash=sha256:00",
    ],
)
def test_pins_comments_and_includes_are_accepted(line: str) -> None:
    assert unpinned(f"{line}\n") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements/new/more.txt", "six\n"),
        ("molecule/x/constraints.txt", "six\n"),
        ("tests/dev-requirements.in", "six\n"),
        ("lab/data/wheels.txt", "six==1.0\ntqdm\n"),
    ],
)
def test_requirements_files_are_recognized_by_name_or_content(name: str, text: str) -> None:
    assert is_requirements_file(name, text)
    assert not is_requirements_file("scripts/setup/debian-packages.txt", "docker docker.io why\n")


@pytest.mark.parametrize(
    "command",
    [
        "pip install six",
        "python -m pip install --quiet six",
        "pip3 install --index-url https://host six",
        "uv pip install -p build/venv/bin/python six",
        "pip install 'six>=1'",
        "run: pip --isolated install tqdm==1.0 six",
    ],
)
def test_unpinned_install_commands_are_reported(command: str) -> None:
    assert len(in_shell(command)) == 1
    assert len(in_python(f"run({command!r})")) == 1
    words = shlex.split(command)
    assert len(in_python(f"run({words!r})")) == 1


@pytest.mark.parametrize(
    "code",
    [
        'run([*pip, "install", "six"])',
        'run([python, "-m", "pip", "install", *options, "six"])',
        'run(pip, "install", "six")',
        'run(f"{python} -m pip install {options} six")',
        '["-q", *(python, "-m", "pip"), "install", "six"]',
        'run("pip install --find-links {{ wheels }} {{ name }} six")',
    ],
)
def test_unpinned_install_commands_in_python_are_reported(code: str) -> None:
    assert in_python(code) == ["six"]


@pytest.mark.parametrize(
    "code",
    [
        'run([*pip, "install", "six==1.0", f"tqdm=={version}", *more])',
        'run([*pip, "install", "-r", "requirements/lab.txt"])',
        'run([*pip, "install", "--constraint", versions, "six"])',
        'run([*pip, "install", "--target", "there", "./dist/own.whl"])',
        'run("conda", "install", "six")',
        '"""To try it: pip install six"""',
        'run("pip install -r requirements/lab.txt, or install the other one")',
    ],
)
def test_pinned_install_commands_are_accepted(code: str) -> None:
    assert in_python(code) == []


def test_every_line_of_every_requirements_file_is_pinned() -> None:
    files = requirements_files()
    assert {"requirements/test.txt", "tests/unit/requirements.txt"} < files.keys()
    assert {str(one.path.relative_to(ROOT)) for one in make_pins.environments()} < files.keys()
    found = [f"{name}: {line}" for name, text in files.items() for line in unpinned(text)]
    assert found == []


def test_no_script_installs_an_unpinned_distribution() -> None:
    assert commands_without_a_version() == []


def test_installed_distributions_match_the_constraints(installed: dict[str, str]) -> None:
    named = constraints(bootstrap.constraints_file())
    assert {"pytest", "ansible-core"} < installed.keys()
    differing = {
        name: (version, named.get(name))
        for name, version in installed.items()
        if named.get(name) != version
    }
    assert differing == {}, "installed, and in the constraints: run `make venv` or `make pins`"


def test_constraints_have_no_leftovers(installed: dict[str, str]) -> None:
    assert constraints(bootstrap.constraints_file()).keys() - installed.keys() == set()


def test_direct_requirements_agree_with_the_constraints() -> None:
    for environment in make_pins.environments():
        text = environment.path.read_text(encoding="utf-8")
        pins = {
            (canonicalize_name(one.name), one.specifier) for one in map(Requirement, content(text))
        }
        for path in environment.requirements:
            if path.is_relative_to(ROOT / "build"):
                continue  # ansible-test's own, which name no versions
            direct = map(Requirement, content(path.read_text(encoding="utf-8")))
            wanted = {(canonicalize_name(one.name), one.specifier) for one in direct}
            assert wanted - pins == set(), f"{path.name}: run `make pins ARGS={environment.name}`"


def test_every_constraints_file_belongs_to_an_environment() -> None:
    known = {one.path for one in make_pins.environments()}
    assert set(make_pins.CONSTRAINTS.iterdir()) == known
