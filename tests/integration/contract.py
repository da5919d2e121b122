"""Runs the rows of ``contract_table``: check mode says what the real run does, and writes nothing."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab import counter, paths
from lab import installer as lab_installer
from tests.integration import published
from tests.integration.contract_table import CHANGES, FAILS, FULL, GIVEN, SAME, SMOKE, Damage, Row
from tests.integration.snapshot import Snapshot, changes, snapshot

RunModule = Callable[..., dict[str, Any]]

# A diff shows permissions of a condarc where they change, and only there.
_PERMISSIONS = re.compile(r"^# (?:mode|owner|group): .*\n", re.MULTILINE)


class _Digests:
    """Digests of files by name, looked up when a text asks for one: ``{md5[lab-upgrade-1.0-lab_0]}``."""

    def __init__(self, directory: Path, ending: str, digest: str) -> None:
        self._directory, self._ending, self._digest = directory, ending, digest

    def __getitem__(self, stem: str) -> str:
        data = (self._directory / f"{stem}{self._ending}").read_bytes()
        return hashlib.new(self._digest, data).hexdigest()


class _Addresses:
    """Addresses of the lab's noarch packages: ``{url[lab-upgrade-1.0-lab_0]}``."""

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def __getitem__(self, stem: str) -> str:
        return f"{self._channel}/noarch/{stem}.conda"


def make_wheels(house: Path) -> Path:
    """Small distributions that need each other; returns their directory."""
    for version in ("1.0", "1.1", "2.0"):
        make_wheel(house, "t-lib", version)
    make_wheel(house, "t-app", "1.0", requires=["t-lib>=1.0"])
    make_wheel(house, "t-app", "2.0", requires=["t-lib>=2"])
    extra = ["t-lib>=1.1; extra == 'lib'"]
    make_wheel(house, "t-more", "1.0", requires=extra, extras=["lib"])
    make_wheel(house, "six", "1.17.0")
    return house


def parameters(rows: Iterable[Row]) -> list[Any]:
    """The rows as parameters of a test, with the marks ``smoke`` and ``full`` of the table."""

    def marks(row: Row) -> list[pytest.MarkDecorator]:
        key = (row.module, row.name)
        return [pytest.mark.smoke] * (key in SMOKE) + [pytest.mark.full] * (key in FULL)

    return [pytest.param(row, id=f"{row.module}: {row.name}", marks=marks(row)) for row in rows]


class Contract:
    """A place in which rows are run one after the other.

    Args:
        run_module: the fixture of that name.
        base: the shared installation; its conda is started, nothing else happens to it.
        home: the home directory of the modules.
        directory: an empty directory, for the place and for the prepared states.
        sites: addresses by word: the lab's ``mirror``, the ``published`` installers, the model ``hub``.
    """

    def __init__(
        self,
        run_module: RunModule,
        base: Path,
        home: Path,
        directory: Path,
        sites: dict[str, str],
    ) -> None:
        self._run_module, self._base, self._home = run_module, base, home
        self._place = directory / "place"
        self._states = directory / "states"
        self._states.mkdir()
        # What the last call left, while nothing else has touched it: looking costs as much as many calls do.
        self._left: Snapshot | None = None
        current = lab_installer.current()
        mirror = sites["mirror"]
        channel = f"{mirror}/conda/lab"
        noarch = paths.channel_dir() / "noarch"
        wheels = make_wheels(directory / "wheels")
        self._words: dict[str, Any] = {
            "place": self._place,
            "env": self._place / "env",
            "own": self._place / "own",
            "base": base,
            **sites,
            "channel": channel,
            "wheels": wheels,
            "lab_wheels": paths.wheels_dir(),
            "url": _Addresses(channel),
            "md5": _Digests(noarch, ".conda", "md5"),
            "sha256": _Digests(noarch, ".conda", "sha256"),
            "wheel_sha256": _Digests(wheels, "-py3-none-any.whl", "sha256"),
            "installer_version": current["version"],
            "installer_url": f"{mirror}/installers/{current['filename']}",
            "installer_path": current["path"],
            "checksum": f"sha256:{current['sha256']}",
            "catalogued": published.MINICONDA,
            "uid": os.getuid(),
            "gid": os.getgid(),
        }

    def filled(self, value: Any) -> Any:
        """``value`` with its words replaced, in lists and mappings too."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return value.format(**self._words) if isinstance(value, str) else value

    # -- the state before ---------------------------------------------------------------------------

    def prepare(self, row: Row) -> None:
        """Put the place into the state in which the row begins."""
        self._left = None
        kept = self._states / row.given
        if not kept.exists():
            self._clear()
            given = GIVEN[row.given]
            for name, text in given.files.items():
                self._write(self._place / name, text)
            for module, options in given.calls:
                done = self._run_module(module, self.filled(options))
                assert done.get("changed"), (row.given, done)
            _copy(self._place, kept)
        self._clear()
        _copy(kept, self._place)
        for damage in row.but:
            self._damage(damage)

    def _clear(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        # The one place of a row outside: an environment by its name.
        shutil.rmtree(self._base / "envs" / "contract", ignore_errors=True)

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _damage(self, damage: Damage) -> None:
        kind, pattern, *text = damage
        if kind == "write":
            self._write(self._place / pattern, self.filled(text[0]))
            return
        (path,) = self._place.glob(pattern)
        whole = path.read_bytes()
        # Never in place: conda links files hard from its package cache.
        path.unlink()
        if kind == "halve":
            path.write_bytes(whole[: len(whole) // 2])

    # -- the calls ----------------------------------------------------------------------------------

    def _call(self, row: Row, *, check: bool) -> tuple[dict[str, Any], list[str], int]:
        """The result, what was written, and how often conda was started."""
        environment = {"HOME": str(self._place / row.home)} if row.home else None
        before = self._snapshot() if self._left is None else self._left
        started = len(counter.starts(self._base))
        result = self._run_module(
            row.module, self.filled(row.options), check=check, environment=environment
        )
        self._left = self._snapshot()
        written = changes(before, self._left)
        return result, written, len(counter.starts(self._base)) - started

    def _snapshot(self) -> Snapshot:
        return snapshot(self._place, self._base, self._home)

    def _of_the_place(self) -> Snapshot:
        """Of what the last call left, the row's own place."""
        assert self._left is not None
        place = str(self._place)
        return {
            path: entry
            for path, entry in self._left.items()
            if path == place or path.startswith(place + os.sep)
        }

    def show(self, row: Row) -> None:
        """Check, run and run again, with all that the contract says."""
        self.prepare(row)
        foreseen, written, _ = self._call(row, check=True)
        ground = self._of_the_place()
        done, really_written, _ = self._call(row, check=False)
        shown = f"{row.module}: {row.name}\nforeseen {foreseen}\ndone {done}"
        assert written == [], f"check mode wrote\n{shown}"
        assert done["rc"] == (1 if row.expect == FAILS else 0), shown
        assert foreseen["rc"] == done["rc"], shown
        if row.expect == FAILS:
            assert _headline(foreseen) == _headline(done), shown
            assert _different_files(ground, self._of_the_place()) == [], shown
            return
        assert done["changed"] is (row.expect == CHANGES), shown
        assert foreseen["changed"] == done["changed"], shown
        assert foreseen.get("diff") == done.get("diff"), shown
        assert foreseen.get("plan") == done.get("plan"), shown
        if "diff" in done:
            differs = done["diff"]["before"] != done["diff"]["after"]
            assert differs == done["changed"], shown
        if row.expect == SAME:
            assert self._without_caches(row, really_written) == [], shown
        else:
            assert really_written, f"it says that it changed something, and nothing did\n{shown}"
            self._show_again(row, done)

    def _show_again(self, row: Row, done: dict[str, Any]) -> None:
        again, written, starts = self._call(row, check=False)
        shown = f"{row.module}: {row.name}\ndone {done}\nagain {again}"
        assert (again["rc"], again["changed"]) == (0, False), shown
        assert again["diff"]["before"] == again["diff"]["after"], shown
        assert again["diff"]["after"] == _PERMISSIONS.sub("", done["diff"]["after"]), shown
        assert self._without_caches(row, written) == [], shown
        assert row.asks or starts == 0, shown

    @staticmethod
    def _without_caches(row: Row, written: list[str]) -> list[str]:
        """What was written, less the index caches of those that ask, and the directories of locks."""
        if not row.asks:
            return written
        return [path for path in written if not Path(path).is_dir() and "/pkgs/cache/" not in path]


def _headline(failure: dict[str, Any]) -> tuple[str, str]:
    """What failed and what to do; conda's own words between them come in another order each time."""
    return failure["msg"].splitlines()[0], failure["hint"]


def _different_files(before: Snapshot, after: Snapshot) -> list[str]:
    """What differs, but for times of directories, in which a lock came and went, and compiled files."""

    def plain(found: Snapshot) -> Snapshot:
        return {
            path: (mode, 0, 0, inode) if stat.S_ISDIR(mode) else (mode, size, time, inode)
            for path, (mode, size, time, inode) in found.items()
            if "__pycache__" not in path
        }

    return changes(plain(before), plain(after))


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with times and hard links, as ``cp`` does it faster than Python can."""
    target.mkdir(exist_ok=True)
    argv = ["cp", "-a", f"{source}{os.sep}.", str(target)]
    subprocess.run(argv, check=True, capture_output=True)
