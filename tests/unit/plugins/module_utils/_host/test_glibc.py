"""The version of the host's C library."""

from __future__ import annotations

import subprocess

from ansible_collections.llmfleet.conda.plugins.module_utils._host.glibc import host_glibc


def test_host_glibc_equals_getconf() -> None:
    said = subprocess.run(
        ["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=False
    )
    expected = said.stdout.split()[1] if said.returncode == 0 else None
    assert host_glibc() == expected
