"""Requirements files and the files that they include; parity with pip is in tests/differential."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    RequirementsFileError,
    read_files,
)

HASH = "sha256:" + "0" * 64
Put = Callable[..., str]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a file; returns its path."""

    def write(text: str, name: str = "requirements.txt") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def _read(path: str) -> str:
    return Path(path).read_text()


def _lines(*files: str, limits: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    found = read_files(files, limits, _read)
    return found.requirements, found.constraints


def test_lines_comments_and_continuations(put: Put) -> None:
    text = f"""\
# made by hand
numpy>=2   # an array
app==1.0 \\
    --hash={HASH} \\
    --hash={HASH}

tool @ https://host/tool.zip#egg=tool ; python_version > '3.8'
"""
    assert _lines(put(text)) == (
        [
            "numpy>=2",
            f"app==1.0 --hash={HASH} --hash={HASH}",
            "tool @ https://host/tool.zip#egg=tool ; python_version > '3.8'",
        ],
        [],
    )


def test_files_include_others_relative_to_themselves(put: Put) -> None:
    put("lib\n-c ../limits.txt\n-r 'more lines.txt'", "sub/one.txt")
    put("six\n", "sub/more lines.txt")
    put("lib<2\n-r extra.txt\n", "limits.txt")
    put("extra\n", "extra.txt")
    top = put("app\n-rsub/one.txt\nlast\n")
    # As in pip, -r gives requirements even where a constraints file says so.
    assert _lines(top) == (["app", "lib", "extra", "six", "last"], ["lib<2"])
    limits = put("numpy<3\n--constraint=limits.txt\n", "only.txt")
    assert _lines(limits=(limits,)) == (["extra"], ["numpy<3", "lib<2"])


def test_one_file_may_be_included_twice(put: Put) -> None:
    put("six\n", "a.txt")
    assert _lines(put("-r a.txt\n-r a.txt\n")) == (["six", "six"], [])


def test_a_byte_order_mark_and_other_line_ends(put: Put) -> None:
    assert _lines(put("\ufeffnumpy\r\nsix\r\n")) == (["numpy", "six"], [])


REFUSED = {
    "-i https://host/simple": "use the option index_url",
    "--index-url=https://host/simple": "use the option index_url",
    "--extra-index-url https://host/simple": "use the option extra_index_urls",
    "--find-links /wh": "use the option find_links",
    "-f /wh": "use the option find_links",
    "--no-index": "use the option no_index",
    "--trusted-host h": "use the option trusted_hosts",
    "--pre": "name the pre-release in the specifier",
    "--require-hashes": "add --hash to every line",
    "-e .": "the source of an editable install cannot be identified",
    "--editable=git+https://host/x": "the source of an editable install cannot be identified",
    "--only-binary :all:": "a line may contain no option except --hash",
    "app --config-settings x=y": "a line may contain no option except --hash",
    "./dist/app-1.0-py3-none-any.whl": "does not name the distribution",
    "app @ https://${TOKEN}@host/app.zip": "${TOKEN} is not expanded",
    "-r https://host/requirements.txt": "files are not downloaded from URLs",
    "-r": "does not name exactly one file",
    "-r a.txt b.txt": "does not name exactly one file",
    "-r 'a.txt": "No closing quotation",
    "numpy>>2": "'numpy>>2'",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused_lines_are_reported_with_file_and_line(line: str, put: Put) -> None:
    path = put(f"# first\nsix\n{line}\n")
    with pytest.raises(RequirementsFileError) as raised:
        _lines(path)
    text = str(raised.value)
    assert text.startswith(f"The option requirements_files: {path}, line 3: ")
    assert REFUSED[line] in text


def test_extras_in_a_constraints_file(put: Put) -> None:
    path = put("numpy<3\nuvicorn[standard]<1\n")
    with pytest.raises(
        RequirementsFileError, match=r"option constraints_files: .*, line 2: extras"
    ):
        _lines(limits=(path,))


@pytest.mark.parametrize("included", [{"a.txt": "a.txt"}, {"a.txt": "b.txt", "b.txt": "a.txt"}])
def test_files_that_include_themselves(included: dict[str, str], put: Put) -> None:
    for above, below in included.items():
        put(f"-r {below}\n", above)
    with pytest.raises(RequirementsFileError, match=r"'-r a.txt': the file includes itself"):
        _lines(put("-r a.txt\n"))
