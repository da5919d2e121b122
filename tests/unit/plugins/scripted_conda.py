"""A conda that a test has scripted: it records its calls and says what it is told to say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.command import Conda

FAKE = """\
#!{python} -I
import json, os, subprocess, sys, time
from pathlib import Path
here = Path({here!r})
with open(here / "calls", "a") as stream:
    cache = os.environ.get("CONDA_PKGS_DIRS", "").split(",")[0]
    seen = sorted(str(p.relative_to(cache)) for p in Path(cache).rglob("*")) if cache else None
    if cache:
        Path(cache, "written-by-conda").write_text("x")
        plugin = Path(os.environ["XDG_CACHE_HOME"], "conda-anaconda-tos")
        plugin.mkdir(exist_ok=True)
        (plugin / "written-by-plugin").write_text("x")
    call = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "cache": seen}}
    stream.write(json.dumps(call) + "\\n")
replies = json.loads((here / "replies").read_text())
reply = replies.pop(0)
(here / "replies").write_text(json.dumps(replies or [reply]))
if reply.get("child"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (here / "child").write_text(str(child.pid))
if reply.get("make"):
    Path(reply["make"]).mkdir(parents=True)
time.sleep(reply.get("sleep", 0))
sys.stderr.write(reply.get("stderr", ""))
sys.stdout.write(reply.get("stdout", ""))
sys.stdout.flush()
if reply.get("rc", 0) < 0:
    os.kill(os.getpid(), -reply["rc"])
sys.exit(reply.get("rc", 0))
"""

GOOD = json.dumps({"success": True})


class Scripted:
    """A fake conda that records its calls and gives the replies in turn, the last one for ever."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.executable = path / "conda"
        self.executable.write_text(FAKE.format(python=sys.executable, here=str(path)))
        self.executable.chmod(0o755)
        self.reply({"stdout": GOOD})

    def reply(self, *replies: dict[str, Any]) -> None:
        """Answer with ``stdout``, ``stderr`` and ``rc`` (negative: a signal); ``make`` a directory."""
        (self.path / "replies").write_text(json.dumps(replies))

    def calls(self) -> list[dict[str, Any]]:
        """``argv``, ``env``, ``cwd`` and the content of the temporary ``cache`` of every start."""
        try:
            lines = (self.path / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def conda(self, **options: Any) -> Conda:
        """The object under test, with this program as its executable."""
        return Conda(str(self.path / "base"), str(self.executable), **options)
