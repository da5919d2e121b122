"""Secrets in the lines that pip and uv are given: on no command line, in no file that others may read."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import pip, site_packages
from tests.integration.conda_pip.git_server import GitServer, make_repository

RunModule = Callable[..., dict[str, Any]]
WHEEL = "simple/t-lib/t_lib-2.0-py3-none-any.whl"


def with_uv(installer: str, uv: str) -> dict[str, str]:
    return {"installer": "uv", "uv_executable": uv} if installer == "uv" else {}


@pytest.mark.parametrize("installer", ["pip", pytest.param("uv", marks=pytest.mark.full)])
def test_a_signature_is_not_left_and_a_new_one_is_no_change(
    installer: str, prefix: Path, run_module: RunModule, index: str, uv: str, options: Any
) -> None:
    def asked(signature: str, query: str = "part=1") -> dict[str, Any]:
        signed = f"X-Amz-Date=20260101&X-Amz-Expires=60&X-Amz-Signature={signature}"
        line = f"t-lib @ {index}/{WHEEL}?{query}&{signed}"
        return options(line, no_index=False, **with_uv(installer, uv))

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
