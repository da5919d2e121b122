# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says to the host's log about its options."""

from __future__ import annotations

import syslog
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import CondaModule

SECRET = "hf_0123456789"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a module says to the host's log."""
    lines: list[str] = []
    monkeypatch.setattr(basic, "has_journal", False)
    monkeypatch.setattr(syslog, "syslog", lambda *words: lines.append(str(words[-1])))
    return lines


STEPS = [{"module": "llmfleet.conda.conda_env", "options": {"variables": {"HF_TOKEN": SECRET}}}]


@pytest.mark.parametrize(
    "options",
    [
        {"steps": STEPS},
        {"steps": [{"module": "x", "options": {"variables": f"HF_TOKEN={SECRET}"}}]},
        {"variables": {"HF_TOKEN": [SECRET]}},
        {"variables": {"PGPASSWORD": SECRET}},
        {"variables": f"HF_TOKEN={SECRET}"},
        {"variables": f'{{"HF_TOKEN": "{SECRET}"}}'},
        {"environment": f"dependencies: [python]\nvariables:\n  HF_TOKEN: {SECRET}\n"},
        {"environment": f"variables: {{A: '1', HF_TOKEN: '{SECRET}'}}"},
        {"environment": {"variables": {"HF_TOKEN": SECRET}}},
        {"settings": {"anaconda_token": SECRET}},
        # Refused before ansible-core knows which options are secret.
        {"variables": [f"HF_TOKEN={SECRET}"]},
        {"variables": SECRET},
        {"variables": {"HF_TOKEN": SECRET}, "no_such_option": 1},
    ],
    ids=str,
)
def test_option_secrets_are_registered_before_any_output(
    options: dict[str, Any], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {
        "steps": {
            "type": "list",
            "elements": "dict",
            "options": {"module": {"type": "str"}, "options": {"type": "dict"}},
        },
        "variables": {"type": "dict"},
        "environment": {"type": "raw"},
        "settings": {"type": "dict"},
    }
    # A module that goes on shows its options with its result.
    with patch_module_args(options), pytest.raises(SystemExit):
        CondaModule(argument_spec=spec).exit_json(changed=False)
    printed = capsys.readouterr().out
    assert "module_args" in printed
    assert SECRET not in printed + "".join(said)


def test_environment_secrets_are_registered(
    said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:pw-of-the-proxy@proxy:3128")
    with patch_module_args({"text": f"{SECRET} pw-of-the-proxy"}), pytest.raises(SystemExit):
        CondaModule(argument_spec={"text": {"type": "str"}}).exit_json(changed=False)
    shown = capsys.readouterr().out + "".join(said)
    assert "text" in shown
    assert SECRET not in shown
    assert "pw-of-the-proxy" not in shown


def test_secrets_do_not_reach_the_log_of_the_host(said: list[str]) -> None:
    options: dict[str, Any] = {
        "channels": ["https://host/t/tk-in-a-path/lab", "https://ada:pw%40-quoted@host/lab"],
        "variables": {"HF_TOKEN": "hf_in-a-variable", "CACHE": "/srv/cache"},
    }
    with patch_module_args(options):
        CondaModule(
            argument_spec={
                "channels": {"type": "list", "elements": "str"},
                "variables": {"type": "dict"},
            }
        )
    (line,) = said
    assert "https://host/t/" in line
    assert "/srv/cache" in line
    for secret in ("tk-in-a-path", "pw%40-quoted", "pw@-quoted", "hf_in-a-variable"):
        assert secret not in line
