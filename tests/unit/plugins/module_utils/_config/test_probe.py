"""Channels are asked for their repodata, over HTTP on loopback and as files; what was asked is counted."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._config import probe as channel_probe
from ansible_collections.llmfleet.conda.plugins.module_utils._config.probe import probe_new_channels
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.tests.unit.plugins.channel_site import (
    REPODATA,
    Site,
    serving,
)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(channel_probe, "_DELAYS", (0.0,))
    with serving() as found:
        yield found


def test_new_channel_is_probed_once_without_download(site: Site) -> None:
    settings = {**site.settings, "channels": ["conda-forge", f"{site.url}/cloud/conda-forge/"]}
    assert probe_new_channels({}, settings) == ([f"{site.url}/cloud/conda-forge"], {})
    assert site.seen == [f"GET {REPODATA}"]
    assert site.ranges == ["bytes=0-63"]


def test_unchanged_channel_is_not_probed(site: Site) -> None:
    after = {**site.settings, "solver": "classic"}
    assert probe_new_channels(site.settings, after).asked == []
    assert site.seen == []


def test_new_proxy_or_tls_settings_are_probed(site: Site) -> None:
    after = {**site.settings, "ssl_verify": False}
    assert probe_new_channels(site.settings, after).asked == [f"{site.url}/cloud/conda-forge"]


def test_no_probe_without_channels(site: Site) -> None:
    assert probe_new_channels(site.settings, {"solver": "classic"}).asked == []
    assert site.seen == []


def test_temporary_error_is_retried(site: Site) -> None:
    site.faults = [503]
    assert probe_new_channels({}, site.settings).asked != []
    assert len(site.seen) == 2


@pytest.mark.parametrize(
    ("faults", "status"), [([503, 503], "503"), ([404], "404"), ([403], "403")]
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


@pytest.mark.parametrize(("body", "fits"), [(b"{}", True), (b"", False)])
def test_server_that_refuses_ranges_is_asked_for_the_file(
    site: Site, body: bytes, fits: bool
) -> None:
    """Some servers answer 416 to any range of a short file, and all do to that of an empty one."""
    site.faults = [416]
    site.body = body
    if fits:
        assert probe_new_channels({}, site.settings).asked == [f"{site.url}/cloud/conda-forge"]
    else:
        with pytest.raises(CondaModuleError, match="this is not repodata"):
            probe_new_channels({}, site.settings)
    assert site.ranges == ["bytes=0-63", ""]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"http_proxy": "http://ada:hush@127.0.0.1:9"}, " (through the proxy 127.0.0.1)"),
        ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}, ""),
        ({"https_proxy": "http://127.0.0.1:9"}, ""),
    ],
)
def test_error_names_the_proxy(
    site: Site, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    """A proxy of the environment that is down would look like a mirror that is down."""
    monkeypatch.setattr(os, "environ", {"PATH": os.defpath, **variables})
    site.faults = [404]
    with pytest.raises(CondaModuleError) as error:
        probe_new_channels({}, site.settings)
    assert ("through the proxy" in str(error.value)) == bool(told)
    assert f"{told}. Nothing was changed." in str(error.value)
    assert "hush" not in str(error.value)


def test_mirror_that_answers_head_requests_and_lacks_the_file(site: Site) -> None:
    """HEAD and the front page answer with 200; only the file counts."""
    settings = {"channels": [f"{site.url}/cloud/bioconda"]}
    with pytest.raises(CondaModuleError, match="the server answered 404"):
        probe_new_channels({}, settings)
    assert site.seen == ["GET /cloud/bioconda/noarch/repodata.json"]


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>closed</title>", b"", b"moved"])
def test_page_in_place_of_repodata(site: Site, body: bytes) -> None:
    site.body = body
    with pytest.raises(CondaModuleError, match="this is not repodata, it begins with "):
        probe_new_channels({}, site.settings)
    # A page does not become repodata by asking again.
    assert len(site.seen) == 1


def test_redirect_to_another_host_is_reported(site: Site) -> None:
    with serving() as other:
        site.redirect = f"{other.url}{REPODATA}".replace("127.0.0.1", "localhost")
        found = probe_new_channels({}, site.settings)
    assert found.asked == [f"{site.url}/cloud/conda-forge"]
    assert found.elsewhere == {"127.0.0.1": "localhost"}


def test_redirect_on_the_same_host_is_not_reported(site: Site) -> None:
    with serving() as other:
        site.redirect = f"{other.url}{REPODATA}"
        assert probe_new_channels({}, site.settings).elsewhere == {}
    assert site.seen == [f"GET {REPODATA}"]


def test_error_names_the_host_behind_a_redirect(site: Site) -> None:
    with serving() as other:
        other.faults = [404]
        site.redirect = f"{other.url}{REPODATA}".replace("127.0.0.1", "localhost")
        with pytest.raises(CondaModuleError) as error:
            probe_new_channels({}, site.settings)
    assert (
        f"{site.url}{REPODATA}: it redirects to localhost: the server answered 404 Not Found."
        in str(error.value)
    )


def test_error_names_the_host_behind_a_redirect_that_cannot_be_reached(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    site.redirect = f"http://localhost:{port}{REPODATA}"
    with pytest.raises(CondaModuleError, match=r"it redirects to localhost: .*refused"):
        probe_new_channels({}, site.settings)


def test_redirect_in_a_circle_ends(site: Site) -> None:
    site.redirect = f"{site.url}/other"
    with pytest.raises(CondaModuleError, match="more than 10 redirects"):
        probe_new_channels({}, site.settings)
    assert len(site.seen) == 10


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/x"])
def test_redirect_away_from_http_is_refused(site: Site, target: str) -> None:
    site.redirect = target
    with pytest.raises(CondaModuleError, match="it redirects to a URL of the scheme"):
        probe_new_channels({}, site.settings)
    assert len(site.seen) == 1


def test_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts connections and never answers."""
    monkeypatch.setattr(channel_probe, "_DELAYS", ())
    monkeypatch.setattr(channel_probe, "_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/lab"
        with pytest.raises(CondaModuleError, match=f"{url}/noarch/repodata.json: .*timed out"):
            probe_new_channels({}, {"channels": [url]})


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
    assert probe_new_channels({}, settings) == ([f"file://{tmp_path}/channel"], {})
    assert site.seen == []


def test_the_proxy_of_the_new_settings_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.defpath})
    site.elsewhere = "http://channels.invalid"
    settings = {
        "channels": ["http://channels.invalid/cloud/conda-forge"],
        "proxy_servers": {"http": site.url},
    }
    assert probe_new_channels({}, settings).asked == settings["channels"]
    assert site.seen == [f"GET http://channels.invalid{REPODATA}"]


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
