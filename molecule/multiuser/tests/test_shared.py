"""One installation for a group: what its members can do, and what they cannot do to each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

testinfra_hosts = ["docker://multiuser-debian12"]

PREFIX = "/opt/miniconda3"


@pytest.fixture(params=["ada", "ben"])
def member(request: pytest.FixtureRequest, person: Callable[[str], Any]) -> Any:
    """Each member of the group."""
    return person(request.param)


def environments(person: Any) -> set[str]:
    """Paths of the environments that the real conda lists to a person."""
    return set(json.loads(person.types("conda env list --json"))["envs"])


def test_each_member_activates_the_shared_environment_by_name(member: Any) -> None:
    said = member.python("import six, sys; print(sys.prefix, six.__version__)", "shared")
    assert said == f"{PREFIX}/envs/shared 1.16.0"
    assert f"{PREFIX}/envs/shared" in environments(member)


def test_no_member_changes_the_shared_environment_or_the_base(member: Any) -> None:
    before = member.types("conda list -n shared --json")
    for environment in ("shared", "base"):
        assert "NotWritable" in member.is_refused(
            f"conda install -y -q -n {environment} six=1.15.0"
        )
    assert member.types("conda list -n shared --json") == before


def test_each_member_makes_an_environment_from_the_shared_cache(host: Any, member: Any) -> None:
    name = f"of-{member.name}"
    # Without the network: what it needs is what the shared environment left in the cache.
    member.types(f"conda create -y -q --offline -n {name} python=3.11 six=1.16.0")
    said = member.python("import six, sys; print(sys.prefix, six.__version__)", name)
    assert said == f"{PREFIX}/envs/{name} 1.16.0"
    made = host.file(f"{PREFIX}/envs/{name}")
    assert (made.user, made.group) == (member.name, "research")
    # conda did not fall back to the home directory.
    assert member.types("find ~/.conda -mindepth 2 -name conda-meta -o -path '*/pkgs/*'") == ""


def test_what_one_member_fetched_serves_the_other(host: Any, ada: Any, ben: Any) -> None:
    package = f"{PREFIX}/pkgs/lab-upgrade-1.0-*"
    assert host.run(f"ls -d {package}").rc != 0
    # conda must open the repodata that root fetched before.
    ben.types("conda create -y -q -n fetched-by-ben lab-upgrade=1.0")
    (fetched, *_) = host.check_output(f"ls -d {package}").split()
    assert (host.file(fetched).user, host.file(fetched).group) == ("ben", "research")
    ada.types("conda create -y -q --offline -n from-bens lab-upgrade=1.0")
    (listed,) = json.loads(ada.types("conda list -n from-bens --json"))
    assert (listed["name"], listed["version"]) == ("lab-upgrade", "1.0")


def test_no_member_changes_anothers_environment(host: Any, ada: Any, ben: Any) -> None:
    ada.types("conda create -y -q -n mine lab-upgrade=1.0")
    listing = f"find {PREFIX}/envs/mine -printf '%p %u %m %s %T@\\n' | sort"
    before = host.check_output(listing)
    assert "NotWritable" in ben.is_refused("conda install -y -q -n mine lab-upgrade=2.0")
    assert "Permission denied" in ben.is_refused(f"touch {PREFIX}/envs/mine/by-ben")
    assert "Permission denied" in ben.is_refused(f"rm -rf {PREFIX}/envs/mine/conda-meta")
    assert host.check_output(listing) == before
