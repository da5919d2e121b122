"""What users of a host can see while modules run there, and what is left when they have ended."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.containers import Container
from lab.errors import LabError
from proof.faults.canaries import Canary

# Notes the command line of every process, and all that is said to the host's log.
_WATCH = """
import os, select, socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if os.path.lexists("/dev/log"):
    os.unlink("/dev/log")
log.bind("/dev/log")
os.chmod("/dev/log", 0o666)
log.setblocking(False)
print("ready", flush=True)
seen = set()
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                words = stream.read()
        except OSError:
            continue
        if words and words not in seen:
            seen.add(words)
            print("argv", words.replace(b"\\0", b" ").decode(errors="replace"), flush=True)
    try:
        while True:
            print("syslog", log.recv(1 << 20).decode(errors="replace"), flush=True)
    except BlockingIOError:
        # Ends with its standard input.
        if select.select([sys.stdin], [], [], 0.004)[0]:
            break
"""

# Which files and processes hold one of some texts; the texts come by stdin.
_SEARCH = r"""
import json, os, stat, sys
forms, since = json.load(sys.stdin)
forms = {name: [form.encode() for form in each] for name, each in forms.items()}
found = []
def look(content, where, mode):
    for name, each in forms.items():
        if any(form in content for form in each):
            found.append([name, where, mode])
apart = ("/proc", "/sys", "/dev", "/srv/llmfleet")
for place, below, names in os.walk("/"):
    below[:] = [one for one in below if os.path.join(place, one) not in apart]
    for name in names:
        path = os.path.join(place, name)
        look(os.fsencode(path), f"name of {path}", 0)
        try:
            seen = os.lstat(path)
            if stat.S_ISLNK(seen.st_mode):
                look(os.fsencode(os.readlink(path)), path, 0)
            elif stat.S_ISREG(seen.st_mode) and seen.st_ctime >= since:
                with open(path, "rb") as stream:
                    content = stream.read()
                folders = [os.lstat(path[:at] or "/").st_mode for at, one in enumerate(path) if one == "/"]
                private = not seen.st_mode & 0o077 or any(not mode & 0o077 for mode in folders)
                look(content, path, 0o600 if private else stat.S_IMODE(seen.st_mode))
        except FileNotFoundError:
            pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    for kind in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{kind}", "rb") as stream:
                look(stream.read(), f"{kind} of process {pid} that is left", 0)
        except OSError:
            pass
print(json.dumps(found))
"""


@contextmanager
def watching(host: Container, notes: Path) -> Iterator[None]:
    """Write every command line and every line of the host's log to a file, for the time of the block.

    Raises LabError when the host cannot be watched.
    """
    with notes.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            host.argv(["python3", "-c", _WATCH], interactive=True),
            stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while "ready" not in notes.read_text(encoding="utf-8"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise LabError(f"{host.name} cannot be watched: {notes.read_text()[-300:]}")
                time.sleep(0.05)
            yield
            time.sleep(0.1)
        finally:
            process.communicate()


def noted(notes: str, kind: str) -> str:
    """Of what `watching` wrote, what is of one kind: ``argv`` or ``syslog``."""
    other = "argv" if kind == "syslog" else "syslog"
    # A line of the one kind may be followed by lines of text that belong to it.
    return "".join(
        f"{kind} {part.partition(f'{chr(10)}{other} ')[0]}\n"
        for part in f"\n{notes}".split(f"\n{kind} ")[1:]
    )


def below(folder: Path) -> str:
    """The names and contents of all files in a folder of the controller."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return "".join(f"{path}\n{path.read_text(errors='replace')}\n" for path in files)


def left_on(
    host: Container, canaries: dict[str, Canary], since: float
) -> list[tuple[str, str, int]]:
    """What holds a canary: its name, the file or process, and the file's permissions (0600 when private).

    since: seconds of the epoch; files that were not changed after that are passed by.
    """
    forms = {name: sorted(one.forms) for name, one in canaries.items()}
    done = host.run(["python3", "-c", _SEARCH], stdin=json.dumps([forms, since]), timeout=300)
    return [(name, where, mode) for name, where, mode in json.loads(done.stdout)]
