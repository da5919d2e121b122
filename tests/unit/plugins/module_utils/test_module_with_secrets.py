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

from ansible_collections.llmfleet.conda.plugins.module_utils._module_with_secrets import (
    ModuleWithSecrets,
)


def test_secrets_do_not_reach_the_log_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(basic, "has_journal", False)
    monkeypatch.setattr(syslog, "syslog", lambda *words: said.append(str(words[-1])))
    options: dict[str, Any] = {
        "channels": ["https://host/t/tk-in-a-path/lab", "https://ada:pw%40-quoted@host/lab"],
        "variables": {"HF_TOKEN": "hf_in-a-variable", "CACHE": "/srv/cache"},
    }
    with patch_module_args(options):
        ModuleWithSecrets(
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
