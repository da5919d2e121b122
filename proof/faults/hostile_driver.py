"""Tries hostile values on the modules, inside a host: thousands of them by forking, not by starting Python.

    python3 -B -m proof.faults.hostile_driver ROOT VALUES LIMIT   (values: JSON lines; verdicts to stdout)
    python3 -B -m proof.faults.hostile_driver --options            (every option of every module, as JSON)

Each value gets a process of its own, in a world that is whole (hostile_world), and is judged at once.
What was written outside that world is told at the end, in one line.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import stat
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proof.faults import hostile_world as world

_PLUGINS = "ansible_collections.llmfleet.conda.plugins"
MODULES = (
    "conda_env", "conda_package", "conda_pip", "conda_config", "conda_info", "conda_installation",
    "hub_model", "llm_check", "accelerator_info", "look_ahead",
)  # fmt: skip
_ELSEWHERE = ("/proc", "/sys", "/dev", "/srv/fuzz", "/srv/llmfleet")
_SLEEP = time.sleep

Seen = dict[str, tuple[int, ...]]


def main() -> None:
    """See the module's text."""
    loaded = {name: importlib.import_module(f"{_PLUGINS}.modules.{name}") for name in MODULES}
    if sys.argv[1] == "--options":
        print(json.dumps({name: _options(module) for name, module in loaded.items()}))
        return
    utils = importlib.import_module(f"{_PLUGINS}.module_utils")
    for folder in map(Path, utils.__path__):
        for path in sorted(folder.rglob("*.py")):
            words = path.relative_to(folder).with_suffix("").parts
            importlib.import_module(".".join([utils.__name__, *words]))
    root, limit = Path(sys.argv[1]), float(sys.argv[3])
    # Waiting for a mirror or a lock to come back is no news here.
    vars(time)["sleep"] = _shortly
    world.keep(root)
    _warm()
    whole, before = scan(str(root)), scan("/")
    with open(sys.argv[2], encoding="utf-8") as lines:
        for line in lines:
            value = json.loads(line)
            for name, content in value["files"].items():
                world.lay(root, name, content)
            started = time.monotonic()
            verdict = judge(*attempt(loaded[value["module"]], value, root, limit))
            verdict.update(id=value["id"], seconds=round(time.monotonic() - started, 3))
            print(json.dumps(verdict), flush=True)
            changed = differing(whole, scan(str(root)))
            if changed:
                world.mend(root, changed)
                whole = scan(str(root))
    print(json.dumps(_outside(before)))


def _outside(before: Seen) -> dict[str, list[str]]:
    """What changed outside the world, what of it is new, and which directories only got another time.

    What is new is removed then, for the next values are to meet the same host.
    """
    after = scan("/")
    changed, new = differing(before, after), sorted(after.keys() - before.keys())
    touched = [
        path
        for path in sorted(changed & after.keys() & before.keys())
        if stat.S_ISDIR(after[path][0]) and after[path][:3] == before[path][:3]
    ]
    for path in reversed(new):
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    return {"outside": sorted(changed), "new": new, "touched": touched}


def _shortly(seconds: float) -> None:
    _SLEEP(min(seconds, 0.002))


class _Asked(BaseException):
    """Carries the argument spec out of a module that was started only to be asked for it."""


def _options(module: Any) -> dict[str, Any]:
    def ask(_module: Any, *_args: Any, **how: Any) -> None:
        raise _Asked(how["argument_spec"])

    made = importlib.import_module("ansible.module_utils.basic").AnsibleModule
    kept, made.__init__ = made.__init__, ask
    try:
        module.main()
    except _Asked as asked:
        return dict(asked.args[0])
    finally:
        made.__init__ = kept
    raise AssertionError(f"{module.__name__} has no options")


def attempt(
    module: Any, value: dict[str, Any], root: Path, limit: float
) -> tuple[int | None, str, str]:
    """Exit code (None: it hung and was killed), standard output and error of a module with a value."""
    files = [os.memfd_create(name) for name in ("out", "err")]
    pid = os.fork()
    if not pid:
        _run(module, value, root, files)
    ended = os.pidfd_open(pid)
    ready, _, _ = select.select([ended], [], [], limit)
    if not ready:
        for one in reversed(list(_family(pid))):
            os.kill(one, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    said = [_all_of(descriptor) for descriptor in files]
    return (os.waitstatus_to_exitcode(status) if ready else None), said[0], said[1]


def _warm() -> None:
    """Import what every child would import again, and keep their collectors from copying it all."""
    urls = importlib.import_module("ansible.module_utils.urls")
    urls.UnixHTTPConnection("/")
    with _testing().patch_module_args({}):
        importlib.import_module("ansible.module_utils.basic").AnsibleModule({})
    gc.freeze()


def _testing() -> Any:
    return importlib.import_module("ansible.module_utils.testing")


def _run(module: Any, value: dict[str, Any], root: Path, files: list[int]) -> None:
    """The child: becomes the module, and never returns."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.chdir(root / "tmp")
        os.environ.update(
            HOME=str(root / "home"), TMPDIR=str(root / "tmp"), HF_TOKEN=world.TOKEN,
            PATH=f"{root}/bin:/usr/bin:/bin", **value.get("env", {}),
        )  # fmt: skip
        how = {"_ansible_check_mode": value["check"], "_ansible_remote_tmp": str(root / "tmp")}
        with _testing().patch_module_args({**value["options"], **how}):
            module.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def judge(code: int | None, stdout: str, stderr: str) -> dict[str, Any]:
    """How a value ended: ``failed`` cleanly or went ``through``; or ``wrong`` with the reason."""
    said = stdout + stderr
    try:
        result = json.loads(stdout)
    except ValueError:
        result = None
    message = result.get("msg", "") if isinstance(result, dict) else ""
    failed = isinstance(result, dict) and bool(result.get("failed"))
    problem = ""
    if code is None:
        problem = "hung"
    elif "Traceback (most recent call last)" in said:
        problem = "traceback: " + said[-900:]
    elif not isinstance(result, dict):
        problem = f"no JSON document, exit code {code}: {said[-500:]}"
    elif world.TOKEN in said:
        where = said.index(world.TOKEN)
        problem = "told the secret: " + said[max(0, where - 300) : where + 60]
    elif failed and (not isinstance(message, str) or len(message.strip()) < 10):
        problem = f"failed and said nothing: {said[-300:]}"
    elif code != (1 if failed else 0):
        problem = f"exit code {code} with {said[-300:]}"
    end = "wrong" if problem else "failed" if failed else "through"
    early = failed and (
        str(message).startswith(_EARLY) or any(words in str(message) for words in _UNUSABLE)
    )
    return {"end": end, "problem": problem, "early": early, "message": str(message)[:160]}


# ansible-core's own words for what does not fit an argument spec.
_EARLY = (
    "argument ", "Elements value for option", "value of ", "Unsupported parameters", "missing ",
    "parameters are mutually exclusive", "one of the following is required", "failed to set", "dictionary ",
    "Cannot read the options of the task",
)  # fmt: skip
# What all modules refuse before they look at a single option.
_UNUSABLE = (
    "contains a null character",
    "contains bytes or characters that",
    "contains a number that is too large",
)


def scan(top: str) -> Seen:
    """Mode, owner, size, time and inode of everything below, links not followed."""
    found: Seen = {}
    for path in _below(top):
        seen = os.lstat(path)
        known = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns)
        found[path] = known if stat.S_ISDIR(seen.st_mode) else (*known, seen.st_size, seen.st_ino)
    return found


def _below(top: str) -> Iterator[str]:
    yield top
    folders = [top]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.path in _ELSEWHERE or (top == "/" and entry.path == "/.dockerenv"):
                continue
            yield entry.path
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def differing(before: Seen, after: Seen) -> set[str]:
    """Paths that are new, gone or not the same any more."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from _family(int(child))


def _all_of(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0)
        return stream.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main()
