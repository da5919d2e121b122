"""What an installer that was killed has left goes, and nothing else.

The names, and the order in which they come and go, are those of the shell scripts that constructor makes
(header.sh, shar.py and preconda.py of 3.0.1, 3.5.0, 3.12.2 and 3.16.3), of conda-standalone (extract.py;
conda-package-handling 1.7.3) and of micromamba (constructor.cpp of 2.5.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.removal import (
    examine,
    remove_half_made,
    remove_prefix,
)

PYTHON, CONDA = "python-3.11.9-h955ad1f_0", "conda-24.7.1-py311h06a4308_0"
SITE = "lib/python3.11/site-packages"


@dataclass(frozen=True)
class Step:
    """Something that an installer does: what is there afterwards, and what is gone.

    links: link -> target.
    """

    name: str
    makes: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


CONTENTS = {
    f"{PYTHON}.json": json.dumps(
        {"name": "python", "version": "3.11.9", "build": "0", "files": ["bin/python3.11"]}
    ),
    "paths.json": json.dumps({"paths": [{"_path": "bin/python3.11"}]}),
}
PAYLOAD = ("preconda.tar.bz2", "postconda.tar.bz2", "LICENSE.txt", f"pkgs/{PYTHON}.conda")
PRECONDA = (
    ".installer.info",
    "pkgs/.constructor-build.info",
    "pkgs/urls",
    "pkgs/urls.txt",
    "conda-meta/initial-state.explicit.txt",
    "pkgs/envs/work/shortcuts.txt",
    "envs/work/conda-meta/initial-state.explicit.txt",
    "pkgs/pre_install.sh",
    "pkgs/post_install.sh",
    "pkgs/cache/497deca9.json",
    f"pkgs/{PYTHON}/info/repodata_record.json",
    f"pkgs/{CONDA}/info/repodata_record.json",
    "conda-meta/history",
    "envs/work/conda-meta/history",
)
OLD_PRECONDA = (
    "pkgs/.constructor-build.info",
    "pkgs/urls",
    "pkgs/urls.txt",
    "pkgs/env.txt",
    "envs/work/conda-meta/history",
    "pkgs/envs/work/env.txt",
    "pkgs/envs/work/channels.txt",
    "pkgs/cache/497deca9.json",
    f"pkgs/{PYTHON}/info/repodata_record.json",
    "conda-meta/history",
)
UNPACKED = (
    f"pkgs/{PYTHON}/bin/python3.11",
    f"pkgs/{PYTHON}/info/paths.json",
    f"pkgs/{PYTHON}/info/index.json",
    f"pkgs/{CONDA}/{SITE}/conda/__init__.py",
)
LINKED = (
    "bin/python3.11",
    ".condatmp/6b2f/bin/pip",
    "pkgs/pkgs.lock",
    "conda-meta/conda-meta.lock",
    ".tmp8a_0bcde",
)
LINKING = (
    Step("links packages", (".messages.txt", *LINKED)),
    Step("has linked packages", (f"conda-meta/{PYTHON}.json",)),
    Step("links packages of a second environment", ("envs/work/bin/python3.11",)),
    Step("has linked them", (f"envs/work/conda-meta/{PYTHON}.json",)),
)

STANDALONE = (
    Step("writes its program", ("_conda",)),
    Step("has made a place for temporary files", ("install_tmp/tmpk3_9x0aa", ".nonadmin")),
    Step("unpacks its payload", PAYLOAD),
    Step("has unpacked its payload", (f"pkgs/{CONDA}.conda",)),
    Step("has unpacked the lists", PRECONDA),
    Step("has removed their archive", removes=("preconda.tar.bz2",)),
    Step("unpacks packages", UNPACKED),
    *LINKING,
    Step("has unpacked the last archive", (".condarc", "conda-meta/frozen")),
    Step("has removed it", removes=("postconda.tar.bz2", "install_tmp/tmpk3_9x0aa")),
)
KINDS = {
    "constructor 3.16": STANDALONE,
    "constructor 3.12, a program in parts": (
        Step("writes its program", ("_conda",)),
        Step(
            "writes its parts", ("_internal/_cffi_backend.so", "_internal/archspec/json/cpu.json")
        ),
        Step("has written its parts", ("_internal/base_library.zip", "_internal/tqdm/cli.py")),
        *STANDALONE[1:],
    ),
    "constructor 3.16 with micromamba": (
        Step("writes its program", ("micromamba",)),
        Step("has a link to its program", links=(("_conda", "micromamba"),)),
        STANDALONE[1],
        Step("copies its payload", ("_tmp.tar.bz2",)),
        *STANDALONE[2:4],
        Step("has removed the copy", removes=("_tmp.tar.bz2",)),
        *STANDALONE[4:],
    ),
    "constructor 3.5": (
        Step("writes its program", ("conda.exe",)),
        *STANDALONE[2:4],
        Step("has unpacked the lists", OLD_PRECONDA),
        Step("unpacks packages", UNPACKED),
        *LINKING,
        Step("has removed its program", removes=("conda.exe", "pkgs/env.txt")),
    ),
    "constructor 3.0": (
        Step("writes its program", ("conda.exe",)),
        *STANDALONE[2:4],
        # conda-package-handling before 1.8 unpacks beside the package.
        Step("unpacks packages", (f"pkgs/{CONDA}0qw_12er/pkg-{CONDA}.tar.zst", *UNPACKED)),
        Step("has unpacked the lists", OLD_PRECONDA),
        *LINKING,
    ),
}
MOMENTS = [
    pytest.param(kind, number, id=f"{kind} {step.name}")
    for kind, steps in KINDS.items()
    for number, step in enumerate(steps)
]
PEOPLES = (
    "notes.txt",
    "bin/deploy",
    "pkgs/weights.bin",
    f"pkgs/{CONDA}_backup2/mine.py",
    "envs/work/thesis.tex",
    "_internals/x",
    "preconda.tar.bz2.bak",
)


def write(root: Path, paths: Iterable[str]) -> None:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(CONTENTS.get(target.name, ""))


def half_made(prefix: Path, kind: str, last: int) -> None:
    """Have at ``prefix`` what an installer has made that was killed after its step ``last``."""
    for step in KINDS[kind][: last + 1]:
        write(prefix, step.makes)
        for link, target in step.links:
            (prefix / link).symlink_to(prefix / target)
        for path in step.removes:
            (prefix / path).unlink()
        if "last archive" in step.name:
            finish(prefix)


def finish(prefix: Path) -> None:
    """Have the history tell of packages, as it does from then on."""
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    (prefix / "conda-meta" / "history").write_text("==> 2026-01-01 00:00:00 <==\n")


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "miniconda3"


@pytest.mark.parametrize(("kind", "number"), MOMENTS)
def test_all_that_a_killed_installer_left_goes(prefix: Path, kind: str, number: int) -> None:
    claim(str(prefix))
    half_made(prefix, kind, number)
    assert remove_half_made(str(prefix), installation=True, caches=[str(prefix / "pkgs")]) == ()
    assert not prefix.exists()


@pytest.mark.parametrize(("kind", "number"), MOMENTS)
def test_it_goes_as_well_where_the_installation_is_to_be_absent(
    prefix: Path, kind: str, number: int
) -> None:
    claim(str(prefix))
    half_made(prefix, kind, number)
    contents = examine(str(prefix), installation=True, caches=[str(prefix / "pkgs")])
    assert remove_prefix(contents) == ()
    assert not prefix.exists()


@pytest.mark.parametrize(("kind", "number"), MOMENTS)
def test_what_somebody_put_there_meanwhile_stays(prefix: Path, kind: str, number: int) -> None:
    claim(str(prefix))
    half_made(prefix, kind, number)
    write(prefix, PEOPLES)
    left = remove_half_made(str(prefix), installation=True, caches=[str(prefix / "pkgs")])
    assert sorted(left) == sorted(PEOPLES)
    assert files(prefix) == sorted([*PEOPLES, ".llmfleet-made"])


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_finished_installer_left_goes_with_the_installation(prefix: Path, kind: str) -> None:
    """No token is there then, and the history tells of packages."""
    half_made(prefix, kind, len(KINDS[kind]) - 1)
    finish(prefix)
    write(prefix, PEOPLES)
    contents = examine(str(prefix), installation=True, caches=[str(prefix / "pkgs")])
    assert sorted(contents.foreign) == sorted(PEOPLES)


NAMES = ("micromamba", "_internal/notes.txt", "_tmp.tar.bz2")


def test_names_of_programs_alone_are_no_proof(prefix: Path) -> None:
    """A finished installation, whose installer brought no such thing."""
    write(prefix, ("_conda", *NAMES))
    finish(prefix)
    assert sorted(examine(str(prefix), installation=True).foreign) == sorted(NAMES)


def test_nor_are_they_when_its_removal_was_cut_off(prefix: Path) -> None:
    """The history is gone by then, and the token is there."""
    claim(str(prefix))
    write(prefix, (*NAMES, ".llmfleet-left", f"conda-meta/{PYTHON}.json"))
    assert sorted(examine(str(prefix), installation=True).foreign) == sorted(NAMES)


def test_an_environment_holds_nothing_of_installers(prefix: Path) -> None:
    names = ("_conda", "conda.exe", "micromamba", "preconda.tar.bz2", "install_tmp/x", "pkgs/urls")
    claim(str(prefix))
    write(prefix, names)
    assert sorted(remove_half_made(str(prefix))) == sorted(names)
