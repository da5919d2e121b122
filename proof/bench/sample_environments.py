"""Environments of a given number of records, linked by the real conda from real packages, and kept.

They lie in the lab's cache, not in the checkout: making the largest takes conda half a minute.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import cache, channel, installer, many_packages, paths
from lab.errors import LabError
from scripts.processes import clean_environment

SCIENTIFIC = ("python=3.11", "numpy", "pandas", "matplotlib")
"""What the environment of a person holds, with all that these need."""


@dataclass(frozen=True)
class SampleEnvironments:
    """An installation of the lab's conda, and environments in it that are made when they are asked for.

    folder: where all of it is.
    """

    folder: Path

    @property
    def installation(self) -> Path:
        """The prefix of the base environment."""
        return self.folder / "conda"

    def conda(self, *arguments: str | Path) -> list[str]:
        """The command line that runs its conda."""
        python = self.installation / "bin" / "python"
        return [str(python), "-I", "-m", "conda", *(str(word) for word in arguments)]

    def variables(self) -> dict[str, str]:
        """The variables under which conda runs: without the configuration of whoever measures."""
        return {**clean_environment(), "HOME": str(self.folder)}

    def alike(self, records: int) -> Path:
        """The prefix of an environment of so many small packages that are all alike.

        Raises LabError when conda cannot make it.
        """
        return self._made(f"alike-{records}", (), records)

    def scientific(self, records: int) -> Path:
        """The prefix of one with Python and ``SCIENTIFIC``, filled up with small packages.

        Raises LabError when conda cannot make it.
        """
        return self._made(f"scientific-{records}", SCIENTIFIC, records)

    def install(self) -> None:
        """Run the lab's installer; raises LabError when it fails."""
        self._run(["bash", str(installer.current()["path"]), "-b", "-p", str(self.installation)])

    def _made(self, name: str, wanted: Sequence[str], records: int) -> Path:
        prefix = self.installation / "envs" / name
        # Written last: what a killed run left behind is made again.
        whole = self.folder / f"{name}.whole"
        if whole.exists():
            return prefix
        shutil.rmtree(prefix, ignore_errors=True)
        source = ("--override-channels", "-c", paths.channel_dir().as_uri())
        self._run(self.conda("create", "-y", "-q", "-p", prefix, *source, *wanted))
        small = self._small_packages(records)[: records - _count(prefix)]
        lock = self.folder / f"{name}.txt"
        lock.write_text("@EXPLICIT\n" + "".join(f"{path.as_uri()}\n" for path in small))
        self._run(self.conda("install", "-y", "-q", "-p", prefix, "--file", lock))
        if _count(prefix) != records:
            raise LabError(f"{prefix} has {_count(prefix)} records, not {records}")
        whole.touch()
        return prefix

    def _small_packages(self, count: int) -> list[Path]:
        """At least so many; those that were made for a larger environment serve a smaller one."""
        for marker in self.folder.glob("packages-*.whole"):
            if int(marker.stem.partition("-")[2]) >= count:
                return sorted(marker.with_suffix("").rglob("*.conda"))
        folder = self.folder / f"packages-{count}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        made = many_packages.make(folder, count)
        folder.with_suffix(".whole").touch()
        return sorted(made)

    def _run(self, argv: Sequence[str]) -> None:
        done = subprocess.run(
            argv, env=self.variables(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-800:]
            raise LabError(f"{' '.join(argv)[:200]} ended with {done.returncode}: {said}")


@contextmanager
def opened() -> Iterator[SampleEnvironments]:
    """Those of today's lab, for one process at a time; those of another lab are dropped.

    Raises LabError when the installer fails.
    """
    key = cache.content_key(
        Path(__file__), Path(many_packages.__file__), installer.key(), channel.key()
    )
    found = SampleEnvironments(paths.cache_dir() / "sample-environments")
    with cache.lock("sample-environments"):
        if cache.published_key(found.folder) != key:
            shutil.rmtree(found.folder, ignore_errors=True)
            found.folder.mkdir(parents=True)
            found.install()
            (found.folder / cache.KEY_FILE).write_text(key + "\n")
        yield found


def _count(prefix: Path) -> int:
    return len(list((prefix / "conda-meta").glob("*.json")))
