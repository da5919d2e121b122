"""Channels are asked for their repodata, over HTTP on loopback and as files; what was asked is counted."""

from __future__ import annotations

import http.server
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._config import probe as channel_probe
from ansible_collections.llmfleet.conda.plugins.module_utils._config.probe import probe_new_channels
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError

REPODATA = "/cloud/conda-forge/noarch/repodata.json"


@dataclass
class Site:
    """A server with one channel, conda-forge; ``faults`` are answers that come before the true ones.

    As a proxy it answers for ``elsewhere``.
    """

    url: str = ""
    seen: list[str] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    knows_head: bool = True
    elsewhere: str = ""

    def answer(self, method: str, path: str) -> int:
        self.seen.append(f"{method} {path}")
        if self.faults:
            return self.faults.pop(0)
        if method == "HEAD" and not self.knows_head:
            return 405
        return 200 if path == f"{self.elsewhere}{REPODATA}" else 404

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "channels": ["conda-forge"],
            "custom_channels": {"conda-forge": f"{self.url}/cloud"},
        }


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    found = Site()
    monkeypatch.setattr(channel_probe, "_DELAYS", (0.0,))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._send("HEAD")

        def do_GET(self) -> None:
            self._send("GET")

        def _send(self, method: str) -> None:
            self.send_response(found.answer(method, self.path))
            self.send_header("Content-Length", "2")
            self.end_headers()
            if method == "GET":
                self.wfile.write(b"{}")

        def log_message(self, format: str, *arguments: Any) -> None:
            del format, arguments

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_new_channel_is_probed_once_without_download(site: Site) -> None:
    settings = {**site.settings, "channels": ["conda-forge", f"{site.url}/cloud/conda-forge/"]}
    assert probe_new_channels({}, settings) == [f"{site.url}/cloud/conda-forge"]
    assert site.seen == [f"HEAD {REPODATA}"]


def test_unchanged_channel_is_not_probed(site: Site) -> None:
    after = {**site.settings, "solver": "classic"}
    assert probe_new_channels(site.settings, after) == []
    assert site.seen == []


def test_new_proxy_or_tls_settings_are_probed(site: Site) -> None:
    after = {**site.settings, "ssl_verify": False}
    assert probe_new_channels(site.settings, after) == [f"{site.url}/cloud/conda-forge"]


def test_no_probe_without_channels(site: Site) -> None:
    assert probe_new_channels(site.settings, {"solver": "classic"}) == []
    assert site.seen == []


def test_server_without_head_gets_a_range_request(site: Site) -> None:
    site.knows_head = False
    assert probe_new_channels({}, site.settings) != []
    assert site.seen == [f"HEAD {REPODATA}", f"GET {REPODATA}"]


def test_temporary_error_is_retried(site: Site) -> None:
    site.faults = [503]
    assert probe_new_channels({}, site.settings) != []
    assert len(site.seen) == 2


@pytest.mark.parametrize(
    ("faults", "status"), [([503, 503], "503"), ([404], "404"), ([403, 403], "403")]
)
def test_error_names_the_channel(site: Site, faults: list[int], status: str) -> None:
    site.faults = list(faults)
    with pytest.raises(CondaModuleError) as error:
        probe_new_channels({}, site.settings)
    text = str(error.value)
    assert "The channel conda-forge does not answer" in text
    assert f"{site.url}{REPODATA}: the server answered {status}" in text
    assert "Nothing was changed" in text
    assert "proxy" in text
    assert len(site.seen) == len(faults)


def test_unreachable_server(site: Site) -> None:
    settings = {"channels": ["http://127.0.0.1:9/conda-forge"]}
    with pytest.raises(CondaModuleError, match=r"127\.0\.0\.1:9/conda-forge/noarch/repodata\.json"):
        probe_new_channels({}, settings)


@pytest.mark.parametrize("address", ["gopher://h/lab", "http://[h/lab"])
def test_invalid_url(site: Site, address: str) -> None:
    with pytest.raises(CondaModuleError, match="does not answer"):
        probe_new_channels({}, {"channels": [address]})


def test_error_masks_credentials(site: Site) -> None:
    url = "http://ada:hush@127.0.0.1:9/t/tk-secret/lab"
    with pytest.raises(CondaModuleError) as error:
        probe_new_channels({}, {"channels": [url]})
    shown = str(error.value.as_result())
    assert site.seen == []
    assert "hush" not in shown
    assert "tk-secret" not in shown


def test_file_channel(site: Site, tmp_path: Path) -> None:
    settings = {"channels": [str(tmp_path / "channel")]}
    with pytest.raises(CondaModuleError, match="does not answer"):
        probe_new_channels({}, settings)
    (tmp_path / "channel" / "noarch").mkdir(parents=True)
    (tmp_path / "channel" / "noarch" / "repodata.json").write_text("{}")
    assert probe_new_channels({}, settings) == [f"file://{tmp_path}/channel"]
    assert site.seen == []


def test_the_proxy_of_the_new_settings_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.defpath})
    site.elsewhere = "http://channels.invalid"
    settings = {
        "channels": ["http://channels.invalid/cloud/conda-forge"],
        "proxy_servers": {"http": site.url},
    }
    assert probe_new_channels({}, settings) == settings["channels"]
    assert site.seen == [f"HEAD http://channels.invalid{REPODATA}"]


@pytest.mark.parametrize(
    ("verify", "validate", "bundle"),
    [("BUNDLE", True, True), (False, False, False), (True, True, False), (None, True, False)],
)
def test_the_ca_file_of_the_new_settings_is_used(
    verify: Any, validate: bool, bundle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.pem"
    path.touch()
    seen: dict[str, Any] = {}

    def open_url(url: str, **options: Any) -> io.BytesIO:
        seen.update(options, url=url)
        return io.BytesIO(b"{}")

    monkeypatch.setattr(channel_probe, "open_url", open_url)
    settings = {
        "channels": ["https://h.example.org/lab"],
        "ssl_verify": str(path) if verify == "BUNDLE" else verify,
    }
    probe_new_channels({}, settings)
    assert seen["url"] == "https://h.example.org/lab/noarch/repodata.json"
    assert seen["validate_certs"] is validate
    assert seen["ca_path"] == (str(path) if bundle else None)
