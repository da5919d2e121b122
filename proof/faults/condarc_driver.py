"""Runs conda_config twice at once, inside a host, over and over: two processes wait at a barrier, then start.

    python3 -B -m proof.faults.condarc_driver < ROUNDS     (JSON lines; what each came to goes to stdout)

A round has the file (``file``, ``text``, ``mode``, ``owner``), other names of it (``links``), the directories
in which nothing may be left (``watch``) and two ``runs``, each with its ``options``, ``user``, ``home`` and
``scratch``.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_PLUGINS = "ansible_collections.llmfleet.conda.plugins"
_LIMIT = 120
"""Seconds after which a run is ended: it waits for something that does not come."""


def main() -> None:
    """See the module's text."""
    module = importlib.import_module(f"{_PLUGINS}.modules.conda_config")
    # Also what a run imports only when it has something to do.
    utils = importlib.import_module(f"{_PLUGINS}.module_utils")
    for folder in map(Path, utils.__path__):
        for path in sorted(folder.rglob("*.py")):
            words = path.relative_to(folder).with_suffix("").parts
            importlib.import_module(".".join([utils.__name__, *words]))
    for line in sys.stdin:
        print(json.dumps(play(module, json.loads(line))), flush=True)


def play(module: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Lay the file, run both at once, and tell how it is afterwards."""
    file = Path(asked["file"])
    file.write_text(asked["text"], encoding="utf-8")
    file.chmod(asked["mode"])
    os.chown(file, asked["owner"], asked["owner"])
    for one in asked["runs"]:
        Path(one["scratch"]).mkdir(exist_ok=True)
        os.chown(one["scratch"], one["user"], one["user"])
    before = _entries(asked["watch"])
    runs = _at_once(module, asked)
    status = file.stat()
    return {
        "runs": runs,
        "text": file.read_text(encoding="utf-8"),
        "mode": status.st_mode & 0o7777,
        "owner": status.st_uid,
        "links": [name for name in asked["links"] if os.path.islink(name)],
        "left": sorted(_entries(asked["watch"]) - before),
    }


def _entries(folders: list[str]) -> set[str]:
    return {str(path) for folder in folders for path in Path(folder).iterdir()}


def _at_once(module: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the two runs came to, each in a process of its own that waited for the other at the beginning."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for one in asked["runs"]:
        files = [os.memfd_create(name) for name in ("out", "err", "times")]
        pid = os.fork()
        if not pid:
            _become(module, one, {asked["file"], *asked["links"]}, files, ready[1], go[0])
        children.append((pid, files))
    for _ in children:
        os.read(ready[0], 1)
    os.write(go[1], b"go")
    found = []
    for pid, files in children:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out, err, times = (_all_of(descriptor) for descriptor in files)
        found.append({"code": code, "said": out + err, **json.loads(times or "{}")})
    for descriptor in (*ready, *go):
        os.close(descriptor)
    return found


def _become(
    module: Any, one: dict[str, Any], names: set[str], files: list[int], ready: int, go: int
) -> None:
    """The child: becomes the module, and never returns."""
    times: dict[str, float] = {}

    def noted(event: str, arguments: tuple[Any, ...]) -> None:
        # The first time that the file is opened, and that another is put in its place.
        what, place = {"open": ("read", 0), "os.rename": ("wrote", 1)}.get(event, ("", 0))
        if what and what not in times and _is_path(arguments[place], names):
            times[what] = time.monotonic()

    code = 1
    try:
        signal.alarm(_LIMIT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.setgroups([])
        os.setgid(one["user"])
        os.setuid(one["user"])
        os.environ["HOME"] = one["home"]
        options = {**one["options"], "_ansible_remote_tmp": one["scratch"]}
        testing = importlib.import_module("ansible.module_utils.testing")
        sys.addaudithook(noted)
        with testing.patch_module_args(options):
            os.write(ready, b".")
            os.read(go, 1)
            times["began"] = time.monotonic()
            module.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        times["ended"] = time.monotonic()
        os.write(files[2], json.dumps(times).encode())
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _is_path(argument: Any, names: set[str]) -> bool:
    return isinstance(argument, (str, bytes)) and os.fsdecode(argument) in names


def _all_of(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0)
        return stream.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main()
