# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing credentials from lines with git URLs, and passing them to the real git by variables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.git import (
    Credentials,
    git_environment,
    without_credentials,
)

X = Credentials("https://host/x.git", "ada", "p@ss word")


@pytest.mark.parametrize(
    ("line", "left", "found"),
    [
        ("x @ git+https://ada:p%40ss%20word@host/x.git", "x @ git+https://host/x.git", [X]),
        ("x@git+https://ada:p%40ss%20word@host/x.git@v1", "x@git+https://host/x.git@v1", [X]),
        (
            "x @ git+https://tok@host:8443/x.git#subdirectory=y ; python_version > '3'",
            "x @ git+https://host:8443/x.git#subdirectory=y ; python_version > '3'",
            [Credentials("https://host:8443/x.git", "tok", "")],
        ),
        (
            "x @ git+http://${USER_X}:${WORD}@host/x.git",
            "x @ git+http://host/x.git",
            [Credentials("http://host/x.git", "ada", "w")],
        ),
        *(
            (line, line, [])
            for line in (
                "x @ git+https://${UNSET}@host/x.git",
                "x @ git+https://host/x.git@v1",
                "x @ git+https://git@host/x.git",
                "x @ git+ssh://git@host/x.git",
                "x @ https://ada:word@host/x.whl",
                "x>=1",
            )
        ),
    ],
)
def test_lines(line: str, left: str, found: list[Credentials]) -> None:
    variables = {"USER_X": "ada", "WORD": "w"}
    assert without_credentials([line], variables) == ([left], found)


def asked(environment: dict[str, str], *command: str) -> str:
    present = {"PATH": os.environ["PATH"], "HOME": os.devnull}
    done = subprocess.run(
        command, env={**present, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_git_sends_a_header_to_this_repository_alone(tmp_path: Path) -> None:
    before = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.x", "GIT_CONFIG_VALUE_0": "kept"}
    variables = {**before, **git_environment([X], before, str(tmp_path))}
    config = ("git", "config", "--get-urlmatch", "http.extraHeader")
    header = "Authorization: Basic YWRhOnBAc3Mgd29yZA==\n"
    assert asked(variables, *config, "https://host/x.git/info/refs") == header
    assert asked(variables, *config, "https://host/y.git") == ""
    assert asked(variables, "git", "config", "core.x") == "kept\n"
    older = {name: value for name, value in variables.items() if name != "GIT_CONFIG_COUNT"}
    assert asked(older, *config, "https://host/x.git") == header


def test_the_script_answers_for_its_server(tmp_path: Path) -> None:
    variables = git_environment([X], {}, str(tmp_path))
    script = variables["GIT_ASKPASS"]
    assert os.stat(script).st_mode & 0o777 == 0o700
    assert asked({}, script, "Username for 'https://host': ") == "ada\n"
    assert asked({}, script, "Password for 'https://ada@host': ") == "p@ss word\n"
    assert asked({}, script, "Password for 'https://ada@other': ") == ""


def test_without_credentials_git_is_left_alone(tmp_path: Path) -> None:
    assert git_environment([], {}, str(tmp_path)) == {}
