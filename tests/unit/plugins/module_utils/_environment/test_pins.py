"""Reading and checking pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.pins import (
    given_pins,
    parsed_pins,
    read_pins,
    violations,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    (tmp_path / "conda-meta").mkdir()
    return tmp_path / "conda-meta" / "pinned"


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        ("", ()),
        ("\n# numpy=1\n  \n", ()),
        ("numpy 1.7.*\r\n  six==1.16 # note\n", ("numpy 1.7.*", "six==1.16 # note")),
        ("six=1\nsix=1", ("six=1",)),
    ],
)
def test_lines_of_the_file(text: str, pins: tuple[str, ...], pinned: Path, tmp_path: Path) -> None:
    pinned.write_text(text)
    assert read_pins(str(tmp_path)) == pins


def test_no_file_means_no_pins(tmp_path: Path) -> None:
    assert read_pins(str(tmp_path)) == ()
    (tmp_path / "conda-meta").write_text("a file")
    assert read_pins(str(tmp_path)) == ()


def test_an_unreadable_pins_file_is_reported(pinned: Path, tmp_path: Path) -> None:
    pinned.write_bytes(b"six=1\n\xff\n")
    with pytest.raises(CondaModuleError, match="it is not UTF-8 text") as caught:
        read_pins(str(tmp_path))
    assert str(pinned) in str(caught.value)
    pinned.unlink()
    pinned.mkdir()
    with pytest.raises(CondaModuleError, match="directory"):
        read_pins(str(tmp_path))


def test_given_pins_are_trimmed_and_deduplicated() -> None:
    assert given_pins([" numpy<2 ", "numpy<2", "lab::six=1.16"]) == ("numpy<2", "lab::six=1.16")
    assert given_pins([]) == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["numpy>=1,"], "numpy>=1,"),
        (["numpy"], "allows every version"),
        (["numpy<2", "Numpy>1"], "pin the same package"),
        (['"numpy" 1.1'], "not a package name"),
        (["six[version<1.17]"], "but contain 'version<1.17'"),
        (["numpy[when='x']"], "the key when"),
        (["#numpy<2"], "not a single line"),
        (["numpy<2\nsix=1"], "not a single line"),
        ([""], "empty"),
    ],
)
def test_given_pins_are_refused(given: list[str], said: str) -> None:
    with pytest.raises(CondaModuleError, match="The option pinned cannot be used") as caught:
        given_pins(given)
    assert said in caught.value.message


def test_violations() -> None:
    records = {
        name: PackageRecord(name, "2.0", "py_0", channel="lab") for name in ("six", "tqdm", "odd")
    }
    pins = parsed_pins(["six<2", "tqdm=2.0=py_*", "absent=1", "odd>=1,", "lab::six=2.0"])
    assert [(pin.text, record.name) for pin, record in violations(pins, records)] == [
        ("six<2", "six")
    ]


def test_a_refused_pin_is_named_once() -> None:
    with pytest.raises(CondaModuleError) as caught:
        given_pins(["six[version<1.17]"])
    assert caught.value.message.count("six[version<1.17]") == 1
