"""Secrets that conda knows without being told by a task, judged by what the real conda makes of them."""

from __future__ import annotations

import base64
import http.server
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import paths
from tests.integration.lab_conda import run_conda
from tests.integration.loopback import LoopbackServer

PLANTED = "planted-0123456789"
# Nothing listens there.
HOST = "127.0.0.1:9"
CONDARCS = {
    # conda writes http//ada:PASSWORD@host, without the colon.
    "password": f"channels: ['http://ada:{PLANTED}@{HOST}/lab']\n",
    "quoted": f"channels: ['http://ada:pw%40{PLANTED}@{HOST}/lab']\n",
    "variable": "channels: ['http://ada:${LAB_WORD}@" + HOST + "/lab']\n",
    "token": f"channels: ['http://{HOST}/t/{PLANTED}/lab']\n",
    "alias": f"channel_alias: http://ada:{PLANTED}@{HOST}\nchannels: [lab]\n",
    "no-scheme": f"channels: ['ada:{PLANTED}@{HOST}/lab']\nchannel_alias: http://{HOST}\n",
    "unknown-scheme": f"channels: ['htp://ada:{PLANTED}@{HOST}/lab']\n",
}
QUICK = ("variable",)


@pytest.fixture
def condarc(home: Path) -> Iterator[Path]:
    path = home / ".condarc"
    yield path
    path.unlink()


@pytest.mark.parametrize(
    "case",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in CONDARCS],
)
def test_a_secret_of_a_condarc_is_not_shown_where_its_channel_fails(
    case: str, condarc: Path, conda_installation: Path, run_module: Any, tmp_path: Path
) -> None:
    condarc.write_text(f"channel_priority: strict\nremote_max_retries: 0\n{CONDARCS[case]}")
    options = {
        "installation": str(conda_installation),
        "prefix": str(tmp_path / "env"),
        "packages": ["lab-upgrade"],
        "timeout": 60,
    }
    result = run_module(
        "conda_env", options, environment={"LAB_WORD": PLANTED} if case == "variable" else {}
    )
    assert result["rc"] == 1
    assert HOST in result["said"]
    assert PLANTED not in json.dumps(result)


class Guarded(LoopbackServer):
    """The lab's channel for who shows the planted word; notes which packages were fetched."""

    def __init__(self) -> None:
        fetched: list[str] = []
        self.fetched = fetched
        basic = f"Basic {base64.b64encode(f'ada:{PLANTED}'.encode()).decode()}"

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = re.fullmatch(r"(?:/conda)?/t/([^/]+)(/.*)", self.path)
                path = found[2] if found else self.path
                shown = found[1] == PLANTED if found else self.headers["Authorization"] == basic
                file = paths.site_dir() / "conda" / path.lstrip("/")
                if not shown or not file.is_file():
                    self.send_error(404 if shown else 401)
                    return
                if file.suffix == ".conda":
                    fetched.append(file.name)
                self.send_response(200)
                self.send_header("Content-Length", str(file.stat().st_size))
                self.end_headers()
                with file.open("rb") as stream:
                    shutil.copyfileobj(stream, self.wfile)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        super().__init__(Handler)


@pytest.mark.full
@pytest.mark.parametrize(
    "channel",
    [
        "http://{host}/t/{word}/lab",
        "http://{host}/conda/t/{word}/lab",
        "http://ada:{word}@{host}/lab",
    ],
)
def test_conda_s_caches_keep_no_secret_and_serve_as_before(
    channel: str, conda_installation: Path, run_module: Any, home: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "pkgs"
    (home / ".condarc").write_text(f"pkgs_dirs: ['{cache}']\n")
    try:
        with Guarded() as server:
            options = {
                "installation": str(conda_installation),
                "packages": ["lab-upgrade=1.0"],
                "channels": [channel.format(host=server.host, word=PLANTED)],
            }
            for name in ("first", "second"):
                made = run_module("conda_env", {**options, "prefix": str(tmp_path / name)})
                assert made["changed"], made
            assert len(server.fetched) == 1
            again = run_module("conda_env", {**options, "prefix": str(tmp_path / "second")})
            assert (again["rc"], again["changed"]) == (0, False), again
        # Without the server, and without a module of ours.
        run_conda(
            conda_installation,
            home,
            *("create", "--yes", "--offline", "--prefix", str(tmp_path / "third")),
            *("--override-channels", "--channel", options["channels"][0], "lab-upgrade=1.0"),
        )
        assert (tmp_path / "third" / "conda-meta").glob("lab-upgrade-1.0-*.json")
    finally:
        (home / ".condarc").unlink()
    kept = [cache, tmp_path / "first", tmp_path / "second"]
    files = [path for place in kept for path in place.rglob("*") if path.is_file()]
    assert any(path.name == "urls.txt" for path in files)
    assert any(path.name.endswith(".info.json") for path in files)
    assert [path for path in files if PLANTED.encode() in path.read_bytes()] == []
