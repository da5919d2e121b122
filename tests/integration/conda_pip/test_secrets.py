"""Secrets in the lines that pip and uv are given: on no command line, in no file that others may read."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import http.server
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import pip, site_packages
from tests.integration.conda_pip.git_server import (
    BACKEND,
    PROJECT,
    GitServer,
    make_repository,
)

RunModule = Callable[..., dict[str, Any]]
WHEEL = "simple/t-lib/t_lib-2.0-py3-none-any.whl"


def with_uv(installer: str, uv: str) -> dict[str, str]:
    return {"installer": "uv", "uv_executable": uv} if installer == "uv" else {}


@pytest.mark.full
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_a_signature_is_not_left_and_a_new_one_is_no_change(
    installer: str, prefix: Path, run_module: RunModule, index: str, uv: str, options: Any
) -> None:
    def asked(signature: str, query: str = "part=1") -> dict[str, Any]:
        signed = f"X-Amz-Date=20260101&X-Amz-Expires=60&X-Amz-Signature={signature}"
        line = f"t-lib @ {index}/{WHEEL}?{query}&{signed}"
        made: dict[str, Any] = options(line, no_index=False, **with_uv(installer, uv))
        return made

    foreseen = run_module("conda_pip", asked("planted-one"), check=True)
    made = run_module("conda_pip", asked("planted-one"))
    assert made["changed"], made
    assert foreseen["diff"] == made["diff"]
    (info,) = site_packages(prefix).glob("t_lib-*.dist-info")
    told = (info / "direct_url.json").read_bytes()
    assert json.loads(told)["url"] == f"{index}/{WHEEL}?part=1"
    with (info / "RECORD").open(newline="") as stream:
        (row,) = [row for row in csv.reader(stream) if row[0].endswith("direct_url.json")]
    digest = base64.urlsafe_b64encode(hashlib.sha256(told).digest()).decode().rstrip("=")
    assert row[1:] == [f"sha256={digest}", str(len(told))]
    left = [
        path for path in prefix.rglob("*") if path.is_file() and b"planted" in path.read_bytes()
    ]
    assert left == []
    again = run_module("conda_pip", asked("planted-two"))
    assert (again["rc"], again["changed"]) == (0, False), again
    other = run_module("conda_pip", asked("planted-two", "part=2"), check=True)
    assert other["changed"]
    assert "planted" not in json.dumps([foreseen, made, again, other])
    pip(prefix, "uninstall", "--yes", "t-lib")
    assert not info.exists()


# Records each start of git, then is git; the trace has what git starts itself.
RECORDING = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
exec {git} "$@"
"""
LINES = {
    "pip": "t-git @ git+http://planted-token@{host}/x.git",
    "pip-revision": "t-git @ git+http://ada:planted-token@{host}/x.git@main",
    "pip-variable": "t-git @ git+http://ada:${{GIT_WORD}}@{host}/x.git@main#egg=t-git",
    "uv": "t-git @ git+http://ada:planted-token@{host}/x.git@main",
    "uv-token": "t-git @ git+http://planted-token@{host}/x.git",
}


@pytest.mark.parametrize("old", [False, pytest.param(True, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "case",
    [
        name if name in ("pip", "uv") else pytest.param(name, marks=pytest.mark.full)
        for name in LINES
    ],
)
def test_a_token_for_git_is_on_no_command_line(
    case: str,
    old: bool,
    prefix: Path,
    run_module: RunModule,
    uv: str,
    options: Any,
    tmp_path: Path,
) -> None:
    make_repository(tmp_path / "git")
    (tmp_path / "bin").mkdir()
    log, trace = tmp_path / "log", tmp_path / "trace"
    # A git before 2.31 knows nothing of this variable.
    forget = "unset GIT_CONFIG_COUNT; " if old else ""
    program = tmp_path / "bin" / "git"
    program.write_text(
        RECORDING.format(log=log, git=shutil.which("git")).replace("exec", f"{forget}exec")
    )
    program.chmod(0o755)
    pair = "planted-token:" if "ada" not in LINES[case] else "ada:planted-token"
    sent = f"Basic {base64.b64encode(pair.encode()).decode()}"
    variables = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "GIT_TRACE": str(trace),
        "GIT_WORD": "planted-token",
    }
    with GitServer(tmp_path / "git", sent) as server:
        line = LINES[case].format(host=server.host)
        asked = options(line, no_index=False, **with_uv(case.split("-")[0], uv))
        check = run_module("conda_pip", asked, check=True, environment=variables)
        made = run_module("conda_pip", asked, environment=variables)
        again = run_module("conda_pip", asked, environment=variables)
    assert made["changed"], made
    assert (again["rc"], again["changed"]) == (0, False), again
    if not case.startswith("uv"):
        # uv does not say beforehand which version a repository has.
        assert check["diff"] == made["diff"]
    started = log.read_text() + trace.read_text()
    assert f"{server.host}/x.git" in started
    # Its words in HTTP are a secret as well.
    shown = started + json.dumps([check, made, again])
    assert not [word for word in ("planted-token", sent.split()[1]) if word in shown]
    (info,) = site_packages(prefix).glob("t_git-*.dist-info")
    assert (
        json.loads((info / "direct_url.json").read_text())["url"] == f"http://{server.host}/x.git"
    )


class GuardedIndex:
    """A folder behind a user and a password, and the command lines with the password seen meanwhile."""

    def __init__(self, root: Path) -> None:
        wanted = f"Basic {base64.b64encode(b'ada:planted-word').decode()}"
        self.seen: set[str] = set()
        self._over = threading.Event()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(root))

            def do_GET(self) -> None:
                if self.headers.get("Authorization") == wanted:
                    super().do_GET()
                else:
                    self.send_error(401)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,)),
            threading.Thread(target=self._watch),
        ]

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    self.seen |= {words} if "127.0.0.1" in words and "pip" in words else set()

    def __enter__(self) -> str:
        for thread in self._threads:
            thread.start()
        return f"http://ada:planted-word@127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_problem: object) -> None:
        self._over.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="command lines are in /proc")
def test_a_build_s_own_pip_does_not_show_the_password_of_the_index(
    prefix: Path, run_module: RunModule, options: Any, wheels: Path, index: str
) -> None:
    del index
    root = wheels.parent / "index"
    project = PROJECT.replace("requires = []", 'requires = ["t-lib"]')
    (root / "simple" / "t-git").mkdir()
    with tarfile.open(root / "simple" / "t-git" / "t_git-1.0.tar.gz", "w:gz") as archive:
        for name, text in (
            ("pyproject.toml", project),
            ("backend.py", BACKEND),
            ("PKG-INFO", "Metadata-Version: 2.1\nName: t-git\nVersion: 1.0\n"),
        ):
            entry = tarfile.TarInfo(f"t_git-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    (root / "simple" / "t-git" / "index.html").write_text('<a href="t_git-1.0.tar.gz">x</a>')
    guarded = GuardedIndex(root)
    with guarded as address:
        asked = {"prefix": str(prefix), "requirements": ["t-git"], "index_url": f"{address}/simple"}
        made = run_module("conda_pip", asked)
    assert made["changed"], made
    assert guarded.seen
    assert not [words for words in guarded.seen if "planted-word" in words]
    assert "planted-word" not in json.dumps(made)
