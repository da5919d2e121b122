"""Relinking packages from a damaged cache, with a fake conda that records its commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda, Solution
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    parse_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.relink import (
    relink_damaged,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix


class Noting(Conda):
    """Runs nothing; records its commands in ``told``, with whether the frozen marker existed."""

    def __init__(self, base: Path, prefix: Path) -> None:
        super().__init__(str(base))
        self.told: list[tuple[object, ...]] = []
        self.frozen: list[bool] = []
        self._marker = prefix / "conda-meta" / "frozen"

    def _note(self, *words: object) -> None:
        self.told.append(words)
        self.frozen.append(self._marker.exists())

    def install(
        self, prefix: str, specs: Sequence[str], options: Sequence[str], dry_run: bool = False
    ) -> Solution:
        Path(prefix, "conda-meta", "history").write_text("changed by conda\n")
        self._note("install", prefix, list(specs), list(options))
        return Solution((), ())

    def remove_alone(self, prefix: str, names: Sequence[str]) -> None:
        self._note("remove", prefix, list(names))

    def link_explicitly(
        self, command: str, prefix: str, lines: Sequence[str], options: Sequence[str]
    ) -> None:
        self._note(command, prefix, list(lines), list(options))


@pytest.fixture
def env(tmp_path: Path) -> FakePrefix:
    """An environment with three packages, two of which are damaged in the package cache."""
    made = FakePrefix(tmp_path / "env")
    for name, size in (("good", 4), ("bad", 99), ("worse", 99)):
        made.link(name, files={f"share/{name}": b"text"})
        unpacked = tmp_path / "base" / "pkgs" / f"{name}-1.0-0"
        (unpacked / "info").mkdir(parents=True)
        (unpacked / "share").mkdir()
        (unpacked / "share" / name).write_text("text")
        paths = [{"_path": f"share/{name}", "path_type": "hardlink", "size_in_bytes": size}]
        (unpacked / "info" / "paths.json").write_text(json.dumps({"paths": paths}))
    return made


@pytest.fixture
def conda(env: FakePrefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Noting:
    """The conda that notes."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Noting(tmp_path / "base", env.path)


def records(env: FakePrefix) -> dict[str, PackageRecord]:
    return dict(observe_prefix(str(env.path)).records)


OPTIONS = ["--override-channels", "--channel", "lab", "--offline"]


def test_packages_linked_from_damaged_files_are_relinked(env: FakePrefix, conda: Noting) -> None:
    history = (env.meta / "history").read_text()
    relink_damaged(conda, str(env.path), {}, (), OPTIONS, None)
    exact = ["bad=1.0=0", "worse=1.0=0"]
    options = [*OPTIONS, "--force-reinstall"]
    assert conda.told == [("install", str(env.path), exact, options)]
    assert len(conda.warnings) == 2
    assert (env.meta / "history").read_text() == history


def test_packages_that_the_change_did_not_link_are_not_checked(
    env: FakePrefix, conda: Noting
) -> None:
    before = records(env)
    relink_damaged(conda, str(env.path), before, (), OPTIONS, None)
    assert (conda.told, conda.warnings) == ([], [])
    # Packages that were damaged before have been relinked by the change, so they are checked.
    relink_damaged(conda, str(env.path), before, ["worse", "good"], OPTIONS, None)
    assert [words[2] for words in conda.told] == [["worse=1.0=0"]]


def test_an_updated_package_is_relinked(env: FakePrefix, conda: Noting) -> None:
    before = records(env)
    (env.meta / "bad-1.0-0.json").unlink()
    env.link("bad", build="1", files={"share/bad": b"text"})
    cached = Path(conda.installation) / "pkgs"
    (cached / "bad-1.0-0").rename(cached / "bad-1.0-1")
    relink_damaged(conda, str(env.path), before, (), [], None)
    assert [words[2] for words in conda.told] == [["bad=1.0=1"]]


def test_a_lock_is_relinked_without_a_solver(env: FakePrefix, conda: Noting) -> None:
    url = "https://conda.example.com/lab/noarch"
    lock = parse_lock(f"{url}/good-1.0-0.conda\n{url}/bad-1.0-0.conda\n{url}/worse-1.0-0.conda\n")
    relink_damaged(conda, str(env.path), {}, (), OPTIONS, lock)
    assert conda.told == [
        ("remove", str(env.path), ["bad", "worse"]),
        (
            "install",
            str(env.path),
            [f"{url}/bad-1.0-0.conda", f"{url}/worse-1.0-0.conda"],
            ["--offline"],
        ),
    ]


def test_relinking_lifts_the_frozen_marker(env: FakePrefix, conda: Noting) -> None:
    (env.meta / "frozen").write_text("{}")
    relink_damaged(conda, str(env.path), {}, (), OPTIONS, None)
    assert conda.frozen == [False]
    assert (env.meta / "frozen").read_text() == "{}"
