"""Environments of each kind, as the real conda, their own Pythons and plain files show them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

testinfra_hosts = ["docker://create-conda-env-debian12", "docker://create-conda-env-debian13"]

PREFIX = "/opt/miniconda3"
TOOLS = "/srv/ada/tools"
TREES = f"/etc /usr /home {PREFIX}/envs/by-hand {PREFIX}/bin {PREFIX}/conda-meta"
WRITTEN_DOWN = f"""for tree in {TREES}; do
    find "$tree" -type f -exec sha256sum {{}} +
    find "$tree" -printf '%p %M %u %g %s %l\\n'
done | sort"""


def where(environment: str) -> str:
    """The prefix of an environment that goes by a name or by its path."""
    return environment if environment.startswith("/") else f"{PREFIX}/envs/{environment}"


def conda(host: Any, *words: str) -> Any:
    """What the real conda prints, as JSON where it was asked for that."""
    said = host.run(shlex.join([f"{PREFIX}/bin/conda", *words]))
    assert said.rc == 0, said.stdout + said.stderr
    return json.loads(said.stdout) if "--json" in words else said.stdout


def listed(host: Any, environment: str) -> dict[str, dict[str, Any]]:
    items = conda(host, "list", "--prefix", where(environment), "--json")
    return {item["name"]: item for item in items}


def versions(host: Any, environment: str) -> dict[str, str]:
    return {name: item["version"] for name, item in listed(host, environment).items()}


@pytest.mark.parametrize(
    ("environment", "version"),
    [("tutorial", "3.8"), ("declared", "3.11"), ("locked", "3.13"), (TOOLS, "3.11")],
)
def test_each_environment_has_the_python_that_was_asked_for(
    ada: Any, environment: str, version: str
) -> None:
    code = "import sys, ssl, sqlite3; print('%d.%d' % sys.version_info[:2], sys.prefix)"
    assert ada.python(code, environment) == f"{version} {where(environment)}"


def test_check_mode_wrote_nothing(changes: Callable[[int, int], dict[str, str]]) -> None:
    # The prediction of a solve is a start of the lab's conda, which counts them.
    assert changes(1, 2) == {f"{PREFIX}/conda-meta/.lab-conda-starts": "changed"}


def test_the_real_conda_knows_all_of_them(host: Any) -> None:
    known = set(conda(host, "env", "list", "--json")["envs"])
    names = ("tutorial", "declared", "locked", "sealed", "tuned", "by-hand", TOOLS)
    assert known == {PREFIX, *map(where, names)}


@pytest.mark.parametrize("environment", ["declared", TOOLS])
def test_an_environment_file_counts_with_its_pip_section(
    host: Any, ada: Any, environment: str
) -> None:
    items = listed(host, environment)
    assert items["six"]["version"] == "1.16.0"
    channels = {name: items[name]["channel"] for name in ("python", "six", "shellingham", "psutil")}
    assert channels == {"python": "lab", "six": "lab", "shellingham": "pypi", "psutil": "pypi"}
    assert items["shellingham"]["version"] == "1.5.4"
    assert int(ada.python("import psutil; print(psutil.cpu_count())", environment)) > 0
    check = f"conda activate {environment} && python -m pip check"
    assert "No broken requirements found" in ada.types(check)


def test_a_name_in_the_file_makes_no_environment_of_that_name(host: Any) -> None:
    assert host.run(f"ls {PREFIX}/envs/nobody-reads-this").rc != 0


def test_variables_of_the_file_and_of_the_inventory_are_set_on_activation(ada: Any) -> None:
    said = ada.types("conda activate tuned && echo $OMP_NUM_THREADS:$GREETING")
    assert said == "8:two words"
    said = ada.types("conda activate declared && echo $TOKENIZERS_PARALLELISM:$OMP_NUM_THREADS")
    assert said == "false:"
    assert ada.types("conda activate tutorial && echo [$OMP_NUM_THREADS]") == "[]"


def test_the_locked_environment_is_the_lock(host: Any) -> None:
    said = conda(host, "list", "--prefix", where("locked"), "--explicit", "--md5").splitlines()
    lines = sorted(line for line in said if "://" in line)
    wanted = {"lab-upgrade-1.1-lab_0", "python-3.13.0-lab_0", "six-1.16.0-pylab_0"}
    assert {line.rpartition("/")[2].partition(".conda#")[0] for line in lines} == wanted
    # The digests are those of the files that the mirror has, as this host fetched them.
    for line in lines:
        package = line.rpartition("/")[2].partition("#")[0]
        fetched = host.run(f"md5sum {PREFIX}/pkgs/{package}").stdout.split()[0]
        assert line.endswith(f"#{fetched}")


def test_the_frozen_environment_has_the_marker_and_its_packages(host: Any) -> None:
    assert host.run(f"test -e {where('sealed')}/conda-meta/frozen").rc == 0
    assert versions(host, "sealed") == {"lab-upgrade": "1.0"}
    frozen = host.run(f"ls {PREFIX}/envs/*/conda-meta/frozen").stdout.split()
    assert frozen == [f"{where('sealed')}/conda-meta/frozen"]


def test_an_environment_without_python_has_only_what_it_asked_for(host: Any) -> None:
    assert versions(host, "tuned") == {"lab-upgrade": "1.1"}


def test_the_unwanted_one_is_gone_with_all_that_was_in_it(host: Any) -> None:
    assert "unwanted" not in host.run(f"ls -A {PREFIX}/envs").stdout.split()
    listed = host.file(f"{host.user('root').home}/.conda/environments.txt").content_string
    assert where("unwanted") not in listed


def test_ada_owns_her_environment_and_can_change_it(host: Any, ada: Any) -> None:
    strangers = host.run(f"find {TOOLS} ! -user ada -links 1 -o ! -group users -links 1")
    assert strangers.stdout.strip() == ""
    directories = host.run(f"find {TOOLS} -type d ! -user ada")
    assert directories.stdout.strip() == ""
    site = f"{TOOLS}/lib/python3.11/site-packages"
    assert host.file(f"{site}/psutil/__init__.py").user == "ada"
    try:
        ada.types(
            f"conda activate {TOOLS} && pip uninstall --quiet --yes six && ! python -c 'import six'"
        )
    finally:
        # As it was, so that a second look at this host sees the same.
        ada.types(f"conda install --quiet --yes --force-reinstall --prefix {TOOLS} six=1.16.0")
    assert ada.python("import six; print(six.__version__)", TOOLS) == "1.16.0"


def test_ada_can_write_no_file_that_other_environments_share(host: Any) -> None:
    writable = host.run(f"find {PREFIX} -user ada").stdout
    assert writable.strip() == ""
    shared = host.run(f"find {TOOLS} -type f -links +1 -user ada").stdout
    assert shared.strip() == ""


def test_nobody_else_owns_anything_of_the_others(host: Any) -> None:
    assert host.run(f"find {PREFIX}/envs ! -user root").stdout.strip() == ""


def test_what_nobody_listed_and_the_rest_of_the_host_are_as_before(host: Any) -> None:
    before = set(host.file("/var/tmp/before").content_string.splitlines())
    now = set(host.check_output(f"bash -c {shlex.quote(WRITTEN_DOWN)}").splitlines())
    assert len([line for line in before if "/envs/by-hand/" in line]) > 10
    changed = {
        line.split()[1] if line.split()[0].isalnum() else line.split()[0] for line in before ^ now
    }
    # pip's and conda's notes in ada's home are hers: her own commands above wrote them, and pip ran as her.
    assert {path for path in changed if not path.startswith("/home/ada")} == set()


def test_no_lock_or_journal_is_left(host: Any) -> None:
    left = host.run(f"find {PREFIX} /srv /opt -maxdepth 4 -name '*llmfleet-journal*'")
    assert (left.rc, left.stdout.strip()) == (0, "")
