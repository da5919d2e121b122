# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every user of a host may read of conda's command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.hidden_arguments import hidden

TOKEN = "https://host/t/abc-123/lab"
PASSWORD = "https://ada:pw-456@host/lab"


def test_arguments_without_secrets_are_unchanged() -> None:
    arguments = ["create", "--channel", "https://host/lab", "numpy=1.26"]
    with hidden(arguments) as (shown, variables):
        assert (shown, variables) == (arguments, {})


def test_hidden_channels_have_names_and_specs_a_file() -> None:
    arguments = ["create", "--channel", TOKEN, "--channel", "lab", "--channel", PASSWORD]
    with hidden([*arguments, f"{TOKEN}::numpy", "six"]) as (shown, variables):
        assert "abc-123" not in " ".join(shown)
        assert "pw-456" not in " ".join(shown)
        assert shown[2:6:3] == ["channel-with-secret-1", "--channel"]
        condarc = Path(variables["CONDARC"])
        assert json.loads(condarc.read_text()) == {
            "custom_multichannels": {
                "channel-with-secret-1": [TOKEN],
                "channel-with-secret-2": [PASSWORD],
            }
        }
        assert stat.S_IMODE(condarc.parent.stat().st_mode) == 0o700
        assert shown[-3:-1] == ["six", "--file"]
        assert Path(shown[-1]).read_text() == f"{TOKEN}::numpy\n"
    assert not condarc.parent.exists()


def test_token_below_conda_keeps_its_place() -> None:
    below, base = "https://host/conda/t/abc-123/lab/", "https://host/conda/t/abc-123"
    with hidden(["create", "--channel", below, "six"]) as (shown, variables):
        assert shown == ["create", "--channel", "lab", "six"]
        assert json.loads(Path(variables["CONDARC"]).read_text()) == {
            "custom_channels": {"lab": base}
        }
    for other in (["--channel", "lab"], ["--channel", "lab/label/rc"], ["lab::six"]):
        with hidden(["create", "--channel", below, *other]) as (shown, variables):
            # The name means something else here.
            assert shown[2] == "channel-with-secret-1"
            settings = json.loads(Path(variables["CONDARC"]).read_text())
            assert settings == {"custom_multichannels": {"channel-with-secret-1": [below]}}
