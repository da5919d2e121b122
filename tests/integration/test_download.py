"""Downloads from a server that fails on request; the server counts what it sent."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import download as _download
from ansible_collections.llmfleet.conda.plugins.module_utils._core.download import fetch, sha256_of
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from lab.mirror import Mirror

CONTENT = os.urandom(1 << 20) * 4
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "/Installer.sh"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    root = tmp_path_factory.mktemp("site")
    (root / "Installer.sh").write_bytes(CONTENT)
    with Mirror(root) as running:
        yield running


@pytest.fixture
def server(site: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setattr(_download, "_DELAYS", (0.0, 0.0, 0.0))
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    site.clear_faults()
    site.reset()
    return site


def get(server: Mirror, target: Path, **options: Any) -> None:
    arguments = {"timeout": 10.0, "option": "installer_url", **options}
    fetch(f"{server.url}{NAME}", str(target), DIGEST, **arguments)


def sent(server: Mirror) -> tuple[int, int]:
    """Requests and bytes so far."""
    counts = server.counts().get(NAME, {"requests": 0, "bytes": 0})
    return counts["requests"], counts["bytes"]


def test_the_whole_file(server: Mirror, tmp_path: Path) -> None:
    get(server, tmp_path / "i.sh")
    assert (tmp_path / "i.sh").read_bytes() == CONTENT
    assert sent(server) == (1, len(CONTENT))


def test_404_is_final(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "status", code=404)
    with pytest.raises(CondaModuleError, match=r"the server answered 404") as error:
        get(server, tmp_path / "i.sh")
    assert "installer_url" in (error.value.hint or "")
    assert "Nothing was changed" in str(error.value)
    assert sent(server)[0] == 1
    assert not (tmp_path / "i.sh").exists()


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_trouble_of_the_server_is_waited_out(server: Mirror, tmp_path: Path, code: int) -> None:
    server.fault(NAME, "status", code=code, times=2)
    get(server, tmp_path / "i.sh")
    assert sent(server)[0] == 3


def test_trouble_that_stays_ends_after_four_attempts(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "status", code=500)
    with pytest.raises(CondaModuleError, match=r"answered 500 .*\(4 attempts\)"):
        get(server, tmp_path / "i.sh")
    assert sent(server)[0] == 4


def test_a_transfer_that_breaks_off_is_continued(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "truncate", fraction=0.5, times=1)
    get(server, tmp_path / "i.sh")
    requests, total = sent(server)
    assert requests == 2
    assert total < len(CONTENT) * 1.1
    ranges = [entry["range"] for entry in server.log()]
    assert ranges[0] in (None, "")
    assert str(ranges[1]).startswith("bytes=")
    assert (tmp_path / "i.sh").read_bytes() == CONTENT


def test_a_connection_that_is_reset_is_continued(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "reset", after_bytes=3 << 20, times=1)
    get(server, tmp_path / "i.sh")
    assert (tmp_path / "i.sh").read_bytes() == CONTENT
    assert sent(server)[0] == 2


def test_a_connection_that_is_always_reset(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "reset")
    with pytest.raises(CondaModuleError, match=r"4 attempts"):
        get(server, tmp_path / "i.sh")
    assert sent(server)[0] == 4


def test_half_a_file_that_claims_to_be_whole_is_found_by_its_sum(
    server: Mirror, tmp_path: Path
) -> None:
    server.fault(NAME, "truncate", fraction=0.5, honest=True)
    with pytest.raises(CondaModuleError, match=r"SHA-256") as error:
        get(server, tmp_path / "i.sh")
    assert DIGEST in str(error.value)


def test_altered_bytes_are_found_by_their_sum(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "tamper")
    with pytest.raises(CondaModuleError, match=r"SHA-256 sum .*; expected") as error:
        get(server, tmp_path / "i.sh")
    assert "option checksum" in str(error.value)


def test_a_server_that_stalls_is_given_up(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "latency", seconds=5, times=1)
    get(server, tmp_path / "i.sh", timeout=0.5)
    assert (tmp_path / "i.sh").read_bytes() == CONTENT


def test_a_slow_server_is_waited_for_as_long_as_it_sends(server: Mirror, tmp_path: Path) -> None:
    server.fault(NAME, "drip", bytes_per_second=2 << 20)
    get(server, tmp_path / "i.sh", timeout=1)
    assert sent(server)[0] == 1


def test_a_part_from_an_earlier_run_is_continued(server: Mirror, tmp_path: Path) -> None:
    target = tmp_path / "i.sh"
    target.write_bytes(CONTENT[: 3 << 20])
    get(server, target)
    assert sent(server) == (1, 1 << 20)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_a_part_as_long_as_the_file_or_longer_is_fetched_anew(
    server: Mirror, tmp_path: Path, extra: bytes
) -> None:
    target = tmp_path / "i.sh"
    target.write_bytes(CONTENT + extra)
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_trusted(server: Mirror, tmp_path: Path) -> None:
    target = tmp_path / "i.sh"
    target.write_bytes(b"x" * (1 << 20))
    with pytest.raises(CondaModuleError, match=r"SHA-256"):
        get(server, target)


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "_DELAYS", (0.0,))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/t/TOKEN/x.sh"
        with pytest.raises(CondaModuleError, match=r"refused.*\(2 attempts\)") as error:
            fetch(url, str(tmp_path / "x.sh"), DIGEST, timeout=2, option="mirror")
    assert "option mirror" in (error.value.hint or "")
    assert "TOKEN" not in str(error.value)


def test_a_host_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "_DELAYS", ())
    with pytest.raises(CondaModuleError, match=r"Cannot download the installer"):
        fetch("http://nohost.invalid/x.sh", str(tmp_path / "x"), DIGEST, timeout=2, option="mirror")


def test_no_place_to_write(server: Mirror, tmp_path: Path) -> None:
    with pytest.raises(
        CondaModuleError, match=r"Cannot write the installer to .*No such file or directory"
    ):
        get(server, tmp_path / "none" / "i.sh")
    assert sent(server)[0] == 1


def test_a_full_disk(server: Mirror) -> None:
    with pytest.raises(CondaModuleError, match=r"No space left on device") as error:
        get(server, Path("/dev/full"))
    assert "make room" in (error.value.hint or "")


def test_a_local_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "_DELAYS", ())
    (tmp_path / "a.sh").write_bytes(CONTENT)
    fetch(
        f"file://{tmp_path}/a.sh", str(tmp_path / "b.sh"), DIGEST, timeout=2, option="installer_url"
    )
    assert sha256_of(str(tmp_path / "b.sh")) == DIGEST
    with pytest.raises(CondaModuleError):
        fetch(f"file://{tmp_path}/no.sh", str(tmp_path / "c.sh"), DIGEST, timeout=2, option="x")


def test_sums_are_those_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(str(tmp_path / "empty")) == hashlib.sha256(b"").hexdigest()


def test_a_drip_ends_when_all_the_time_has_passed(server: Mirror, tmp_path: Path) -> None:
    # Slow enough to outlast the limit of the test itself.
    server.fault(NAME, "drip", bytes_per_second=10)
    with pytest.raises(
        CondaModuleError, match=r"did not finish within 1\.5 seconds \(option timeout\)"
    ) as error:
        get(server, tmp_path / "i.sh", within=1.5)
    assert server.url in str(error.value)
    assert sent(server)[0] == 1


def test_a_server_that_says_nothing_ends_when_all_the_time_has_passed(
    server: Mirror, tmp_path: Path
) -> None:
    server.fault(NAME, "latency", seconds=1000)
    with pytest.raises(CondaModuleError, match=r"did not finish within 1 seconds"):
        get(server, tmp_path / "i.sh", within=1.0)
