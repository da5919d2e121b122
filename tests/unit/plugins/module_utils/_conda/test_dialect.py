"""What conda and libmamba (micromamba, mamba 2) are told for the same change."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.dialect import (
    CondaDialect,
    LibmambaDialect,
    dialect_of,
)

COMMON = ["--prefix", "/opt/env", "--yes", "--quiet", "--json"]
CHANNELS = ["--override-channels", "--channel", "lab", "--offline"]
INSTALLED = {"numpy", "six"}


@pytest.mark.parametrize(
    ("command", "specs", "options", "conda", "libmamba"),
    [
        (
            "create",
            ["python=3.12", "numpy>=1,<2"],
            CHANNELS,
            [["create", *COMMON, *CHANNELS, "python=3.12", "numpy>=1,<2"]],
            None,
        ),
        (
            "install",
            ["numpy"],
            [*CHANNELS, "--dry-run"],
            [["install", *COMMON, *CHANNELS, "--dry-run", "numpy"]],
            None,
        ),
        (
            "install",
            ["numpy=2=py_0"],
            ["--force-reinstall"],
            [["install", *COMMON, "--force-reinstall", "numpy=2=py_0"]],
            None,
        ),
        ("remove", ["six"], ["--force"], [["remove", *COMMON, "--force", "six"]], None),
        ("remove", ["six"], [], [["remove", *COMMON, "six"]], None),
        (
            "install",
            ["numpy>=1", "lab::six", "tqdm", "pip[version='>=3']"],
            ["--offline", "--update-specs"],
            [
                [
                    "install",
                    *COMMON,
                    "--offline",
                    "--update-specs",
                    "numpy>=1",
                    "lab::six",
                    "tqdm",
                    "pip[version='>=3']",
                ]
            ],
            [
                ["install", *COMMON, "--offline", "tqdm", "pip[version='>=3']"],
                ["update", *COMMON, "--offline", "numpy>=1", "lab::six"],
            ],
        ),
        (
            "install",
            ["numpy"],
            ["--update-specs"],
            [["install", *COMMON, "--update-specs", "numpy"]],
            [["update", *COMMON, "numpy"]],
        ),
        (
            "install",
            ["tqdm"],
            ["--update-specs"],
            [["install", *COMMON, "--update-specs", "tqdm"]],
            [["install", *COMMON, "tqdm"]],
        ),
    ],
)
def test_command_lines(
    command: str,
    specs: list[str],
    options: list[str],
    conda: list[list[str]],
    libmamba: list[list[str]] | None,
) -> None:
    asked = (command, "/opt/env", specs, options, INSTALLED)
    assert CondaDialect().commands(*asked) == conda
    assert LibmambaDialect().commands(*asked) == (libmamba or conda)


def test_micromamba_shares_the_root_prefix_of_the_installation() -> None:
    assert LibmambaDialect().environment("/opt/conda") == {"MAMBA_ROOT_PREFIX": "/opt/conda"}
    assert CondaDialect().environment("/opt/conda") == {}


def test_micromambas_cache_is_included(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert LibmambaDialect().caches() == ["/home/somebody/.mamba/pkgs"]
    assert CondaDialect().caches() == []


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("conda", b"#!/opt/conda/bin/python\n", CondaDialect),
        ("conda.exe", b"\x7fELF", CondaDialect),
        ("micromamba", b"\x7fELF", LibmambaDialect),
        ("micromamba-2.8.1", b"#!/bin/sh\n", LibmambaDialect),
        ("mamba", b"#!/opt/conda/bin/python\n", CondaDialect),
        ("mamba", b"\x7fELF", LibmambaDialect),
        ("mamba", b"\xcf\xfa\xed\xfe", LibmambaDialect),
    ],
)
def test_dialect_by_program(
    name: str, content: bytes, dialect: type[CondaDialect], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert type(dialect_of(str(path))) is dialect


def test_dialect_of_own_conda_and_missing_programs() -> None:
    assert type(dialect_of(None)) is CondaDialect
    assert type(dialect_of("/nonexistent/mamba")) is CondaDialect
    assert type(dialect_of("/nonexistent/micromamba")) is LibmambaDialect
