"""The SSH connections that Ansible keeps open: what they cost, and an end to them after each run.

They are processes of their own that outlive the task that opened them, so that neither the program's
processor time nor its memory has them, and a run that finds them open already is cheaper than a first one.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from proof.bench.cost import proportional


@dataclass(frozen=True)
class Connections:
    """Those of one run.

    folder: of their sockets. Not below build/: a socket's path may have 107 characters (unix(7)).
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make Ansible keep its sockets there."""
        return {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder)}

    def processes(self) -> list[int]:
        """The process ids; ssh writes the socket's path into its title once it is in the background."""
        return [int(one.name) for one in Path("/proc").glob("[0-9]*") if self._is_one(one)]

    def cpu(self) -> float:
        """Seconds of user and system time so far."""
        return sum(_ticks(pid) for pid in self.processes()) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MiB that they hold now, proportional set size."""
        return sum(proportional(pid) for pid in self.processes())

    def close(self) -> None:
        """End them."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _is_one(self, process: Path) -> bool:
        try:
            return (process / "cmdline").read_bytes().startswith(f"ssh: {self.folder}/".encode())
        except OSError:
            return False


@contextmanager
def opened() -> Iterator[Connections]:
    """For one run; they are ended and their sockets removed behind it."""
    with tempfile.TemporaryDirectory(prefix="llmfleet-", ignore_cleanup_errors=True) as folder:
        found = Connections(Path(folder))
        try:
            yield found
        finally:
            found.close()


def _ticks(pid: int) -> int:
    """User and system time of a process, proc(5); 0 when it has ended."""
    try:
        # The name before it is in brackets and may hold spaces.
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(words[11]) + int(words[12])
