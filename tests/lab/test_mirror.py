"""The mirror as a client on a bare socket sees it: plain answers first, then each fault."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from lab.mirror import Mirror, RemoteMirror
from lab.mirror_faults import FaultError

CONTENT = bytes(range(256)) * 400  # 102 400 bytes, so that no answer fits one packet
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "folder" / "sub").mkdir(parents=True)
    (root / "data.bin").write_bytes(CONTENT)
    (root / "repodata.json").write_text('{"packages": {}}')
    (root / "folder" / "a b&c.whl").write_bytes(b"wheel")
    (root / "folder" / ".lab-key").write_text("hidden")
    (root / "empty").write_bytes(b"")
    (tmp_path / "secret").write_text("outside of the root")
    return root


@pytest.fixture
def mirror(site):
    with Mirror(site) as running:
        yield running
        assert running.errors == []


def get(mirror, path, method="GET", **headers):
    """One request on a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def raw(mirror, path, timeout=10):
    """All bytes that come back for a bare request, until the server closes."""
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=timeout) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return head.decode(), body


# -- plain answers -------------------------------------------------------------------------------


def test_a_file_comes_whole_with_its_validators(mirror, site):
    status, headers, body = get(mirror, "/data.bin")
    assert (status, body) == (200, CONTENT)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["ETag"].startswith('"')
    modified = email.utils.parsedate_to_datetime(headers["Last-Modified"]).timestamp()
    assert modified == int((site / "data.bin").stat().st_mtime)


def test_content_types(mirror):
    assert get(mirror, "/repodata.json")[1]["Content-Type"] == "application/json"
    assert get(mirror, "/data.bin")[1]["Content-Type"] == "application/octet-stream"
    assert get(mirror, "/folder/")[1]["Content-Type"].startswith("text/html")


def test_an_empty_file_is_no_error(mirror):
    assert get(mirror, "/empty")[::2] == (200, b"")


def test_head_has_the_length_and_no_body(mirror):
    status, headers, body = get(mirror, "/data.bin", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


def test_one_connection_serves_many_requests(mirror):
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=10)
    with contextlib.closing(connection):
        sockets = set()
        for path in ("/data.bin", "/missing", "/repodata.json", "/empty", "/data.bin"):
            connection.request("GET", path)
            sockets.add(connection.sock.getsockname())
            connection.getresponse().read()
    assert len(sockets) == 1
    assert mirror.counts()["/data.bin"] == {"requests": 2, "bytes": 2 * len(CONTENT)}


@pytest.mark.parametrize(
    "path",
    ["/missing", "/../secret", "/folder/../../secret", "/%2e%2e/secret", "/data.bin/", "/a%00b"],
)
def test_what_is_not_there_or_not_below_the_root_is_404(mirror, path):
    status, _, body = get(mirror, path)
    assert status == 404
    assert b"outside" not in body


def test_other_methods_are_refused(mirror):
    status, headers, _ = get(mirror, "/data.bin", method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_folder_is_listed_as_links_without_hidden_files(mirror):
    page = get(mirror, "/folder/")[2].decode()
    assert '<a href="a%20b%26c.whl">a b&amp;c.whl</a>' in page
    assert '<a href="sub/">sub/</a>' in page
    assert ".lab-key" not in page


def test_a_folder_without_slash_redirects(mirror):
    status, headers, _ = get(mirror, "/folder")
    assert (status, headers["Location"]) == (301, "folder/")
    with urllib.request.urlopen(mirror.url + "/folder", timeout=10) as answer:
        assert answer.url.endswith("/folder/")


def test_an_index_page_takes_the_listing_s_place(mirror, site):
    (site / "folder" / "index.html").write_text("<p>mine</p>")
    assert get(mirror, "/folder/")[2] == b"<p>mine</p>"


def test_links_in_the_root_are_followed(mirror, site, tmp_path):
    (tmp_path / "elsewhere").write_text("linked")
    (site / "link").symlink_to(tmp_path / "elsewhere")
    assert get(mirror, "/link")[2] == b"linked"


# -- conditional requests and ranges -------------------------------------------------------------


def test_an_unchanged_file_is_304_and_a_changed_one_is_sent(mirror, site):
    headers = get(mirror, "/repodata.json")[1]
    etag, modified = headers["ETag"], headers["Last-Modified"]
    for condition in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
    ):
        status, headers, body = get(mirror, "/repodata.json", **condition)
        assert (status, body, headers["ETag"]) == (304, b"", etag), condition
    # RFC 9110, 13.1.3: If-None-Match makes If-Modified-Since of no account
    stale = {"If-None-Match": '"other"', "If-Modified-Since": modified}
    assert get(mirror, "/repodata.json", **stale)[0] == 200
    assert get(mirror, "/repodata.json", **{"If-Modified-Since": "yesterday"})[0] == 200
    (site / "repodata.json").write_text('{"packages": {"new": 1}}')
    status, headers, body = get(mirror, "/repodata.json", **{"If-None-Match": etag})
    assert (status, json.loads(body)) == (200, {"packages": {"new": 1}})
    assert headers["ETag"] != etag


def test_304_leaves_the_connection_usable(mirror):
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/repodata.json")
        first = connection.getresponse()
        first.read()
        connection.request(
            "GET", "/repodata.json", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert connection.getresponse().read() == b""
        connection.request("GET", "/data.bin")
        assert connection.getresponse().read() == CONTENT


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=102000-", 102000, 102399),
        ("bytes=102000-999999", 102000, 102399),
        ("bytes=-100", 102300, 102399),
        ("bytes=-999999", 0, 102399),
    ],
)
def test_ranges(mirror, asked, first, last):
    status, headers, body = get(mirror, "/data.bin", Range=asked)
    assert (status, body) == (206, CONTENT[first : last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=102400-", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(mirror, asked):
    status, headers, _ = get(mirror, "/data.bin", Range=asked)
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=0-1,5-9", "lines=1-2", "bytes=x-y", "bytes=9-2"]
)
def test_a_range_that_makes_no_sense_gets_the_whole(mirror, asked):
    assert get(mirror, "/data.bin", Range=asked)[::2] == (200, CONTENT)


def test_if_range_resumes_only_the_same_file(mirror, site):
    etag = get(mirror, "/data.bin")[1]["ETag"]
    resumed = get(mirror, "/data.bin", Range="bytes=100-", If_Range=etag)
    assert (resumed[0], resumed[2]) == (206, CONTENT[100:])
    (site / "data.bin").write_bytes(CONTENT[::-1])
    again = get(mirror, "/data.bin", Range="bytes=100-", If_Range=etag)
    assert (again[0], again[2]) == (200, CONTENT[::-1])


# -- counting ------------------------------------------------------------------------------------


def test_counts_are_per_decoded_path_and_can_be_reset(mirror):
    get(mirror, "/data.bin")
    get(mirror, "/data.bin?x=1", Range="bytes=0-9")
    get(mirror, "/data.bin", method="HEAD")
    get(mirror, "/folder/a%20b&c.whl")
    missing = get(mirror, "/missing")[2]
    assert mirror.counts() == {
        "/data.bin": {"requests": 3, "bytes": len(CONTENT) + 10},
        "/folder/a b&c.whl": {"requests": 1, "bytes": 5},
        "/missing": {"requests": 1, "bytes": len(missing)},
    }
    mirror.reset()
    assert mirror.counts() == {}


def test_the_log_tells_requests_apart(mirror):
    get(mirror, "/data.bin", Range="bytes=0-9", User_Agent="test/1")
    assert mirror.log() == [
        {
            "client": "127.0.0.1",
            "method": "GET",
            "path": "/data.bin",
            "range": "bytes=0-9",
            "agent": "test/1",
            "status": 206,
            "bytes": 10,
        }
    ]


def test_many_clients_at_once(mirror):
    bodies, begun, ended = [], [], []

    def fetch():
        begun.append(time.monotonic())
        bodies.append(get(mirror, "/data.bin")[2] == CONTENT)
        ended.append(time.monotonic())

    mirror.fault("/data.bin", "latency", seconds=1)
    threads = [threading.Thread(target=fetch) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [True] * 20
    # One after the other, the first would have its answer before the last has begun to wait.
    assert max(begun) < min(ended), "the requests were answered one after the other"
    assert mirror.counts()["/data.bin"] == {"requests": 20, "bytes": 20 * len(CONTENT)}


# -- each fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [404, 500, 503])
def test_status(mirror, code):
    mirror.fault("/data.bin", "status", code=code, retry_after=7)
    status, headers, body = get(mirror, "/data.bin")
    assert (status, headers["Retry-After"]) == (code, "7")
    assert body == f"{code} by request of the lab\n".encode()
    assert get(mirror, "/repodata.json")[0] == 200


def test_status_with_a_body_of_its_own_and_without_retry(mirror):
    mirror.fault("/data.bin", "status", code=403, body="<html>login</html>")
    status, headers, body = get(mirror, "/data.bin")
    assert (status, body, headers["Retry-After"]) == (403, b"<html>login</html>", None)


def test_latency(mirror):
    mirror.fault("*", "latency", seconds=0.4)
    begin = time.monotonic()
    assert get(mirror, "/data.bin")[2] == CONTENT
    assert time.monotonic() - begin >= 0.4


def test_truncate_announces_the_whole_and_hangs_up(mirror):
    mirror.fault("/data.bin", "truncate", fraction=0.25)
    head, body = raw(mirror, "/data.bin")
    assert f"Content-Length: {len(CONTENT)}" in head
    assert body == CONTENT[: len(CONTENT) // 4]
    with pytest.raises(http.client.IncompleteRead):
        get(mirror, "/data.bin")
    assert mirror.counts()["/data.bin"]["bytes"] == 2 * (len(CONTENT) // 4)


def test_an_honest_truncation_looks_like_a_whole_file(mirror):
    mirror.fault("/data.bin", "truncate", fraction=0.5, honest=True)
    status, headers, body = get(mirror, "/data.bin")
    assert (status, body) == (200, CONTENT[: len(CONTENT) // 2])
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(("at", "index"), [(0, 0), (0.5, 51200), (1, 102399)])
def test_tamper_changes_one_byte(mirror, at, index):
    mirror.fault("/data.bin", "tamper", at=at)
    status, _, body = get(mirror, "/data.bin")
    assert (status, len(body)) == (200, len(CONTENT))
    assert [i for i in range(len(body)) if body[i] != CONTENT[i]] == [index]


def test_tamper_also_reaches_listings_and_empty_files(mirror):
    mirror.fault("*", "tamper")
    assert get(mirror, "/empty")[::2] == (200, b"")
    spoiled = get(mirror, "/folder/")[2]
    mirror.clear_faults()
    assert len(get(mirror, "/folder/")[2]) == len(spoiled)
    assert get(mirror, "/folder/")[2] != spoiled


def test_reset_before_any_byte(mirror):
    mirror.fault("/data.bin", "reset")
    with pytest.raises(ConnectionResetError):
        raw(mirror, "/data.bin")
    assert mirror.counts()["/data.bin"] == {"requests": 1, "bytes": 0}


def test_reset_after_some_bytes(mirror):
    mirror.fault("/data.bin", "reset", after_bytes=1000)
    with socket.create_connection(("127.0.0.1", mirror.port), timeout=10) as client:
        client.sendall(b"GET /data.bin HTTP/1.1\r\nHost: lab\r\n\r\n")
        received = []

        def read_all():
            while chunk := client.recv(65536):
                received.append(chunk)

        with pytest.raises(ConnectionResetError):
            read_all()
    assert b"".join(received).endswith(b"\r\n\r\n" + CONTENT[:1000])


def test_drip_keeps_to_its_rate(mirror):
    mirror.fault("/data.bin", "drip", bytes_per_second=100_000)
    begin = time.monotonic()
    assert get(mirror, "/data.bin")[2] == CONTENT
    assert time.monotonic() - begin >= 0.9


def test_a_drip_ends_when_the_mirror_stops(site):
    with Mirror(site) as mirror:
        mirror.fault("/data.bin", "drip", bytes_per_second=10)
        failures = []

        def fetch():
            try:
                get(mirror, "/data.bin")
            except (http.client.HTTPException, OSError) as error:
                failures.append(error)

        client = threading.Thread(target=fetch)
        client.start()
        time.sleep(0.5)
    # Left to itself the drip would go on for hours.
    client.join(timeout=60)
    assert not client.is_alive()
    assert len(failures) == 1


def test_wrong_length_larger_and_smaller(mirror):
    mirror.fault("/data.bin", "wrong_length", times=1)
    head, body = raw(mirror, "/data.bin")
    assert f"Content-Length: {len(CONTENT) + 1}\r\n" in head + "\r\n"
    assert body == CONTENT
    mirror.fault("/data.bin", "wrong_length", difference=-400)
    status, _, body = get(mirror, "/data.bin")
    assert (status, body) == (200, CONTENT[:-400])


def test_another_file_in_its_place_for_a_moment(mirror):
    mirror.fault("/repodata.json", "replace", times=1, content='{"packages": {"other": {}}}')
    status, headers, body = get(mirror, "/repodata.json")
    assert (status, body) == (200, b'{"packages": {"other": {}}}')
    assert headers["ETag"] is None
    assert (
        get(mirror, "/repodata.json", If_None_Match=get(mirror, "/repodata.json")[1]["ETag"])[0]
        == 304
    )
    assert get(mirror, "/repodata.json")[2] == b'{"packages": {}}'


def test_headers_of_ones_own_win(mirror):
    mirror.headers("/folder/*", X_Repo_Commit="0123", ETag='"mine"')
    _status, headers, _body = get(mirror, "/folder/a%20b&c.whl")
    assert (headers["X-Repo-Commit"], headers["ETag"]) == ("0123", '"mine"')
    assert get(mirror, "/data.bin")[1]["X-Repo-Commit"] is None


def test_faults_apply_to_ranges_too(mirror):
    mirror.fault("/data.bin", "tamper", at=0)
    status, _, body = get(mirror, "/data.bin", Range="bytes=100-199")
    assert (status, body[1:]) == (206, CONTENT[101:200])
    assert body[0] == CONTENT[100] ^ 0xFF


def test_a_fault_for_n_times_then_recovery(mirror):
    mirror.fault("/data.bin", "status", times=2, code=503)
    assert [get(mirror, "/data.bin")[0] for _ in range(3)] == [503, 503, 200]
    assert mirror.faults() == []


# -- control -------------------------------------------------------------------------------------


def test_another_process_says_the_same_words(mirror):
    remote = RemoteMirror(mirror.url + "/")
    remote.fault("/data.bin", "status", times=1, code=500)
    assert remote.faults() == mirror.faults() != []
    assert get(mirror, "/data.bin")[0] == 500
    assert get(mirror, "/data.bin")[0] == 200
    assert remote.counts() == mirror.counts()
    assert [entry["status"] for entry in remote.log()] == [500, 200]
    remote.reset()
    assert mirror.counts() == {}
    remote.fault("*", "tamper")
    remote.clear_faults()
    assert mirror.faults() == []


def test_control_is_neither_counted_nor_faulted(mirror):
    remote = RemoteMirror(mirror.url)
    mirror.fault("*", "status", code=500)
    assert len(remote.faults()) == 1
    assert remote.counts() == {}


def test_control_refuses_nonsense(mirror):
    remote = RemoteMirror(mirror.url)
    with pytest.raises(FaultError, match="explode"):
        remote.fault("*", "explode")
    for content in (b"{", b"[]", b'{"kind": "tamper", "pattern": "*", "extra": 1}', b"\xff"):
        request = urllib.request.Request(mirror.url + "/_lab/faults", data=content, method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 400
    assert get(mirror, "/_lab/nothing")[0] == 404
    assert mirror.faults() == []


# -- life cycle ----------------------------------------------------------------------------------


def test_nothing_to_serve_is_said_at_once(tmp_path):
    with pytest.raises(NotADirectoryError, match="missing"):
        Mirror(tmp_path / "missing")


def test_a_taken_port_is_an_error(mirror, site):
    with pytest.raises(OSError, match="in use"):
        Mirror(site, port=mirror.port)


def test_stopping_cuts_idle_connections_and_frees_the_port(site):
    with Mirror(site) as first:
        port = first.port
        idle = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        idle.request("GET", "/repodata.json")
        idle.getresponse().read()
    with contextlib.closing(idle):
        assert idle.sock.recv(1) == b""
    with Mirror(site, port=port) as second:
        assert get(second, "/repodata.json")[0] == 200


def test_url_for_another_name_of_this_machine(site):
    with Mirror(site, host="0.0.0.0") as mirror:
        assert mirror.url == f"http://127.0.0.1:{mirror.port}"
        assert mirror.url_for("192.0.2.7") == f"http://192.0.2.7:{mirror.port}"
        assert get(mirror, "/repodata.json")[0] == 200


def test_serve_announces_itself_and_ends_on_a_signal(site, tmp_path):
    ready = tmp_path / "ready"
    code = f"from lab.mirror import serve; serve(ready_file={str(ready)!r}, root={str(site)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert time.monotonic() < deadline, "the mirror did not get ready"
            assert process.poll() is None, "the mirror ended early"
            time.sleep(0.05)
        url = ready.read_text().strip()
        assert RemoteMirror(url).counts() == {}
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 0
    assert url in said
