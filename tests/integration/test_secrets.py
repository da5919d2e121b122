"""Secrets that conda knows without being told by a task, judged by what the real conda makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
