# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an address says once its secrets are taken out, and where that is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.signed_address import (
    without_secrets,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import same_source
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.forget_secrets import (
    forget_secrets,
)

FILE = "https://host/x.whl"
AMAZON = "X-Amz-Algorithm=A&X-Amz-Credential=k/2026&X-Amz-Date=1&X-Amz-Expires=60&X-Amz-Signature="
GOOGLE = "X-Goog-Algorithm=A&X-Goog-Credential=k&X-Goog-Date=1&X-Goog-Signature="
AZURE = "sv=2024-11-04&st=2026&se=2027&sr=b&sp=r&spr=https&sig="
FRONT = "Expires=1&Key-Pair-Id=K&Policy=p&Signature="


@pytest.mark.parametrize(
    ("address", "left"),
    [
        *((f"{FILE}?{signed}planted1", FILE) for signed in (AMAZON, GOOGLE, AZURE, FRONT)),
        (f"{FILE}?versionId=7&{AMAZON}planted1", f"{FILE}?versionId=7"),
        (f"{FILE}?{AZURE}planted1&snapshot=2", f"{FILE}?snapshot=2"),
        (f"{FILE}?token=planted1", FILE),
        (f"{FILE}?private_token=planted1&ref=a%2Fb", f"{FILE}?ref=a%2Fb"),
        (f"{FILE}?AWSAccessKeyId=k&Expires=1&Signature=planted1", FILE),
        ("https://ada:planted1@host/x.whl", FILE),
        ("https://planted1@host/x.whl", FILE),
        ("https://host/t/planted1/x.whl", "https://host/t/********/x.whl"),
        # Without a signature these say what is there.
        (f"{FILE}?sp=1&expires=2&part=3", f"{FILE}?sp=1&expires=2&part=3"),
        (f"{FILE}?key=x/y.whl", f"{FILE}?key=x/y.whl"),
        ("https://host/opt/t/x.whl", "https://host/opt/t/x.whl"),
        ("https://host/api/t/tk-planted1/x.whl", "https://host/api/t/********/x.whl"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("file:///srv/x", "file:///srv/x"),
    ],
)
def test_removes_secrets_from_urls(address: str, left: str) -> None:
    assert without_secrets(address) == left
    assert without_secrets(left) == left


def test_urls_differing_in_signature_are_equal() -> None:
    told = {"url": f"{FILE}?part=1&{AZURE}one", "archive_info": {}}
    assert same_source(f"{FILE}?part=1&{AZURE.replace('2027', '2028')}two", told)
    assert same_source(f"{FILE}?part=1&{AMAZON}two", {"url": f"{FILE}?part=1"})
    assert not same_source(f"{FILE}?part=2&{AZURE}two", told)


def test_noted_urls_are_rewritten_in_their_line(tmp_path: Path) -> None:
    info = tmp_path / "x-1.0.dist-info"
    info.mkdir()
    noted = info / "direct_url.json"
    noted.write_text(json.dumps({"url": f"{FILE}?{AZURE}planted1", "archive_info": {"hash": "h"}}))
    noted.chmod(0o640)
    (info / "RECORD").write_bytes(
        b"x.py,,\r\nx-1.0.dist-info/direct_url.json,sha256=a,9\r\ny.py,,\r\n"
    )
    forget_secrets(str(tmp_path))
    assert json.loads(noted.read_text()) == {"url": FILE, "archive_info": {"hash": "h"}}
    assert noted.stat().st_mode & 0o777 == 0o640
    lines = (info / "RECORD").read_bytes().split(b"\r\n")
    assert (lines[0], lines[2], lines[3]) == (b"x.py,,", b"y.py,,", b"")
    assert lines[1].endswith(b",%d" % noted.stat().st_size)
    before = noted.stat().st_mtime_ns
    forget_secrets(str(tmp_path))
    assert noted.stat().st_mtime_ns == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 1}', '{"url": "https://[x"}'])
def test_unparsable_notes_stay(text: str, tmp_path: Path) -> None:
    info = tmp_path / "x-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(text)
    forget_secrets(str(tmp_path))
    assert (info / "direct_url.json").read_text() == text
