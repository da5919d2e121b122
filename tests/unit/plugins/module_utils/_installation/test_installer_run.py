"""How an installer is started; a stand-in of a few lines takes its place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installer_run import (
    InstallerRun,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    Installer,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    ObservedInstallation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix

INSTALLER = """\
mkdir -p "$3/bin" "$3/conda-meta"
printf '#!/bin/sh\\necho conda 25.1.0\\n' > "$3/bin/python"
chmod +x "$3/bin/python"
echo "$TMPDIR" > "$3/temporary"
pwd > "$3/working"
echo "${CI-unset}" > "$3/ci"
"""


def test_installs_on_a_noexec_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/tmp may be mounted noexec: a file that nobody may execute stands for it."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setenv("CI", "true")
    script = tmp_path / "Site.sh"
    script.write_text(INSTALLER)
    script.chmod(0o400)
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    prefix = tmp_path / "opt" / "conda"
    prefix.parent.mkdir()
    installer = Installer("Site.sh", str(script), digest)
    observed = ObservedInstallation(observe_prefix(str(prefix)))
    InstallerRun(str(prefix), installer, "installer_path", 60).run("install", observed)
    workspace = str(tmp_path / "opt" / ".conda.llmfleet-work")
    assert (prefix / "temporary").read_text().strip() == workspace
    assert (prefix / "working").read_text().strip() == workspace
    # conda would accept terms of service by itself.
    assert (prefix / "ci").read_text().strip() == "unset"
    assert [path.name for path in prefix.parent.iterdir()] == ["conda"]
