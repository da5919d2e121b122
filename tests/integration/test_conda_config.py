"""Settings in condarc files, judged by the real conda and a real YAML parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.four_steps import Steps

START = """\
# Ours, with a comment.
channels:  # in this order
  - lab
  - conda-forge
ssl_verify: /etc/ssl/site.pem
proxy_servers:
  http: http://proxy.example.org:3128
"""


@pytest.fixture
def condarc(tmp_path: Path) -> Path:
    """A condarc of a user's own."""
    path = tmp_path / ".condarc"
    path.write_text(START)
    return path


@pytest.fixture
def steps(run_module: Any, tmp_path: Path, conda_installation: Path) -> Steps:
    """The four steps with the condarc's directory under watch."""
    return Steps(run_module, (tmp_path,), conda_installation)


def read(path: Path) -> Any:
    """The file as YAML."""
    return yaml.safe_load(path.read_text())


def test_present_makes_the_file(tmp_path: Path, steps: Steps) -> None:
    path = tmp_path / "condarc"
    settings = {"channels": ["lab"], "auto_activate_base": False, "remote_read_timeout_secs": 60.5}
    steps("conda_config", {"path": str(path), "settings": settings})
    assert read(path) == settings


def test_present_replaces_values_and_keeps_the_rest(condarc: Path, steps: Steps) -> None:
    settings = {"channels": ["bioconda"], "channel_priority": "strict"}
    result = steps("conda_config", {"path": str(condarc), "settings": settings})
    assert read(condarc) == {**yaml.safe_load(START), **settings}
    assert condarc.read_text().startswith("# Ours, with a comment.\n")
    assert result["settings"] == read(condarc)


def test_merge_adds(condarc: Path, steps: Steps) -> None:
    settings = {"channels": ["conda-forge", "bioconda"], "proxy_servers": {"https": "http://p:1"}}
    steps("conda_config", {"path": str(condarc), "settings": settings, "merge": True})
    found = read(condarc)
    assert found["channels"] == ["lab", "conda-forge", "bioconda"]
    assert found["proxy_servers"] == {
        "http": "http://proxy.example.org:3128",
        "https": "http://p:1",
    }


def test_a_null_removes_its_key(condarc: Path, steps: Steps) -> None:
    steps("conda_config", {"path": str(condarc), "settings": {"ssl_verify": None}})
    assert set(read(condarc)) == {"channels", "proxy_servers"}


def test_absent(condarc: Path, steps: Steps) -> None:
    settings = {"channels": None, "proxy_servers": {}}
    steps("conda_config", {"path": str(condarc), "settings": settings, "state": "absent"})
    assert read(condarc) == {"ssl_verify": "/etc/ssl/site.pem"}


def test_absent_where_there_is_no_file(tmp_path: Path, run_module: Any) -> None:
    options = {"path": str(tmp_path / "none"), "settings": {"channels": None}, "state": "absent"}
    assert not run_module("conda_config", options)["changed"]
    assert list(tmp_path.iterdir()) == []


def test_permissions(condarc: Path, run_module: Any) -> None:
    condarc.chmod(0o600)
    options = {"path": str(condarc), "settings": {"channels": ["lab"]}, "mode": "0644"}
    predicted = run_module("conda_config", options, check=True)
    assert condarc.stat().st_mode & 0o777 == 0o600
    done = run_module("conda_config", options)
    assert condarc.stat().st_mode & 0o777 == 0o644
    assert (predicted["changed"], predicted["diff"]) == (True, done["diff"])
    assert "# mode: 0600" in done["diff"]["before"]
    assert "# mode: 0644" in done["diff"]["after"]
    for check in (True, False):
        assert not run_module("conda_config", options, check=check)["changed"]


def test_the_real_conda_reads_what_was_written(
    conda_installation: Path, run_module: Any, conda: Any
) -> None:
    options = {"scope": "prefix", "installation": str(conda_installation)}
    settings = {
        "envs_dirs": [str(conda_installation / "envs"), "/srv/envs: a strange #1"],
        "custom_channels": {"site": "https://mirror.example.org/conda"},
        "default_threads": 2,
        "show_channel_urls": True,
    }
    assert run_module("conda_config", {**options, "settings": settings})["changed"]
    try:
        shown = conda("config", "--show")
        for key in ("envs_dirs", "default_threads", "show_channel_urls"):
            found = shown[key][: len(settings["envs_dirs"])] if key == "envs_dirs" else shown[key]
            assert found == settings[key], key
        site = shown["custom_channels"]["site"]
        assert (site["scheme"], site["location"]) == ("https", "mirror.example.org/conda")
    finally:
        run_module("conda_config", {**options, "settings": settings, "state": "absent"})
    assert conda("config", "--show")["default_threads"] is None


def test_credentials_are_written_and_never_shown(tmp_path: Path, run_module: Any) -> None:
    path = tmp_path / "condarc"
    url = "https://user:hunter2@mirror.example.org/t/tk-abcdef-123/conda"
    for check in (True, False, False):
        options = {"path": str(path), "settings": {"channels": [url], "channel_alias": url}}
        result = run_module("conda_config", options, check=check)
        assert "hunter2" not in str(result)
        assert "tk-abcdef-123" not in str(result)
    assert read(path)["channel_alias"] == url
