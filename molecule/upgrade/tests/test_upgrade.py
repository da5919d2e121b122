"""conda, Python and packages are the newer ones, in the same environments, and work for who logs in."""

from __future__ import annotations

import json
from typing import Any

testinfra_hosts = ["docker://upgrade-debian12", "docker://upgrade-debian13"]

PREFIX = "/opt/miniconda3"


def before(host: Any, name: str) -> dict[str, str]:
    """Versions by package that the real conda listed before the update."""
    listed = json.loads(host.file(f"/srv/before.{name}.json").content_string)
    return {item["name"]: item["version"] for item in listed}


def now(ada: Any, name: str) -> dict[str, dict[str, Any]]:
    """What the real conda lists by package."""
    return {item["name"]: item for item in json.loads(ada.types(f"conda list -n {name} --json"))}


def test_conda_itself_is_the_pinned_version(host: Any, ada: Any) -> None:
    assert host.file("/srv/before.conda").content_string.strip() == "conda 24.5.0"
    assert ada.types("conda --version") == "conda 24.7.1"
    assert json.loads(ada.types("conda info --json"))["conda_version"] == "24.7.1"


def test_conda_would_change_nothing_more(host: Any) -> None:
    said = host.run(f"{PREFIX}/bin/conda install -n base --dry-run --json conda=24.7.1")
    assert json.loads(said.stdout)["message"] == "All requested packages already installed."


def test_python_went_from_3_11_to_3_12_in_the_same_environment(host: Any, ada: Any) -> None:
    assert before(host, "llm")["python"].startswith("3.11.")
    assert now(ada, "llm")["python"]["version"].startswith("3.12.")
    inode = host.run(f"stat -c '%i %W' {PREFIX}/envs/llm").stdout
    assert inode == host.file("/srv/before.inode").content_string
    history = host.file(f"{PREFIX}/envs/llm/conda-meta/history").content_string
    assert history.index("python-3.11.") < history.index("python-3.12.")


def test_a_login_shell_gets_the_new_python(ada: Any) -> None:
    code = "import sys; print(sys.prefix, '%d.%d' % sys.version_info[:2])"
    assert ada.python(code) == f"{PREFIX}/envs/llm 3.12"


def test_what_conda_owns_was_made_for_the_new_python(host: Any, ada: Any) -> None:
    listed = now(ada, "llm")
    assert "py312" in listed["numpy"]["build_string"]
    assert before(host, "llm")["numpy"] != listed["numpy"]["version"]
    assert ada.python("import numpy; print(numpy.__version__)") == listed["numpy"]["version"]
    assert ada.python("import numpy; print(int(numpy.arange(4) @ numpy.arange(4)))") == "14"


def test_an_older_pin_of_the_inventory_is_gone(host: Any, ada: Any) -> None:
    assert before(host, "llm")["tqdm"] == "4.66.5"
    assert now(ada, "llm")["tqdm"]["version"] == "4.70.1"


def test_what_pip_owns_works_with_the_new_python(ada: Any) -> None:
    places = ada.python("import psutil, rich; print(psutil.__file__, rich.__file__)").split()
    site = f"{PREFIX}/envs/llm/lib/python3.12/site-packages/"
    assert [place.startswith(site) for place in places] == [True, True]
    # Compiled code that runs, and a command that a package brought.
    assert int(ada.python("import psutil; print(psutil.virtual_memory().total)")) > 0
    command = ada.types("conda activate llm && command -v markdown-it && markdown-it --version")
    assert command.startswith(f"{PREFIX}/envs/llm/bin/markdown-it")
    listed = now(ada, "llm")
    assert {listed[name]["channel"] for name in ("psutil", "rich", "pygments")} == {"pypi"}
    assert "No broken requirements found" in ada.types("conda activate llm && python -m pip check")


def test_of_the_old_python_only_files_of_pip_are_left_and_nothing_reads_them(
    host: Any, ada: Any
) -> None:
    """conda keeps what it has not linked; the role's README says so."""
    old = f"{PREFIX}/envs/llm/lib/python3.11"
    left = host.run(f"find {old} -mindepth 2 -maxdepth 2 ! -name __pycache__").stdout.split()
    names = {path.rpartition("/")[2] for path in left}
    assert {"psutil", "rich"} <= names
    assert names & {"numpy", "tqdm", "pip", "os.py"} == set()
    assert host.run(f"find {old} -name INSTALLER -exec grep -L pip {{}} +").stdout.strip() == ""
    assert "python3.11" not in ada.python("import sys; print(sys.path)")


def test_an_environment_without_python_got_its_newer_packages(host: Any, ada: Any) -> None:
    assert before(host, "tools")["lab-upgrade"] == "1.0"
    listed = now(ada, "tools")
    assert listed["lab-upgrade"]["version"] == "2.0"
    assert listed["six"]["version"] == "1.17.0"


def test_files_of_the_old_packages_are_gone(host: Any) -> None:
    """What conda has linked and no record names any more would be imported all the same."""
    records = host.run(f"ls {PREFIX}/envs/llm/conda-meta").stdout.split()
    assert len([name for name in records if name.startswith("numpy-")]) == 1
    found = host.run(f"find {PREFIX}/envs/llm -name 'numpy-*.dist-info' -type d").stdout.split()
    assert len(found) == 1


def test_no_lock_or_journal_is_left(host: Any) -> None:
    left = host.run(f"find {PREFIX} /opt -maxdepth 4 -name '*llmfleet-journal*'")
    assert (left.rc, left.stdout.strip()) == (0, "")
