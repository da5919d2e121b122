"""Secrets in the lines that pip and uv are given: on no command line, in no file that others may read."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conda_pip.environment import pip, site_packages

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
