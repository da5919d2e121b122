"""Pins that lag years behind, found by the real uv in a package index made here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from scripts.generate.lagging_pins import allowed, lagging, months_before
from scripts.generate.make_constraints import ROLE, Profile, read_profiles
from scripts.generate.resolver import Resolver, uv_variables

TODAY = date(2026, 11, 30)
# When each release was uploaded. Eighteen months before TODAY is 2025-05-01.
UPLOADED = {
    ("bindings", "12.6"): "2024-08-01",
    ("bindings", "13.0"): "2025-04-30",
    ("bindings", "13.5"): "2026-11-01",
    ("fresh", "1.0"): "2026-06-01",
    ("fresh", "2.0"): "2026-10-01",
    ("quiet", "1.0"): "2019-01-01",
}


class Index(BaseHTTPRequestHandler):
    """A package index in JSON (PEP 691) with the times of uploads (PEP 700)."""

    def __init__(self, wheels: Path, *rest: object) -> None:
        self.wheels = wheels
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = self.path.strip("/").rpartition("/")[2]
        if name.endswith(".whl"):
            self._send("application/octet-stream", (self.wheels / name).read_bytes())
            return
        files = []
        for (package, version), day in UPLOADED.items():
            if package == name:
                wheel = self.wheels / f"{package}-{version}-py3-none-any.whl"
                digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
                files.append(
                    {
                        "filename": wheel.name,
                        "url": f"/files/{wheel.name}",
                        "hashes": {"sha256": digest},
                        "upload-time": f"{day}T00:00:00.000000Z",
                    }
                )
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        self._send("application/vnd.pypi.simple.v1+json", json.dumps(page).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[Resolver]:
    for name, version in UPLOADED:
        make_wheel(tmp_path / "wheels", name, version)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, tmp_path / "wheels"))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/simple"
    yield Resolver({**uv_variables({"index-url": address}), "UV_NO_CACHE": "1"})
    server.shutdown()
    server.server_close()


@pytest.fixture
def serve() -> Profile:
    (found,) = [profile for profile in read_profiles(ROLE) if profile.name == "serve"]
    return found


def told(resolver: Resolver, profile: Profile, **pins: str) -> list[str]:
    return lagging(resolver, profile, "3.12", pins, TODAY, {})


def test_a_pin_that_was_superseded_long_ago_is_named(resolver: Resolver, serve: Profile) -> None:
    (line,) = told(resolver, serve, bindings="12.6", quiet="1.0", fresh="2.0")
    assert line.startswith(
        "lagging: serve for Python 3.12 pins bindings==12.6, but 13.0 was out before 2025-05-01."
    )


def test_a_pin_that_is_only_somewhat_old_is_not(resolver: Resolver, serve: Profile) -> None:
    # 13.5 is new; 13.0 was the newest eighteen months ago; fresh did not exist then.
    assert told(resolver, serve, bindings="13.0", fresh="1.0") == []


def test_a_pin_with_a_reason_may_lag(resolver: Resolver, serve: Profile) -> None:
    reasons = {"serve": {"bindings": "needs the old interface"}}
    assert lagging(resolver, serve, "3.12", {"bindings": "12.6"}, TODAY, reasons) == []
    elsewhere = {"train": {"bindings": "needs the old interface"}}
    assert len(lagging(resolver, serve, "3.12", {"bindings": "12.6"}, TODAY, elsewhere)) == 1


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 11, 30), 18, date(2025, 5, 1)),
        (date(2026, 6, 1), 18, date(2024, 12, 1)),
        (date(2026, 12, 31), 12, date(2025, 12, 1)),
    ],
)
def test_months_are_counted_back(day: date, months: int, expected: date) -> None:
    assert months_before(day, months) == expected


def test_each_reason_is_for_a_pin_of_a_profile() -> None:
    for profile, reasons in allowed().items():
        lines = (ROLE / f"files/constraints/{profile}.txt").read_text().splitlines()
        pinned = {line.partition("==")[0] for line in lines}
        assert set(reasons) <= pinned
        assert all(reasons.values())
