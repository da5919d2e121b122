"""Records of accepted terms; names of directories were computed by conda-anaconda-tos of August 2026."""

from __future__ import annotations

import http.server
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    DEFAULT_CHANNELS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms import (
    TermsStore,
    channel_hash,
    channel_urls,
    time_stamp,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms_download import (
    current_terms,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

MAIN = "https://repo.anaconda.com/pkgs/main"
TERMS = {"version": "2025-07-15T00:00:00Z", "text": "Be good.", "support": "https://example.org"}


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        (MAIN, {}, "3c9d068aa053e2a1c4313fe3391b7a8ee57c4fbd09c4e8aeae49ef333a740150"),
        (
            "https://repo.anaconda.com/pkgs/r",
            {},
            "8c054ac91082b2ed4862701ed278dc96a78db796db69dedc296e13baab307527",
        ),
        (
            "https://conda.anaconda.org/bioconda",
            {},
            "cfe21bf85dd2f8b042d32dbf8045bffafa24d76c4bcd0c4de84519780478a284",
        ),
        (
            "https://mirror.example.org:8443/conda/lab",
            {},
            "5373e1d01007515e853c1c80f0fc31cb9936d1a93f2aa0691ac88e455d52766d",
        ),
        (
            "https://mirror.example.org/site/x/y",
            {},
            "4399694845acc82540adeed93bb6726832775bac98c105ecf4a6c8e499a00ab1",
        ),
        (
            "https://mirror.example.org/site/x/y",
            {
                "channel_alias": "https://mirror.example.org/site",
                "custom_channels": {"x": "https://user:word@mirror.example.org/site"},
            },
            "fd02b7b31de59df1528c2bba06774e0560b5b016a0877c123b14332f019e28bc",
        ),
        (
            "https://mirror.example.org/site/x/y",
            {"channel_alias": "https://mirror.example.org/site/x"},
            "aecb5992bb4f6f216fdeb95c951f9c090c6ae0decbfb925151f97ce0dfe4bec9",
        ),
    ],
)
def test_record_directory_equals_the_plugins(
    url: str, settings: dict[str, Any], expected: str
) -> None:
    assert channel_hash(url, settings) == expected


def test_accepts_channel_urls() -> None:
    assert channel_urls(["defaults", f"{MAIN}/"], {}) == list(DEFAULT_CHANNELS)
    own = {"default_channels": ["https://mirror.example.org/main"]}
    assert channel_urls(["defaults"], own) == ["https://mirror.example.org/main"]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("conda-forge", "needs channel URLs"),
        ("file:///srv/channel", "needs channel URLs"),
        ("https://repo.anaconda.com/", "needs channel URLs"),
        ("https://user:word@mirror.example.org/x", "credentials"),
        ("https://mirror.example.org/t/tk-1/x", "credentials"),
    ],
)
def test_refuses_other_channels(channel: str, words: str) -> None:
    with pytest.raises(CondaModuleError, match=words) as error:
        channel_urls([channel], {})
    assert "tk-1" not in str(error.value)
    assert "user:word" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "stamp"),
    [
        ("2025-07-15T00:00:00Z", 1752537600.0),
        ("2025-07-15 02:00:00+02:00", 1752537600.0),
        ("2025-07-15T00:00:00.250000+00:00", 1752537600.25),
        (1752537600, 1752537600.0),
    ],
)
def test_versions_are_time_stamps(version: Any, stamp: float) -> None:
    assert time_stamp(version) == stamp


@pytest.mark.parametrize("version", ["", "soon", None, True])
def test_refuses_invalid_time_stamps(version: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        time_stamp(version)


def test_acceptance_is_recorded_and_removed(tmp_path: Path) -> None:
    store = TermsStore(str(tmp_path / "tos"), {})
    assert not store.recorded(MAIN).accepted
    store.accept(MAIN, {**TERMS, "more": 1})
    found = store.recorded(MAIN)
    assert (found.accepted, found.version) == (True, TERMS["version"])
    path = Path(found.path)
    assert path.name == "1752537600.0.json"
    assert path.parent.name == channel_hash(MAIN, {})
    record = json.loads(path.read_text())
    assert time_stamp(record.pop("acceptance_timestamp")) > 1752537600
    assert record == {**TERMS, "more": 1, "base_url": MAIN, "tos_accepted": True}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    store.forget(MAIN)
    assert list(tmp_path.iterdir()) == []


def test_shared_records_are_readable_with_any_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        TermsStore(str(tmp_path / "all"), {}).accept(MAIN, TERMS)
        TermsStore(str(tmp_path / "mine"), {}, private=True).accept(MAIN, TERMS)
    finally:
        os.umask(before)
    modes = {
        name: {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / name).rglob("*")}
        for name in ("all", "mine")
    }
    assert modes == {"all": {0o755, 0o644}, "mine": {0o700, 0o600}}


def test_the_newest_record_counts(tmp_path: Path) -> None:
    store = TermsStore(str(tmp_path), {})
    store.accept(MAIN, TERMS)
    directory = Path(store.directory(MAIN))
    newer = {**TERMS, "version": "2026-01-01T00:00:00Z", "tos_accepted": False}
    (directory / "1767225600.0.json").write_text(json.dumps(newer))
    (directory / "9999999999.0.json").write_text("not read")
    (directory / "9999999998.0.json").write_text("{}")
    found = store.recorded(MAIN)
    assert (found.accepted, found.version) == (False, newer["version"])


def test_records_of_other_channels_stay(tmp_path: Path) -> None:
    store = TermsStore(str(tmp_path), {})
    other = DEFAULT_CHANNELS[1]
    store.accept(MAIN, TERMS)
    store.accept(other, TERMS)
    store.forget(MAIN)
    assert not store.has_records(MAIN)
    assert store.recorded(other).accepted


@pytest.fixture
def server() -> Iterator[str]:
    """A server with terms of several kinds; its URL."""
    answers = {
        "/good/terms.json": json.dumps(TERMS),
        "/text/terms.json": "<html>",
        "/list/terms.json": "[]",
        "/short/terms.json": json.dumps({"version": TERMS["version"]}),
        "/never/terms.json": json.dumps({**TERMS, "version": "never"}),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_current_terms(server: str) -> None:
    assert current_terms(f"{server}/good", {}) == TERMS


@pytest.mark.parametrize("place", ["none", "text", "list", "short", "never"])
def test_a_channel_without_terms(server: str, place: str) -> None:
    with pytest.raises(CondaModuleError, match="Nothing was changed") as error:
        current_terms(f"{server}/{place}", {})
    assert f"{server}/{place}" in str(error.value)
    assert "accept_tos" in str(error.value)


def test_unreachable_terms_server() -> None:
    with pytest.raises(CondaModuleError, match="Cannot fetch the terms of service"):
        current_terms("http://127.0.0.1:9/channel", {})


def test_refusal_replaces_the_acceptance(tmp_path: Path) -> None:
    store = TermsStore(str(tmp_path / "tos"), {})
    store.accept(MAIN, TERMS)
    assert not store.recorded(MAIN).refused
    store.accept(MAIN, TERMS, accepted=False)
    found = store.recorded(MAIN)
    assert (found.accepted, found.refused, found.version) == (False, True, TERMS["version"])
    assert json.loads(Path(found.path).read_text())["tos_accepted"] is False
    # Nothing recorded is no refusal.
    assert not store.recorded(DEFAULT_CHANNELS[1]).refused
