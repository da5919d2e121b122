"""An installer comes from the first of several addresses that serves it: servers on loopback addresses."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import download
from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import (
    DownloadError,
    fetch_first,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.tests.unit.plugins.channel_site import Site, serving

FILE = "/newest/Miniforge3-1.0-Linux-x86_64.sh"
CONTENT = b"#!/bin/sh\necho installer\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Site]]:
    """Two servers with the file."""
    monkeypatch.setattr(download, "_DELAYS", (0.0,))
    with ExitStack() as stack:
        found = [stack.enter_context(serving(f"127.0.0.{number}")) for number in (1, 2)]
        for site in found:
            site.also, site.body = FILE, CONTENT
        yield found


def get(urls: list[str], path: Path, within: float = 30) -> None:
    fetch_first(urls, str(path), DIGEST, timeout=10, option="mirror", within=within)


def test_only_the_first_address_is_asked(sites: list[Site], tmp_path: Path) -> None:
    get([f"{site.url}{FILE}" for site in sites], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [len(site.seen) for site in sites] == [1, 0]


def test_the_next_address_has_the_file(sites: list[Site], tmp_path: Path) -> None:
    """The first mirror keeps only another release, as the mirrors of Miniforge's releases do."""
    sites[0].also = "/newest/Miniforge3-2.0-Linux-x86_64.sh"
    get([f"{site.url}{FILE}" for site in sites], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [len(site.seen) for site in sites] == [1, 1]


def test_an_altered_file_is_not_kept(sites: list[Site], tmp_path: Path) -> None:
    sites[0].body = CONTENT + b"rm -rf ~\n"
    get([f"{site.url}{FILE}" for site in sites], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    # Nothing of it was resumed.
    assert sites[1].ranges == [""]


def test_the_error_names_each_address(sites: list[Site], tmp_path: Path) -> None:
    sites[0].also = ""
    sites[1].body = b"altered"
    altered = hashlib.sha256(b"altered").hexdigest()
    with pytest.raises(DownloadError) as error:
        get([f"{site.url}{FILE}" for site in sites], tmp_path / "file")
    assert (
        "Cannot download the installer from any of the 2 addresses:"
        f" {sites[0].url}{FILE}: the server answered 404 Not Found;"
        f" {sites[1].url}{FILE}: the file has the SHA-256 sum {altered}, not {DIGEST}."
        " Nothing was changed.\nWhat to do: add an address that has it (option mirror;"
    ) in str(error.value)
    assert not (tmp_path / "file").exists()


def test_one_address_keeps_its_own_message(sites: list[Site], tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as error:
        get([f"{sites[0].url}/none.sh"], tmp_path / "file")
    assert str(error.value).startswith(
        f"Cannot download the installer from {sites[0].url}/none.sh: the server answered 404 Not Found."
    )


@pytest.mark.parametrize("status", [404, 503])
def test_the_error_names_the_host_behind_a_redirect(
    sites: list[Site], tmp_path: Path, status: int
) -> None:
    """mirrors.ustc.edu.cn redirects what it lacks to TUNA: TUNA's failure is not USTC's."""
    sites[0].redirect = f"{sites[1].url}{FILE}"
    sites[1].faults = [status, status]
    with pytest.raises(DownloadError) as error:
        get([f"{sites[0].url}{FILE}"], tmp_path / "file")
    assert (
        f"from {sites[0].url}{FILE}: it redirects to 127.0.0.2: the server answered {status} "
        in str(error.value)
    )


def test_a_silent_server_leaves_time_for_the_next(sites: list[Site], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.3", 0)) as mute:
        url = f"http://127.0.0.3:{mute.getsockname()[1]}{FILE}"
        get([url, f"{sites[1].url}{FILE}"], tmp_path / "file", within=4)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_that_cannot_be_written_ends_it(sites: list[Site], tmp_path: Path) -> None:
    with pytest.raises(CondaModuleError, match="Cannot write the installer") as error:
        get([f"{site.url}{FILE}" for site in sites], tmp_path / "none" / "file")
    assert not isinstance(error.value, DownloadError)
    assert len(sites[1].seen) == 0


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("{}" + FILE, "it redirects in a circle"),
        ("file:///etc/passwd", "it redirects to file:///etc/passwd, which is not allowed"),
    ],
)
def test_a_redirect_that_leads_nowhere(
    sites: list[Site], tmp_path: Path, target: str, told: str
) -> None:
    """urllib describes a circle in three lines."""
    sites[0].redirect = target.format(sites[0].url)
    with pytest.raises(DownloadError) as error:
        get([f"{sites[0].url}{FILE}"], tmp_path / "file")
    assert f"from {sites[0].url}{FILE}: {told}. Nothing was changed." in str(error.value)
