"""A conda (or micromamba) that a test has scripted: it says what it is told to say, in any shape."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """\
#!{python} -I
import base64, json, os, subprocess, sys, time
from pathlib import Path
here = Path({here!r})
with open(here / "calls", "a") as stream:
    stream.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}) + "\\n")
replies = json.loads((here / "replies").read_text())
reply = replies.pop(0)
(here / "replies").write_text(json.dumps(replies or [reply]))
prefix = Path(sys.argv[sys.argv.index("--prefix") + 1])
meta = prefix / "conda-meta"
for text in reply["link"]:
    name, version = text.split("=")
    meta.mkdir(parents=True, exist_ok=True)
    (meta / "history").touch()
    for old in meta.glob(name + "-*.json"):
        old.unlink()
    record = {{"name": name, "version": version, "build": "0", "build_number": 0, "channel": "lab",
              "subdir": "noarch", "fn": f"{{name}}-{{version}}-0.conda", "files": [], "depends": []}}
    (meta / f"{{name}}-{{version}}-0.json").write_text(json.dumps(record))
for name in reply["unlink"]:
    for path in meta.glob(name + "-*.json"):
        path.unlink()
if reply["child"]:
    code = f"import time; time.sleep({{reply['child']}})"
    child = subprocess.Popen([sys.executable, "-I", "-c", code])
    (here / "child").write_text(str(child.pid))
sys.stderr.buffer.write(base64.b64decode(reply["stderr"]))
sys.stderr.flush()
for _ in range(reply["megabytes"]):
    sys.stdout.buffer.write((b"x" * 1023 + b"\\n") * 1024)
sys.stdout.buffer.write(base64.b64decode(reply["stdout"]))
sys.stdout.flush()
(here / "pid").write_text(str(os.getpid()))
time.sleep(reply["sleep"])
if reply["rc"] < 0:
    os.kill(os.getpid(), -reply["rc"])
os._exit(reply["rc"])
"""


class ScriptedConda:
    """A program in ``directory`` that records its calls and gives the replies in turn, the last for ever."""

    def __init__(self, directory: Path, name: str = "conda") -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.executable = directory / name
        self.executable.write_text(_SCRIPT.format(python=sys.executable, here=str(directory)))
        self.executable.chmod(0o755)

    def reply(self, *replies: dict[str, Any]) -> None:
        """Say what it shall answer.

        Args:
            replies: each with any of ``stdout``, ``stderr`` (text or bytes), ``rc`` (negative: ends by that
                signal), ``sleep`` (seconds before it ends), ``child`` (seconds that a child of its own
                stays), ``megabytes`` (of other output before), ``link`` (``name=version`` texts) and
                ``unlink`` (names): the packages whose records it really writes or removes.
        """
        self.directory.joinpath("replies").write_text(json.dumps([_whole(one) for one in replies]))

    def calls(self) -> list[dict[str, Any]]:
        """``argv`` and ``env`` of every start."""
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def pid(self, name: str = "pid") -> int:
        """Number of the last process (or of its ``child``)."""
        return int((self.directory / name).read_text())


def _whole(reply: dict[str, Any]) -> dict[str, Any]:
    nothing = {"rc": 0, "sleep": 0, "child": 0, "megabytes": 0, "link": [], "unlink": []}
    whole = {**nothing, "stdout": "", "stderr": "", **reply}
    for stream in ("stdout", "stderr"):
        text = whole[stream]
        content = text if isinstance(text, bytes) else text.encode()
        whole[stream] = base64.b64encode(content).decode()
    return whole
