"""A small volume of a host that can be filled, made read-only, and put back as it was."""

from __future__ import annotations

import subprocess

from lab.errors import LabError
from proof.faults.cases import NotInjected
from proof.host import Host

ROOT = "/opt"
"""Where the volume is mounted."""

SAVED = "/srv/before"
"""Where the states of it are kept that cases begin with."""

_BALLAST = f"{ROOT}/.ballast"

_MANY_FILES = """
import os, sys
folder, keep = sys.argv[1], int(sys.argv[2])
os.mkdir(folder)
count = 0
try:
    while True:
        os.mknod(os.path.join(folder, str(count)))
        count += 1
except OSError as error:
    if error.errno != 28:
        raise
for number in range(keep):
    os.unlink(os.path.join(folder, str(number)))
if keep != os.statvfs(folder).f_ffree:
    sys.exit(f"{os.statvfs(folder).f_ffree} inodes are free instead of {keep}")
"""

# The moment is met by looking again and again, in the host itself: a command from outside takes too long.
_WATCH = """
import glob, subprocess, sys, time
end = time.monotonic() + 120
print("ready", flush=True)
while not glob.glob(sys.argv[1]):
    if time.monotonic() > end:
        sys.exit(3)
    time.sleep(0.001)
sys.exit(subprocess.run(["sh", "-euc", sys.argv[2]]).returncode)
"""


def options(megabytes: int, inodes: int = 60000) -> list[str]:
    """The options of ``docker run`` for a host with such a volume."""
    volume = f"{ROOT}:size={megabytes}m,nr_inodes={inodes},exec,mode=755"
    return ["--tmpfs", volume, "--cap-add", "SYS_ADMIN"]


class Watch:
    """Something that is done to a host as soon as a file is there."""

    def __init__(self, host: Host, pattern: str, script: str) -> None:
        self._pattern = pattern
        argv = host.container.argv(["python3", "-c", _WATCH, pattern, script])
        self._child = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._child.stdout
        self._child.stdout.readline()

    def must_have_met(self) -> None:
        """Raise NotInjected unless the file was seen and the script went well."""
        try:
            _out, said = self._child.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            raise NotInjected(f"{self._pattern} was never there") from None
        if self._child.returncode:
            raise NotInjected(f"the watch for {self._pattern} failed: {said.strip()[-300:]}")


class Volume:
    """The volume of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def save(self, state: str) -> None:
        """Keep what is on it under a name."""
        self.host.container.shell(f"mkdir -p {SAVED} && cp -a {ROOT} {SAVED}/{state}")

    def restore(self, state: str) -> None:
        """Empty it, and put back what was kept under a name; an empty name leaves it empty."""
        script = f"find {ROOT} -mindepth 1 -delete"
        if state:
            script += f"; cp -a {SAVED}/{state}/. {ROOT}"
        self.host.container.shell(script)

    def used(self) -> int:
        """KiB that are in use."""
        return self._figure("used")

    def free(self) -> int:
        """KiB that are free."""
        return self._figure("avail")

    def _figure(self, column: str) -> int:
        words = self.host.container.shell(f"df -k --output={column} {ROOT}").split()
        return int(words[-1])

    def leave(self, kibibytes: int) -> None:
        """Fill it but for so much; raises NotInjected when somebody could still write more."""
        self.host.container.shell(fill(kibibytes))
        if self.takes(kibibytes + 1):
            raise NotInjected(f"more than {kibibytes} KiB can still be written")

    def takes(self, kibibytes: int) -> bool:
        """Whether so much more can be written to it."""
        probe = f"{ROOT}/.probe"
        script = f"fallocate -l {kibibytes}K {probe}"
        done = self.host.container.run(["sh", "-c", script], check=False)
        self.host.container.run(["rm", "-f", probe])
        return done.returncode == 0

    def empty_inodes(self, keep: int) -> None:
        """Use up its inodes but for so many; raises NotInjected when a file more can be made."""
        try:
            self.host.container.python(_MANY_FILES, f"{_BALLAST}.d", str(keep))
        except LabError as error:
            raise NotInjected(f"the inodes cannot be used up: {error}") from error

    def make_room(self) -> None:
        """Take away what filled it."""
        self.host.container.shell(f"rm -rf {_BALLAST} {_BALLAST}.d")

    def read_only(self) -> None:
        """Make it read-only; raises NotInjected when it still takes a file."""
        self.host.container.shell(READ_ONLY)
        self.must_be_read_only()

    def must_be_read_only(self) -> None:
        """Raise NotInjected when it takes a file."""
        done = self.host.container.run(["touch", f"{ROOT}/.probe"], check=False)
        if done.returncode == 0 or "Read-only file system" not in done.stderr:
            raise NotInjected(f"{ROOT} is not read-only: {done.stderr.strip()}")

    def writable(self) -> None:
        """Take back what ``read_only`` did, if it did."""
        self.host.container.shell(
            f"while [ $(grep -c ' {ROOT} ' /proc/mounts) -gt 1 ]; do umount -l {ROOT}; done"
        )


def fill(kibibytes: int) -> str:
    """The script that fills the volume but for so much, also while others write to it."""
    return (
        f"cat /dev/zero >{_BALLAST} 2>/dev/null || true;"
        f" [ {kibibytes} = 0 ] || truncate -s -{kibibytes}K {_BALLAST}"
    )


READ_ONLY = f"mount --bind {ROOT} {ROOT} && mount -o remount,bind,ro {ROOT}"
"""The script that makes the volume read-only for everything opened from then on.

A second mount on top of it: the kernel itself turns a volume read-only after a disk error while files are
open for writing, and lets nobody else do so.
"""
