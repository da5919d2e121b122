# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets that conda's own configuration holds, and what is taken for none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import secrets_among

SECRET = "planted-0123456789"


def known(options: dict[str, Any]) -> set[str]:
    """What a module with these options knows before it says anything."""
    module = CondaModule.__new__(CondaModule)
    module.params = options
    return module.secrets()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAB_WORD", SECRET)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (".condarc", f"channels: ['https://ada:{SECRET}@host/lab']"),
        (".condarc", "channels:\n  - https://ada:${LAB_WORD}@host/lab"),
        (".condarc", "channel_alias: https://host/t/$LAB_WORD/"),
        (".conda/condarc.d/own.yml", f"proxy_servers: {{https: 'http://a:{SECRET}@proxy:1'}}"),
        ("conda/.condarc", f"anaconda_token: {SECRET}"),
        ("conda/.condarc", f"- not: [valid\n http://a:{SECRET}@host"),
        (".config/binstar/https%3A%2F%2Fapi.example.com.token", f"{SECRET}\n"),
    ],
    # Not the texts: pytest puts the name of a test into the environment, which is searched as well.
    ids=[
        "password",
        "variable in braces",
        "token of a variable",
        "proxy",
        "setting",
        "not YAML",
        "anaconda login",
    ],
)
def test_condarc_secrets_are_registered(place: str, text: str, home: Path) -> None:
    options = {"installation": str(home / "conda"), "packages": ["numpy"]}
    assert SECRET not in known(options)
    path = home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert SECRET in known(options)


def test_a_channel_of_the_task_is_expanded_as_conda_does(home: Path) -> None:
    options = {"channels": ["https://ada:${LAB_WORD}@host/lab"]}
    assert SECRET in known(options)


def test_short_condarc_secret_is_not_masked_in_results(home: Path) -> None:
    (home / ".condarc").write_text("channels: ['https://conda:conda@host/lab']")
    assert "conda" not in known({"name": "llm"})


@pytest.mark.parametrize(
    "value",
    [
        {"packages": ["auth=1.0.0", "key=1.0.0=py_0", "pytest-auth==1.0.0", "token>=2024.1"]},
        {"settings": {"add_anaconda_token": True, "client_ssl_cert_key": "/etc/ssl/own.pem"}},
        {"variables": {"TOKENIZERS_PARALLELISM": "disabled", "HF_TOKEN": None}},
        "python=3.12.9=lab_0",
    ],
)
def test_values_that_are_not_secret(value: Any) -> None:
    assert secrets_among(value) == set()
