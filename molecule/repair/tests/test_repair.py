"""A host that was broken in every way that side_effect.yml knows is as it was before."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

testinfra_hosts = ["docker://repair-debian12", "docker://repair-debian13"]

PREFIX = "/opt/miniconda3"


def lines(host: Any, path: str) -> dict[str, str]:
    """What side_effect.yml wrote down before it broke anything: the last word of a line, and the rest."""
    found = {}
    for line in host.file(path).content_string.splitlines():
        first, _space, rest = line.partition(" ")
        name, value = (rest.strip(), first) if path.endswith(".files") else (first, rest)
        found[name] = value
    return found


def versions(ada: Any, environment: str) -> dict[str, str]:
    """What the real conda lists."""
    listed = json.loads(ada.types(f"conda list -n {environment} --json"))
    return {item["name"]: item["version"] for item in listed}


def test_every_file_is_what_it_was(host: Any) -> None:
    whole = lines(host, "/var/tmp/whole.files")
    assert len(whole) > 3000
    check = host.run(f"cd {PREFIX} && sha256sum --check --quiet /var/tmp/whole.files")
    # Lists of what was done when, which grow in use.
    grown = (".lab-conda-starts", "urls", "urls.txt")
    wrong = [line for line in check.stdout.splitlines() if not line.split(":")[0].endswith(grown)]
    assert wrong == []


def test_every_file_belongs_to_whom_it_belonged(host: Any) -> None:
    whole = lines(host, "/var/tmp/whole.owners")
    told = host.check_output(
        f"cd {PREFIX} && find . /etc/profile.d ! -path './pkgs/*' -printf '%p %u %g %m\\n'"
    )
    now = dict(line.split(" ", 1) for line in told.splitlines())
    assert {name: now.get(name) for name in whole if now.get(name) != whole[name]} == {}
    assert host.run(f"find {PREFIX} /etc/profile.d ! -user root").stdout.strip() == ""


def test_conda_finds_nothing_missing_and_nothing_altered(host: Any) -> None:
    """conda's own health check compares every file with the digest in its record."""
    for environment in ("base", "llm", "tools", "killed", "taken"):
        said = host.run(f"{PREFIX}/bin/conda doctor --verbose --name {environment}")
        assert said.rc == 0, said.stdout + said.stderr
        assert "There are no packages with missing files." in said.stdout
        assert "There are no packages with altered files." in said.stdout


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ("tools", {"lab-upgrade": "1.1", "six": "1.17.0"}),
        ("killed", {"lab-rebuilt": "1.0"}),
        ("taken", {"lab-upgrade": "1.0"}),
    ],
)
def test_each_environment_holds_what_it_held(
    ada: Any, environment: str, wanted: dict[str, str]
) -> None:
    listed = versions(ada, environment)
    assert {name: listed.get(name) for name in wanted} == wanted


def test_who_logs_in_can_work_again(ada: Any) -> None:
    assert ada.types("conda --version") == "conda 24.7.1"
    assert ada.python("import numpy; print(int(numpy.arange(4).sum()))") == "6"
    assert ada.python("import rich.console, psutil; print(psutil.cpu_count() > 0)") == "True"
    assert ada.types("conda activate taken && echo $OMP_NUM_THREADS") == "8"
    assert "No broken requirements found" in ada.types("conda activate llm && python -m pip check")


def test_conda_reads_the_configuration_of_the_inventory(host: Any, ada: Any) -> None:
    shown = json.loads(ada.types("conda config --show --json"))
    assert shown["channels"] == ["lab"]
    info = json.loads(ada.types("conda info --json"))
    assert all(url.startswith("http://1") and "/conda/lab/" in url for url in info["channels"])
    assert info["channels"] != []
    assert shown["solver"] == "classic"
    assert host.file(f"{PREFIX}/.condarc").mode == 0o644


def test_a_repair_pins_nothing(ada: Any) -> None:
    """conda would keep to the exact versions for ever, were they in the history as somebody's wish."""
    said = json.loads(ada.types("conda env export --from-history --name llm --json"))
    assert [text for text in said["dependencies"] if str(text).count("=") > 1] == []


def test_an_ordinary_user_cannot_change_the_installation(host: Any) -> None:
    for place in ("conda-meta", "envs/taken", "lib/python3.11/site-packages/conda"):
        tried = host.run(f"su - ada -c {shlex.quote(f'touch {PREFIX}/{place}/ada')}")
        assert tried.rc != 0, place


def test_nothing_of_the_damage_or_of_its_repair_is_left(host: Any) -> None:
    # .llmfleet-verified is the note of the last pass.
    found = host.run(
        f"find {PREFIX} /opt -name '*llmfleet-journal*' -o -name '*.unreadable'"
        " -o -name '.llmfleet-*' ! -name .llmfleet-verified"
    )
    assert (found.rc, found.stdout.strip()) == (0, "")
