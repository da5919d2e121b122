"""Plans for pip, from metadata alone."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.closure import closure_of
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.consistency import (
    inconsistencies,
    new_inconsistencies,
    was_so_before,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.direct_url import (
    same_source,
    source_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import (
    Plan,
    pins_of,
    plan_changes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import (
    Distribution,
    Packages,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)

LINUX = environment_of("3.11.7", "linux-64")
PREFIX = "/opt/conda/envs/llm"
SITE = f"{PREFIX}/lib/python3.11/site-packages"


def dist(name: str, version: str = "1.0", *requires: str, **facts: Any) -> Distribution:
    path = f"{SITE}/{name.replace('-', '_')}-{version}.dist-info"
    return Distribution(name=name, version=version, path=path, requires=requires, **facts)


def installed(*found: Distribution, **facts: Any) -> Packages:
    return Packages({one.name: one for one in found}, **facts)


def desired(*lines: str, constraints: tuple[str, ...] = (), **more: Any) -> Desired:
    return Desired(
        tuple(parse_lines(lines, "requirements")),
        tuple(parse_lines(constraints, "constraints")),
        **more,
    )


def plan(want: Desired, packages: Packages, damage: Any = None) -> Plan:
    return plan_changes(want, packages, LINUX, damage or {}, PREFIX)


def reasons(want: Desired, packages: Packages) -> list[str]:
    return [item.reason for item in closure_of(want, packages, LINUX).shortfalls]


NUMPY = dist("numpy", "1.26.4", owner="conda")

SATISFIED = {
    "any version": (desired("app"), installed(dist("app"))),
    "in range": (desired("App>=1,<2"), installed(dist("app"))),
    "pre-release": (desired("app>=1"), installed(dist("app", "2.0rc1"))),
    "local version": (desired("torch==2.6.0"), installed(dist("torch", "2.6.0+cpu"))),
    "marker is false": (desired("app; python_version < '3'"), installed()),
    "dependency": (desired("app"), installed(dist("app", "1.0", "lib>=1"), dist("lib"))),
    "dependency not needed here": (
        desired("app"),
        installed(dist("app", "1.0", "lib; sys_platform == 'win32'", "doc; extra == 'doc'")),
    ),
    "extra": (
        desired("app[Cli_x]"),
        installed(
            dist("app", "1.0", "lib; extra == 'cli-x'", extras=frozenset({"cli-x"})), dist("lib")
        ),
    ),
    "circle": (desired("a"), installed(dist("a", "1", "b"), dist("b", "1", "a"))),
    "owned by conda": (desired("numpy>=1.20"), installed(NUMPY)),
    "what conda's package lacks": (
        desired("torch"),
        installed(dist("torch", "2.5", "triton==3.1", owner="conda")),
    ),
    "constraint on what is not needed": (
        desired("app", constraints=("other<1",)),
        installed(dist("app"), dist("other", "2")),
    ),
    "constraint that does not apply": (
        desired("app", constraints=("app<1; python_version < '3'",)),
        installed(dist("app")),
    ),
    "line of metadata that is no requirement": (
        desired("app"),
        installed(dist("app", "1.0", "lib (>dev)")),
    ),
    "nothing asked": (desired(), installed()),
}


@pytest.mark.parametrize("case", SATISFIED)
def test_satisfied_means_an_empty_plan(case: str) -> None:
    want, packages = SATISFIED[case]
    assert reasons(want, packages) == []
    assert not plan(want, packages)


SHORTFALLS = {
    "missing": (desired("app"), installed(), "app is not installed"),
    "wrong version": (
        desired("app>=2"),
        installed(dist("app")),
        "app 1.0 does not satisfy app>=2",
    ),
    "missing dependency": (
        desired("app"),
        installed(dist("app", "1.0", "lib>=1")),
        "lib is not installed (required by app 1.0)",
    ),
    "dependency of a dependency": (
        desired("app"),
        installed(dist("app", "1.0", "mid"), dist("mid", "3", "lib<1"), dist("lib")),
        "lib 1.0 does not satisfy lib<1 (required by mid 3)",
    ),
    "extra of a line": (
        desired("app[cli]"),
        installed(dist("app", "1.0", "lib; extra == 'cli'", extras=frozenset({"cli"}))),
        "lib is not installed (required by app 1.0)",
    ),
    "extra of a dependency": (
        desired("app"),
        installed(
            dist("app", "1.0", "mid[cli]"),
            dist("mid", "1.0", "lib; extra == 'cli'", extras=frozenset({"cli"})),
        ),
        "lib is not installed (required by mid 1.0)",
    ),
    "extra asked for later": (
        desired("app", "app[cli]"),
        installed(dist("app", "1.0", "lib; extra == 'cli'", extras=frozenset({"cli"}))),
        "lib is not installed (required by app 1.0)",
    ),
    "extra of conda's package": (
        desired("app[cli]"),
        installed(
            dist("app", "1", "x", "lib; extra == 'cli'", extras=frozenset({"cli"}), owner="conda")
        ),
        "lib is not installed (required by app 1)",
    ),
    "constraint": (
        desired("app", constraints=("lib<1",)),
        installed(dist("app", "1.0", "lib"), dist("lib")),
        "lib 1.0 does not satisfy the constraint lib<1",
    ),
    "url": (
        desired("app @ https://host/app-2.0.zip"),
        installed(dist("app")),
        "app 1.0 was not installed from the URL in its requirement",
    ),
    "cut off": (
        desired("app"),
        installed(dist("app", metadata=False)),
        "the installation of app is incomplete",
    ),
    "dependency that conda owns": (
        desired("app"),
        installed(dist("app", "1.0", "numpy>=2"), NUMPY),
        "numpy 1.26.4 does not satisfy numpy>=2 (required by app 1.0)",
    ),
}


@pytest.mark.parametrize("case", SHORTFALLS)
def test_any_shortfall_passes_all_lines_to_pip(case: str) -> None:
    want, packages, reason = SHORTFALLS[case]
    assert reasons(want, packages) == [reason]
    todo = plan(want, packages)
    assert todo.install == tuple(line.text for line in want.requirements)
    assert todo.reasons == (reason,)
    assert todo
    assert not todo.upgrade


def test_pins_keep_conda_s_distributions() -> None:
    packages = installed(NUMPY, dist("odd", "not a version", owner="conda"), dist("pip", "25.0"))
    assert pins_of(packages) == ("numpy==1.26.4",)
    assert plan(desired("app"), packages).pins == ("numpy==1.26.4",)
    assert plan(desired("app", replace_conda_packages=True), packages).pins == ()
    assert plan(desired("pip"), packages).pins == ()


REFUSED = {
    "version": (
        desired("numpy>=2"),
        "numpy 1.26.4 does not satisfy numpy>=2. Nothing was changed.",
    ),
    "constraint": (
        desired("numpy", constraints=("numpy<1",)),
        "numpy 1.26.4 does not satisfy the constraint numpy<1",
    ),
    "url": (desired("numpy @ file:///x.whl"), "was not installed from the URL in its requirement"),
    "removal": (
        desired("numpy", state="absent"),
        "have to remove packages that conda owns: numpy 1.26.4",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_conda_owns_is_not_touched_unless_told(case: str) -> None:
    want, message = REFUSED[case]
    with pytest.raises(CondaModuleError, match=message) as raised:
        plan(want, installed(NUMPY))
    assert raised.value.facts["conda_owned"] == ["numpy"]
    assert "conda_package" in str(raised.value.hint)
    assert PREFIX in str(raised.value)
    told = Desired(want.requirements, want.constraints, want.state, replace_conda_packages=True)
    assert plan(told, installed(NUMPY))


def test_constraints_for_pip_do_not_apply_to_packages_of_conda() -> None:
    packages = installed(NUMPY, dist("lib"))
    told = desired(
        "numpy",
        "lib",
        constraints=("app<9",),
        constraints_for_pip=tuple(
            parse_lines(["numpy==2.5.5", "lib==2.0", "new==3.0"], "constraints_for_pip")
        ),
    )
    assert reasons(told, packages) == ["lib 1.0 does not satisfy the constraint lib==2.0"]
    assert plan(told, packages).install == ("numpy", "lib")
    held = [line.text for line in told.constraints_for(packages)]
    assert held == ["app<9", "lib==2.0", "new==3.0"]


def test_metadata_of_both_conda_and_pip() -> None:
    packages = installed(NUMPY, doubles={"numpy": (f"{SITE}/numpy-2.0.dist-info",)})
    with pytest.raises(CondaModuleError, match="Both conda and pip have metadata"):
        plan(desired("numpy"), packages)
    assert plan(desired("app"), packages).install == ("app",)


def test_damaged_distributions_are_reinstalled_in_the_same_version() -> None:
    packages = installed(
        dist("app"),
        dist("by-url", direct_url={"url": "https://host/x.whl", "archive_info": {}}),
        dist(
            "by-git",
            direct_url={
                "url": "https://host/r.git",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "main"},
            },
        ),
    )
    damage = dict.fromkeys(packages.by_name, ("a.py", "b.py", "c.py", "d.py"))
    todo = plan(desired("app==1.0 --hash=sha256:00"), packages, damage)
    assert todo.reinstall == {
        "app": "app==1.0 --hash=sha256:00",
        "by-url": "by-url @ https://host/x.whl",
        "by-git": "by-git @ git+https://host/r.git@c0ffee",
    }
    assert todo.install == ()
    assert todo.reasons[0] == "app 1.0 has 4 damaged files: a.py, b.py, c.py, ..."
    assert todo.sweep == ()
    assert not plan(desired("app", repair=False), packages, damage)


def test_a_damaged_distribution_is_reinstalled_from_the_url_of_its_line() -> None:
    source = {"url": "https://host/x.whl", "archive_info": {}}
    packages = installed(dist("app", direct_url=source))
    todo = plan(desired("app @ https://me:pw@host/x.whl"), packages, {"app": ("a.py",)})
    assert todo.reinstall == {"app": "app @ https://me:pw@host/x.whl"}


def test_metadata_on_which_pip_fails_is_swept() -> None:
    app = dist("app")
    other = f"{SITE}/app-0.9.dist-info"
    packages = installed(app, doubles={"app": (other,)})
    damage: dict[str, tuple[str, ...]] = {
        "app": ("app-0.9.dist-info (a second one)", "app-1.0.dist-info/RECORD")
    }
    assert plan(desired("app"), packages, damage).sweep == (other, app.path)
    half = dist("half", metadata=False)
    damage = {"half": ("half-1.0.dist-info/METADATA",)}
    todo = plan(desired("half"), installed(half), damage)
    assert (todo.sweep, dict(todo.reinstall), todo.install) == ((half.path,), {}, ("half",))


def test_a_distribution_from_another_url_is_reinstalled() -> None:
    packages = installed(dist("app", direct_url={"url": "https://host/1.whl", "archive_info": {}}))
    todo = plan(desired("app @ https://host/2.whl"), packages)
    assert todo.reinstall == {"app": "app @ https://host/2.whl"}
    assert todo.install == ("app @ https://host/2.whl",)


def test_latest_always_asks_pip() -> None:
    todo = plan(desired("app", state="latest"), installed(dist("app"), NUMPY))
    assert (todo.install, todo.upgrade, todo.pins) == (("app",), True, ("numpy==1.26.4",))
    assert not plan(desired(state="latest"), installed())


def test_removal() -> None:
    packages = installed(dist("app", "1.0", "lib"), dist("lib"), dist("half", metadata=False))
    assert plan(desired("app", "not-there", state="absent"), packages).remove == ("app",)
    assert not plan(desired("app>=2", state="absent"), packages)
    assert not plan(desired("app; python_version < '3'", state="absent"), packages)
    assert plan(desired("app", "lib", state="absent"), packages).remove == ("app", "lib")
    todo = plan(desired("half", state="absent"), packages)
    assert (todo.remove, todo.sweep) == (("half",), (f"{SITE}/half-1.0.dist-info",))


def test_a_removal_that_breaks_other_distributions_is_refused() -> None:
    packages = installed(dist("app", "1.0", "lib"), dist("lib"), dist("sad", "1.0", "gone"))
    with pytest.raises(CondaModuleError, match=r"app 1.0 requires lib, which is not installed"):
        plan(desired("lib", state="absent"), packages)
    assert plan(desired("lib", state="absent", check=False), packages).remove == ("lib",)
    # This removal did not cause conflicts that existed before it.
    assert plan(desired("app", state="absent"), packages).remove == ("app",)


def test_unknown_extras_are_reported() -> None:
    closure = closure_of(desired("app[cli,doc]"), installed(dist("app")), LINUX)
    assert closure.unknown_extras == ("app[cli]", "app[doc]")
    assert closure.shortfalls == ()


def test_names_of_the_closure() -> None:
    packages = installed(
        dist("app", "1.0", "lib"), dist("lib"), dist("other"), NUMPY, dist("half", metadata=False)
    )
    closure = closure_of(desired("app", "numpy", "half"), packages, LINUX)
    assert closure.names == {"app", "lib", "numpy"}


def test_inconsistencies_are_those_of_pip_check() -> None:
    packages = installed(dist("app", "1.0", "lib>=2,<3", "gone; python_version > '3'"), dist("lib"))
    assert inconsistencies(packages, LINUX) == {
        ("app", "lib"): "app 1.0 has requirement lib<3,>=2, but you have lib 1.0.",
        ("app", "gone"): "app 1.0 requires gone, which is not installed.",
    }
    after = installed(*packages.by_name.values(), dist("new", "1.0", "lib>5"))
    assert new_inconsistencies(packages, after, LINUX) == [
        "new 1.0 has requirement lib>5, but you have lib 1.0."
    ]


@pytest.mark.parametrize(
    ("changed", "as_before"), [(dist("app"), True), (dist("app", "2.0"), False)]
)
def test_a_distribution_that_uv_calls_broken_counts_only_if_this_task_installed_it(
    changed: Any, as_before: bool
) -> None:
    line = (
        "The package `app` is broken or incomplete (unable to read `WHEEL` file). Consider recreating "
        "the virtualenv, or removing the package directory at: /opt/x/app-1.0.dist-info"
    )
    assert was_so_before(line, installed(dist("app")), installed(changed), {}) is as_before
    assert not was_so_before(line, installed(), installed(changed), {})


ARCHIVE = {
    "url": "https://host/a%20b/x.whl",
    "archive_info": {"hash": "sha256=00ff", "hashes": {"sha256": "00ff"}},
}
GIT = {
    "url": "https://host/r.git",
    "vcs_info": {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "v1"},
}
GIT_HEAD = {"url": "https://host/r.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
SSH = {
    "url": "ssh://git@host/r.git",
    "vcs_info": {"vcs": "git", "commit_id": "c0ffee", "requested_revision": "v1"},
}
LOCAL = {"url": "file:///srv/x", "dir_info": {}}


@pytest.mark.parametrize(
    ("url", "source", "same"),
    [
        ("https://host/a%20b/x.whl", ARCHIVE, True),
        ("https://me:pw@host/a b/x.whl", ARCHIVE, True),
        ("https://host/a%20b/x.whl#sha256=00ff", ARCHIVE, True),
        ("https://host/a%20b/x.whl#sha256=ff00", ARCHIVE, False),
        ("https://host/a%20b/x.whl#sha512=ff00", ARCHIVE, True),
        ("https://host/x.whl", ARCHIVE, False),
        ("http://host/a%20b/x.whl", ARCHIVE, False),
        ("https://host/x.whl", None, False),
        ("https://host/x.whl", {}, False),
        ("git+https://host/r.git@v1", GIT, True),
        ("git+https://me@host/r.git@v1#egg=r", GIT, True),
        ("git+https://host/r.git@c0ffee", GIT, True),
        ("git+https://host/r.git@v2", GIT, False),
        ("git+https://host/r.git", GIT, False),
        ("git+https://host/r.git", GIT_HEAD, True),
        ("hg+https://host/r.git@v1", GIT, False),
        ("https://host/r.git", GIT, False),
        ("git+ssh://git@host/r.git@v1", SSH, True),
        ("git+ssh://git@host/r.git", SSH, False),
        ("file:///srv/x", LOCAL, True),
        ("file://localhost/srv/x/", LOCAL, True),
        ("file:///srv/y", LOCAL, False),
    ],
)
def test_same_source(url: str, source: Any, same: bool) -> None:
    assert same_source(url, source) is same


@pytest.mark.parametrize(
    ("source", "shown", "exact"),
    [
        (None, "", ""),
        ({}, "", ""),
        (ARCHIVE, "https://host/a%20b/x.whl#sha256=00ff", "https://host/a%20b/x.whl"),
        ({**ARCHIVE, "archive_info": {}}, "https://host/a%20b/x.whl", "https://host/a%20b/x.whl"),
        (
            {**ARCHIVE, "archive_info": {"hash": "sha256=11"}},
            "https://host/a%20b/x.whl#sha256=11",
            "https://host/a%20b/x.whl",
        ),
        (GIT, "git+https://host/r.git@v1", "git+https://host/r.git@c0ffee"),
        (GIT_HEAD, "git+https://host/r.git@c0ffee", "git+https://host/r.git@c0ffee"),
        (LOCAL, "file:///srv/x", "file:///srv/x"),
    ],
)
def test_source_as_a_url(source: Any, shown: str, exact: str) -> None:
    assert (source_of(source), source_of(source, exactly=True)) == (shown, exact)
