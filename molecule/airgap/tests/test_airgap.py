"""Hosts that reach nothing but a mirror: what they got, from where, and how often."""

from __future__ import annotations

import json
import os
import urllib.request
from collections import Counter
from typing import Any

import pytest

from lab.remote_mirror import RemoteMirror
from scripts.testing.limit import taking_part

HOSTS = taking_part(["airgap-debian12", "airgap-debian13"])
testinfra_hosts = [f"docker://{name}" for name in HOSTS]

MIRROR = os.environ["LAB_ISOLATED_MIRROR_URL"]
# The same files, at an address of this machine that these hosts have no route to.
ELSEWHERE = os.environ["LAB_MIRROR_URL"]
INSTALLER = "/installers/" + os.environ["LAB_INSTALLER_FILE"]
# Whatever is fetched from these is a file whose content its name pins: nobody needs it twice.
ARTIFACTS = (".conda", ".whl", ".sh")

ASK = """
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    print(opener.open(sys.argv[1] + "/installers/index.json", timeout=5).status)
except OSError as error:
    print(error)
"""


def answer(host: Any, url: str) -> str:
    """What the host's own Python gets from a server: the status, or why there is none."""
    return str(host.check_output("python3 -c %s %s", ASK, url)).strip()


@pytest.fixture
def requests_of(host: Any) -> list[dict[str, Any]]:
    """What the host asked the mirror for, by the address that it has in the network."""
    address = host.check_output("hostname -I").strip()
    return [entry for entry in RemoteMirror(MIRROR).log() if entry["client"] == address]


def test_the_mirror_is_all_that_the_host_reaches(host: Any) -> None:
    with urllib.request.urlopen(ELSEWHERE + "/installers/index.json", timeout=5) as there:
        assert there.status == 200, "the other address must answer, or this proves nothing"
    assert answer(host, MIRROR) == "200"
    assert "unreachable" in answer(host, ELSEWHERE)


def test_there_is_no_default_route(host: Any) -> None:
    # Destination 00000000 in the kernel's own table is the way to everywhere else.
    rows = host.file("/proc/net/route").content_string.splitlines()[1:]
    assert rows, "the host has no network at all"
    assert not [row for row in rows if row.split()[1] == "00000000"]


def test_conda_and_the_environment_work(ada: Any) -> None:
    assert ada.types("conda --version") == "conda 24.7.1"
    assert ada.python("from dateutil.easter import easter; print(easter(2026))") == "2026-04-05"
    shown = ada.python("import jinja2; print(jinja2.Template('{{ 6 * 7 }}').render())")
    assert shown == "42"


def test_packages_come_from_the_mirror(ada: Any) -> None:
    listed = json.loads(ada.types("conda list -n llm --json"))
    conda = {item["name"]: item["base_url"] for item in listed if item["channel"] != "pypi"}
    assert conda["python-dateutil"] == conda["python"] == MIRROR + "/conda/lab"
    pip = {item["name"] for item in listed if item["channel"] == "pypi"}
    assert {"jinja2", "markupsafe"} <= pip


def test_conda_knows_no_other_channel(ada: Any) -> None:
    shown = json.loads(ada.types("conda config --show channels channel_alias --json"))
    assert shown["channels"] == ["lab"]
    assert shown["channel_alias"]["location"] in MIRROR + "/conda"


def test_each_artifact_was_fetched_once_at_most(requests_of: list[dict[str, Any]]) -> None:
    fetched = Counter(
        entry["path"]
        for entry in requests_of
        if entry["method"] == "GET" and entry["path"].endswith(ARTIFACTS)
    )
    assert {path.rsplit(".", 1)[1] for path in fetched} >= {"conda", "whl"}
    assert [path for path, times in fetched.items() if times > 1] == []


def test_every_request_was_for_something_the_mirror_has(
    requests_of: list[dict[str, Any]],
) -> None:
    known = {"conda", "installers", "wheels", "simple", "models"}
    strange = [entry for entry in requests_of if entry["path"].split("/")[1] not in known]
    assert strange == []
    # conda asks for compressed indexes and notices that a channel may lack; everything else is there.
    failed = {entry["path"] for entry in requests_of if entry["status"] >= 400}
    assert not [path for path in failed if path.endswith(ARTIFACTS)]
    assert all(path.startswith("/conda/lab/") for path in failed)


def test_the_installer_comes_from_where_the_inventory_says(
    host: Any, requests_of: list[dict[str, Any]]
) -> None:
    asked = [entry["path"] for entry in requests_of if entry["path"] == INSTALLER]
    by_hand = host.check_output("hostname") == "airgap-debian13"
    assert len(asked) == (0 if by_hand else 1)
