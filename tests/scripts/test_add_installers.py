"""`make catalogue URL=...` on small lists in the publishers' formats, served from loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.generate.add_installers import main, write
from scripts.generate.make_catalogue import render

OLD, NEW, OTHER, WRONG = ("0a" * 32, "1b" * 32, "2c" * 32, "3d" * 32)
HEAD = "<tr><th>Filename</th><th>Size</th><th>Last Modified</th><th>SHA256</th></tr>"
NAME = "Miniconda3-py312_26.9.4-1-Linux-x86_64.sh"


def entry(name: str, digest: str) -> str:
    """A row of Anaconda's page."""
    return f"""
    <tr>
      <td><a href="{name}">{name}</a></td>
      <td class="s">155.1M</td>
      <td>2026-11-10 09:10:11</td>
      <td>{digest}</td>
    </tr>"""


PAGE = f"""<!DOCTYPE html>
<html><head><title>Index of /miniconda</title></head><body>
<table>
{HEAD}
{entry("Miniconda3-latest-Linux-x86_64.sh", NEW)}
{entry(NAME, NEW.upper())}
{entry("Miniconda3-py312_26.9.4-1-Windows-x86_64.exe", OTHER)}
{entry("Miniconda3-py312_26.9.4-1-MacOSX-arm64.pkg", OTHER)}
{entry("Miniconda3-py314_26.9.4-1-MacOSX-arm64.sh", OTHER)}
{entry("Miniconda3-py312_26.5.3-1-Linux-x86_64.sh", OLD)}
{entry("Miniconda2-4.7.12-Linux-x86_64.sh", OTHER)}
</table></body></html>
"""
FORGE = "Miniforge3-26.5.3-0-Linux-aarch64.sh"
RELEASES = "https://github.com/conda-forge/miniforge/releases/download/26.5.3-0"


def release(*assets: tuple[str, str | None]) -> str:
    """GitHub's answer about a release."""
    listed = [
        {"name": name, "browser_download_url": f"{RELEASES}/{name}", "digest": digest}
        for name, digest in assets
    ]
    return json.dumps({"tag_name": "26.5.3-0", "assets": listed})


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "installers.json"
    old = {
        "distribution": "miniconda",
        "version": "26.5.3-1",
        "python": "3.12",
        "os": "Linux",
        "arch": "x86_64",
        "filename": "Miniconda3-py312_26.5.3-1-Linux-x86_64.sh",
        "url": "https://repo.anaconda.com/miniconda/Miniconda3-py312_26.5.3-1-Linux-x86_64.sh",
        "sha256": OLD,
    }
    forge = {
        "distribution": "miniforge",
        "version": "26.3.2-3",
        "python": None,
        "os": "Linux",
        "arch": "x86_64",
        "filename": "Miniforge3-26.3.2-3-Linux-x86_64.sh",
        "url": f"{RELEASES.replace('26.5.3-0', '26.3.2-3')}/Miniforge3-26.3.2-3-Linux-x86_64.sh",
        "sha256": OTHER,
    }
    write(path, {"source": "somewhere", "seen": "2026-11-30", "installers": [old, forge]})
    return path


class _Quiet(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """Redirect as the path says, or send a file."""
        if self.path.endswith("?cut"):
            return self._cut()
        _before, _to, target = self.path.partition("?to=")
        if not target:
            return SimpleHTTPRequestHandler.do_GET(self)
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()
        return None

    def _cut(self) -> None:
        """Announce more bytes than come."""
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(f"{NEW}  {FORGE}\n".encode())

    def log_message(self, *_what: Any) -> None:
        """Print nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory that is served from loopback, and its address."""
    root = tmp_path / "site"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield root, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["installers"]
    return found


def test_anacondas_page(
    catalogue: Path, site: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    root, base = site
    (root / "miniconda").mkdir()
    (root / "miniconda" / "index.html").write_text(PAGE)
    before = rows(catalogue)
    assert main([f"{base}/miniconda/"], catalogue) == 0
    mac = "Miniconda3-py314_26.9.4-1-MacOSX-arm64.sh"
    assert capsys.readouterr().out == (
        f"added {NAME}\nadded {mac}\n2 installers added, 2 were there before\n"
    )
    after = rows(catalogue)
    assert [row for row in after if row in before] == before
    new = {
        "distribution": "miniconda",
        "version": "26.9.4-1",
        "python": "3.12",
        "os": "Linux",
        "arch": "x86_64",
        "filename": NAME,
        "url": f"{base}/miniconda/{NAME}",
        "sha256": NEW,
        "source": f"{base}/miniconda/",
    }
    assert {key: value for key, value in after[1].items() if key != "seen"} == new
    assert after[1]["seen"] > "2026-11-30"
    # Oldest first in each distribution.
    assert [row["version"] for row in after] == ["26.5.3-1", "26.9.4-1", "26.9.4-1", "26.3.2-3"]
    assert after[2]["python"] == "3.14"
    # The generated module takes them.
    assert f"py312_26.9.4-1 Linux x86_64 {NEW}\n" in render(json.loads(catalogue.read_text()))
    # Once more adds nothing.
    text = catalogue.read_text()
    assert main([f"{base}/miniconda/"], catalogue) == 0
    assert capsys.readouterr().out == "0 installers added, 4 were there before\n"
    assert catalogue.read_text() == text


@pytest.mark.parametrize("line", [f"{NEW}  {FORGE}", f"{NEW} *./build/{FORGE}\n", f"{NEW} {FORGE}"])
def test_miniforges_sum(line: str, catalogue: Path, site: tuple[Path, str]) -> None:
    root, base = site
    (root / f"{FORGE}.sha256").write_text(line)
    assert main([f"{base}/{FORGE}.sha256"], catalogue) == 0
    (new,) = [row for row in rows(catalogue) if row["filename"] == FORGE]
    assert (new["version"], new["python"], new["arch"]) == ("26.5.3-0", None, "aarch64")
    assert (new["url"], new["sha256"]) == (f"{base}/{FORGE}", NEW)


def test_a_release_on_github(catalogue: Path, site: tuple[Path, str]) -> None:
    root, base = site
    assets = [
        (FORGE, f"sha256:{NEW}"),
        ("Miniforge3-Linux-aarch64.sh", f"sha256:{NEW}"),
        (f"{FORGE}.sha256", None),
        ("Miniforge3-26.5.3-0-MacOSX-arm64.pkg", None),
    ]
    (root / "26.5.3-0").write_text(release(*assets))
    assert main([f"{base}/26.5.3-0"], catalogue) == 0
    (new,) = [row for row in rows(catalogue) if row["version"] == "26.5.3-0"]
    assert (new["url"], new["sha256"]) == (f"{RELEASES}/{FORGE}", NEW)
    assert new["source"] == f"{base}/26.5.3-0"
    assert f"26.5.3-0 Linux aarch64 {NEW}\n" in render(json.loads(catalogue.read_text()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            PAGE.replace("SHA256", "MD5"),
            "no column SHA256, only Filename, Size, Last Modified, MD5",
        ),
        (PAGE.replace(NEW.upper(), "d41d8cd98f00b204e9800998ecf8427e"), f"{NAME} has 'd41d8cd9"),
        (PAGE.replace(NEW.upper(), ""), f"{NAME} has no SHA-256 sum"),
        (PAGE.replace(f"<td>{NEW.upper()}</td>", ""), "has 3 cells instead of 4"),
        (PAGE.replace(OLD, WRONG), f"the SHA-256 {WRONG}, but {OLD} is known"),
        (PAGE.replace("Filename", "Datei"), "no column Filename"),
        (f"<table>{HEAD}</table>", "names no files"),
        (f"{NEW[:40]}  {FORGE}", "not a SHA-256 sum"),
        (f"{NEW}", "not a sum and a file name"),
        ("", "names no files"),
        ("<html>Moved</html>", "not a sum and a file name"),
        (f"<html>Moved to {FORGE}</html>", "not a SHA-256 sum"),
        (release((FORGE, None)), f"{FORGE} has no SHA-256 sum"),
        (release((FORGE, "md5:d41d8cd98f00b204e9800998ecf8427e")), "not a SHA-256 sum"),
        ('{"message": "Not Found"}', "not GitHub's answer about a release"),
        ('{"assets": ', "not valid JSON"),
        ('{"assets": null}', "not GitHub's answer about a release"),
        ('{"assets": ["x"]}', "not GitHub's answer about a release"),
        ('{"assets": {"a": 1}}', "not GitHub's answer about a release"),
        (f'{{"assets": [{{"name": "{FORGE}"}}]}}', f"{FORGE} has no SHA-256 sum"),
        (
            f'{{"assets": [{{"name": "{FORGE}", "digest": "sha256:{NEW}"}}]}}',
            "not GitHub's answer about a release",
        ),
        (
            release((FORGE, f"sha256:{NEW}")).replace("https://github.com", "http://github.com"),
            f"the address http://github.com/conda-forge/miniforge/releases/download/26.5.3-0/{FORGE}",
        ),
        (
            release((FORGE, f"sha256:{NEW}")).replace(f"/{FORGE}", "/other.sh"),
            "which is not https or another file",
        ),
        # Cut off between two rows.
        (PAGE[: PAGE.index("MacOSX-arm64.pkg")], "its table does not end"),
        (PAGE.replace("26.5.3-1", "26.9.4-1"), f"has the SHA-256 {OLD}, but {NEW} is known"),
    ],
)
def test_a_list_without_sha_256_is_refused_as_a_whole(
    text: str,
    words: str,
    catalogue: Path,
    site: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, base = site
    (root / "list").write_text(text)
    before = catalogue.read_text()
    assert main([f"{base}/list"], catalogue) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.endswith(". Nothing was written.\n")
    assert catalogue.read_text() == before


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://files.example.org/miniconda/", "must begin with https://"),
        ("file:///etc/hostname", "must begin with https://"),
        ("http://127.0.0.1:9/", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_trusted_or_read(
    url: str, words: str, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = catalogue.read_text()
    assert main([url], catalogue) == 1
    assert words in capsys.readouterr().err
    assert catalogue.read_text() == before


def test_a_transfer_that_broke_off_is_refused(
    catalogue: Path, site: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = catalogue.read_text()
    assert main([f"{site[1]}/{FORGE}.sha256?cut"], catalogue) == 1
    assert "the transfer broke off after 103 of 5000 bytes" in capsys.readouterr().err
    assert catalogue.read_text() == before


@pytest.mark.parametrize("asked", ["/miniconda", "/miniconda/#a/b", "/miniconda/?sort=/x"])
def test_installers_are_in_the_directory_of_the_page(
    asked: str, catalogue: Path, site: tuple[Path, str]
) -> None:
    """Without its slash, the address of a directory is redirected to the one with it."""
    root, base = site
    (root / "miniconda").mkdir()
    (root / "miniconda" / "index.html").write_bytes(PAGE.replace("\n", "\r\n").encode("utf-8-sig"))
    assert main([f"{base}{asked}"], catalogue) == 0
    (new,) = [row for row in rows(catalogue) if row["filename"] == NAME]
    assert (new["url"], new["sha256"]) == (f"{base}/miniconda/{NAME}", NEW)


def test_it_follows_redirects_but_not_to_an_address_that_is_not_safe(
    catalogue: Path, site: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    root, base = site
    (root / "moved").write_text(f"{NEW}  {FORGE}")
    assert main([f"{base}/{FORGE}.sha256?to=/moved"], catalogue) == 0
    # The address of the installer is beside the one that was asked for.
    assert rows(catalogue)[-1]["url"] == f"{base}/{FORGE}"
    capsys.readouterr()
    assert main([f"{base}/list?to=http://files.example.org/list"], catalogue) == 1
    assert (
        "redirects to http://files.example.org/list, which is not https" in capsys.readouterr().err
    )
