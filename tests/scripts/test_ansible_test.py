"""What a run of ansible-test is given: the collection's files, and a home whose pip works."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from scripts.testing import ansible_test


def test_pip_configuration_is_what_pip_listed() -> None:
    listed = (
        ":env:.timeout='60'\n"
        "global.timeout='15'\n"
        "global.find-links='/a\\n/b'\n"
        "install.no-binary='one'\n"
    )
    text = ansible_test.pip_configuration(listed)
    parsed = configparser.RawConfigParser()
    parsed.read_string(text)
    assert parsed["global"]["timeout"] == "60"
    assert parsed["global"]["find-links"].split() == ["/a", "/b"]
    assert parsed["install"]["no-binary"] == "one"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("", {"global": ["{own}"]}),
        ("global.constraint='/etc/c.txt'\n", {"global": ["/etc/c.txt", "{own}"]}),
        (":env:.constraint='/a /b'\n", {"global": ["/a", "/b", "{own}"]}),
        # The section of a command hides what is in [global].
        (
            "global.constraint='/a'\ninstall.constraint='/b'\n",
            {"global": ["/a", "{own}"], "install": ["/b", "{own}"]},
        ),
        ("install.no-binary='one'\n", {"global": ["{own}"]}),
    ],
)
def test_constraints_are_added_to_those_of_the_user(
    listed: str, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    own = tmp_path / "with a blank" / "units.txt"
    parsed = configparser.RawConfigParser()
    parsed.read_string(ansible_test.pip_configuration(listed, own))
    found = {
        section: parsed[section]["constraint"].split()
        for section in parsed.sections()
        if "constraint" in parsed[section]
    }
    filled = {
        section: [each.format(own=own.as_uri()) for each in files]
        for section, files in expected.items()
    }
    assert found == filled


def test_pip_obeys_the_constraints_of_the_home(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "tool", version)
    folder = tmp_path / "with a blank"
    folder.mkdir()
    (folder / "own.txt").write_text("tool==1.0\n")
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("tool>=1\n")
    home = tmp_path / "home"
    ansible_test.prepare_home(home, folder / "own.txt")
    answer = subprocess.run(
        [
            *(ansible_test.PYTHON, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet"),
            *(
                "--ignore-installed",
                "--report",
                "-",
                "--find-links",
                wheels,
                "--requirement",
                wanted,
            ),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        check=True,
        capture_output=True,
        text=True,
    )
    (found,) = json.loads(answer.stdout)["install"]
    assert found["metadata"]["version"] == "1.0"


def test_copy_holds_the_artifact_and_forgets_files_that_are_gone(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "copy"
    for name in ("plugins/a.py", "tests/config.yml", "tests/unit/b.py", "lab/c.py", "new.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")
    (root / "galaxy.yml").write_text("build_ignore: [lab, tests]\n")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    kept = {"galaxy.yml", "new.md", "plugins/a.py", "tests/config.yml"}
    assert set(ansible_test.copy_collection(root, target)) == kept
    (root / "new.md").unlink()
    ansible_test.copy_collection(root, target)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=target, check=True, capture_output=True, text=True
    ).stdout
    assert set(listed.split()) == kept - {"new.md"}


def test_ansible_test_brings_the_requirements_that_it_installs() -> None:
    assert "pytest-xdist" in ansible_test.data("units.txt").read_text()
    with pytest.raises(FileNotFoundError, match=r"has no .*/absent\.txt"):
        ansible_test.data("absent.txt")


def test_ansible_test_says_which_pip_it_wants() -> None:
    assert ansible_test._pip_versions()


def test_the_home_of_sanity_outlives_a_run_and_not_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    with ansible_test.sanity_home() as home:
        (home / "environment").touch()
        assert (home / ".config" / "pip" / "pip.conf").exists()
    with ansible_test.sanity_home() as home:
        assert (home / "environment").exists()
    with pytest.raises(KeyboardInterrupt), ansible_test.sanity_home():
        raise KeyboardInterrupt
    with ansible_test.sanity_home() as home:
        assert not (home / "environment").exists()
