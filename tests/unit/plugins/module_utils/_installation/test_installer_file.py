"""Installers that lie on the host are compared with their sum, in check mode too."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installer_file import (
    check_installer_file,
    foresee_installer_file,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
)


@pytest.mark.parametrize("check", [check_installer_file, foresee_installer_file])
def test_file_with_wrong_checksum(check, tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_bytes(b"installer")
    check(Installer("a.sh", str(path), hashlib.sha256(b"installer").hexdigest()), "/opt/conda")
    path.write_bytes(b"tampered")
    with pytest.raises(CondaModuleError, match="has the SHA-256 sum"):
        check(Installer("a.sh", str(path), hashlib.sha256(b"installer").hexdigest()), "/opt/conda")


def test_check_mode_accepts_a_missing_file(tmp_path: Path) -> None:
    installer = Installer("a.sh", str(tmp_path / "a.sh"), "0" * 64)
    foresee_installer_file(installer, "/opt/conda")
    with pytest.raises(CondaModuleError, match=r"cannot be read: .*: No such file or directory"):
        check_installer_file(installer, "/opt/conda")


def test_check_mode_does_not_download() -> None:
    foresee_installer_file(Installer("a.sh", "http://127.0.0.1:1/a.sh", "0" * 64), "/opt/conda")
