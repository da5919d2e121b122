"""Names of requested packages, out of histories as conda writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import (
    is_of_installers,
    requested_names,
    requests_of,
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("==> 2026-01-01 00:00:00 <==\n# cmd: conda create -n x python\n+lab::x-1-0\n", set()),
        ("# update specs: ['python=3.12', 'numpy[version=\">=2,<3\"]']\n", {"python", "numpy"}),
        ("# install specs: conda-forge::six\n", {"six"}),
        ("# install specs: python>=3.5.1,jupyter >=1.0.0,<2.0,six\n", {"python", "jupyter", "six"}),
        ("# update specs: ['a', 'b']\n# remove specs: ['a']\n", {"b"}),
        ("# remove specs: ['a']\n# update specs: ['a']\n", {"a"}),
        ("# update specs: ['a=1']\n# neutered specs: ['a']\n", {"a"}),
        ("# update specs: ['broken\n", set()),
        ("# update specs:\n", set()),
    ],
)
def test_requests_of(text: str, names: set[str]) -> None:
    assert set(requests_of(text)) == names


def test_missing_history_has_no_requests(tmp_path: Path) -> None:
    assert requested_names(str(tmp_path)) == set()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("{prefix}/_conda install --offline --file {prefix}/pkgs/env.txt -yp {prefix}", True),
        ("{prefix}/conda.exe install --offline --file {prefix}/pkgs/env.txt -yp {prefix}", True),
        ("{prefix}/bin/conda install six", False),
        ("{prefix}/condabin/conda install six", False),
        ("{prefix}/lib/python3.11/site-packages/conda/__main__.py update conda", False),
        ("/usr/bin/conda install -p {prefix} six", False),
        ("{prefix}-2/_conda install six", False),
        ("conda install six", False),
        ("", False),
    ],
)
def test_recognises_a_base_used_since_its_installation(
    tmp_path: Path, command: str, expected: bool
) -> None:
    prefix = tmp_path / "base"
    history = prefix / "conda-meta" / "history"
    assert not is_of_installers(str(prefix))
    history.parent.mkdir(parents=True)
    history.touch()
    assert is_of_installers(str(prefix))
    history.write_text("==> 2026-01-01 00:00:00 <==\n# cmd: constructor .\n+lab::x-1-0\n")
    assert is_of_installers(str(prefix))
    with history.open("a") as stream:
        stream.write(f"==> 2026-01-01 00:00:00 <==\n# cmd: {command.format(prefix=prefix)}\n")
    assert is_of_installers(str(prefix)) is expected
    with history.open("a") as stream:
        stream.write("==> 2026-01-01 00:00:00 <==\n")
    assert not is_of_installers(str(prefix))
