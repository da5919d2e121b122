"""Requirements files: what this collection reads out of them is what pip's own parser reads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pip._internal.exceptions import InstallationError
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    FileLines,
    RequirementsFileError,
    read_files,
)

SESSION = PipSession()
HASH = "sha256:" + "ab" * 32


def _of_pip(path: str, constraint: bool) -> tuple[list[str], list[str]]:
    """Requirement and constraint lines, as pip reads them."""
    found: tuple[list[str], list[str]] = [], []
    for parsed in parse_requirements(path, session=SESSION, constraint=constraint):
        hashes = [
            f"--hash={name}:{value}"
            for name, values in (parsed.options or {}).get("hashes", {}).items()
            for value in values
        ]
        found[parsed.constraint].append(" ".join([parsed.requirement, *hashes]))
    return found


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _ours(path: str, constraint: bool) -> FileLines:
    return read_files([] if constraint else [path], [path] if constraint else [], _read)


REQUIREMENT = st.sampled_from(
    [
        "numpy",
        "numpy>=1.26,<3",
        "Zope.Interface == 5.0",
        "uvicorn[standard]>=0.30",
        "torch==2.7.1 ; python_version >= '3.9'",
        "tool @ https://host/tool-1.0.zip#sha256=00",
        "tool @ file:///srv/tool-1.0-py3-none-any.whl ; sys_platform == 'linux'",
        f"app==1.0 --hash={HASH}",
        f"app==1.0 --hash {HASH} --hash=sha512:{'cd' * 64}",
    ]
)
BARE = st.sampled_from(["numpy", "numpy>=1.26,<3", "six==1.16.0"])
COMMENT = st.sampled_from(["", " # a note", "\t# a note", "  #", " # ends with \\"])
NOTE = st.sampled_from(["", "   ", "# a note", "   # a note", "# a note that ends so \\", "#\\"])


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    """The line, continued where it has blanks, or in the middle of a word."""
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(1, max(1, len(text) - 1)))
        text = f"{text[:at]}\\\n{draw(st.sampled_from(['', '    ']))}{text[at:]}"
    return text


@st.composite
def body(draw: st.DrawFn, lines: st.SearchStrategy[str], includes: list[str]) -> str:
    """The text of a file."""
    written = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.integers(0, 3 if includes else 2))
        if kind == 0:
            written.append(draw(NOTE))
        elif kind in (1, 2):
            line = draw(lines)
            written.append(draw(broken(line)) if " " not in line else line)
            written[-1] += draw(COMMENT)
        else:
            option = draw(st.sampled_from(["-r ", "-r", "--requirement ", "--requirement="]))
            written.append(option + draw(st.sampled_from(includes)))
    end = draw(st.sampled_from(["", "\n", "\r\n", "\n\n"]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(written) + end


@given(
    top=body(REQUIREMENT, ["sub/one.txt", "'sub/two words.txt'"]),
    one=body(REQUIREMENT, ["two\\ words.txt", "../three.txt"]),
    two=body(REQUIREMENT, []),
    three=body(BARE, []),
    limits=st.booleans(),
)
@example(top="numpy \\\n", one="", two="", three="", limits=False)
@example(top="numpy>=1 \\\n# a note\n<3", one="", two="", three="", limits=False)
@example(top="num\\\npy\\\n>=1", one="", two="", three="", limits=False)
@example(top="\\\n\\\nnumpy", one="", two="", three="", limits=True)
def test_files_mean_what_pip_takes_them_to_mean(
    top: str, one: str, two: str, three: str, limits: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "sub").mkdir()
        more = "-c three.txt\n" if limits else ""
        for name, text in (
            ("top.txt", more + top),
            ("sub/one.txt", one),
            ("sub/two words.txt", two),
            ("three.txt", three),
        ):
            (root / name).write_bytes(text.encode())
        for name, constraint in (("top.txt", False), ("three.txt", True)):
            path = os.path.join(directory, name)
            wanted = _of_pip(path, constraint)
            try:
                found = _ours(path, constraint)
            except RequirementsFileError:
                # pip's parser does not look into the lines; its next step does.
                assert _some_line_is_wrong([*wanted[0], *wanted[1]])
                continue
            assert (_squeezed(found.requirements), _squeezed(found.constraints)) == (
                _squeezed(wanted[0]),
                _squeezed(wanted[1]),
            )


def _squeezed(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def _some_line_is_wrong(lines: list[str]) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            Requirement(line.split(" --hash")[0])
        except InvalidRequirement:
            return True
    return False


@pytest.mark.parametrize(
    "text",
    ["-r ../missing.txt", "-r 'unclosed", "--no-such-option", "numpy --no-such-option=1", "-r"],
)
def test_what_pip_refuses_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(text + "\n")
    with pytest.raises((InstallationError, ValueError)):
        _of_pip(str(path), False)
    with pytest.raises((RequirementsFileError, FileNotFoundError)):
        _ours(str(path), False)
