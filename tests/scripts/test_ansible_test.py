"""What a run of ansible-test is given: the collection's files, and a home whose pip works."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

from scripts import ansible_test


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


def test_ansible_test_says_which_pip_it_wants() -> None:
    assert ansible_test._pip_versions()
