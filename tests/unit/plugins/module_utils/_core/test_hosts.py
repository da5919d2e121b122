"""Hosts in error messages of conda, pip and uv."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.hosts import hosts_in


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("HTTP 404 for url <https://mirrors.example.org/anaconda/x>", " (mirrors.example.org)"),
        ("HTTPSConnectionPool(host='mirrors.example.org', port=443): x", " (mirrors.example.org)"),
        ("from https://ada:hush@h.example.org:8443/t/TOKEN/lab", " (h.example.org)"),
        ("http://[::1]:80/lab and http://127.0.0.1:1/lab", " ([::1], 127.0.0.1)"),
        ("https://a.b/x https://A.B/y, see https://c.d.", " (a.b, c.d)"),
        ("https://a https://b https://c https://d", " (a, b, c)"),
        ("no space left on file:///opt/x", ""),
        ("", ""),
    ],
)
def test_hosts(text: str, hosts: str) -> None:
    assert hosts_in(text) == hosts
