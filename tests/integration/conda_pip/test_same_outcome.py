"""pip in one environment and uv in its twin: what is asked of both must end the same, good or bad."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import make_wheel
from lab.mirror import Mirror
from tests.integration.conda_pip.environment import (
    files,
    from_index,
    hashed,
    installed,
    pip,
    site_packages,
)
from tests.integration.snapshot import changes, snapshot

# Only in make test-full: pip and uv each have their own tests in make test.
pytestmark = pytest.mark.full

RunModule = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def twins(
    conda_installation: Path, run_module: RunModule, conda: Any
) -> Iterator[tuple[Path, Path]]:
    """Two environments with the same packages, the second a clone that conda made of the first."""
    first, second = (conda_installation / "envs" / name for name in ("with-pip", "with-uv"))
    options = {
        "installation": str(conda_installation),
        "packages": ["python=3.11", "pip", "six=1.16"],
    }
    assert run_module("conda_env", {**options, "prefix": str(first)})["changed"]
    conda("create", "--prefix", str(second), "--clone", str(first), "--offline")
    assert installed(first) == installed(second)
    yield first, second
    for prefix in (first, second):
        run_module(
            "conda_env",
            {
                **options,
                "packages": [],
                "prefix": str(prefix),
                "state": "absent",
                "remove_foreign": True,
            },
        )


@pytest.fixture
def clean(twins: tuple[Path, Path], conda: Any) -> Iterator[tuple[Path, Path]]:
    """The twins; afterwards what was installed is gone from both."""
    owned = installed(twins[0])
    yield twins
    for prefix in twins:
        for leftover in site_packages(prefix).glob("t_*"):
            shutil.rmtree(leftover)
        (prefix / "bin" / "t-app").unlink(missing_ok=True)
        now = installed(prefix)
        if now["six"] != owned["six"]:
            pip(prefix, "uninstall", "--yes", "six")
            conda("install", "--prefix", str(prefix), "--force-reinstall", "six=1.16", "--yes")
        more = [name for name in now if name not in owned]
        if more:
            pip(prefix, "uninstall", "--yes", *more)


@pytest.fixture
def house(wheels: Path) -> Path:
    """The wheelhouse with pre-releases, a package for another Python, and one that cannot be built."""
    make_wheel(wheels, "t-lib", "3.0rc1")
    make_wheel(wheels, "t-pre", "1.0b1")
    make_wheel(wheels, "t-new", "1.0", requires_python=">=3.99")
    make_wheel(wheels, "t-wants", "1.0", requires=["t-lib>=2.5"])
    make_wheel(wheels, "t-nowhere", "1.0", requires=["t-not-there"])
    blank = wheels.parent / "a b"
    make_wheel(blank, "t-blank", "1.0")
    source = wheels.parent / "t_src-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "no_such"\n'
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: t-src\nVersion: 1.0\n")
    with tarfile.open(wheels / "t_src-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    return wheels


@dataclass(frozen=True)
class Asked:
    """A request, with what is done to both environments before it.

    Attributes:
        lines: requirement lines; HOUSE stands for the wheelhouse.
        more: further options.
        before: what is installed first.
        harm: paths below site-packages that are removed then.
    """

    lines: tuple[str, ...]
    more: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    harm: tuple[str, ...] = ()


REQUESTS = {
    "with what it needs": Asked(("t-app==1.0",)),
    "two lines": Asked(("t-app", "t-lib>=2")),
    "a constraint": Asked(("t-app==1.0",), {"constraints": ["t-lib<2"]}),
    "compatible release": Asked(("t-lib~=1.0",)),
    "exactly that text": Asked(("t-lib===1.1",)),
    "an extra": Asked(("t-more[lib]",)),
    "a marker": Asked(
        ("t-more", "t-old; python_version < '3.0'", "t-lib ; sys_platform == 'linux'")
    ),
    "a pre-release by specifier": Asked(("t-lib>=3.0rc1",)),
    "a pre-release because a line needs it": Asked(("t-wants",)),
    "nothing but pre-releases": Asked(("t-pre",)),
    "an address": Asked(("t-app @ HOUSE/t_app-1.0-py3-none-any.whl", "t-lib")),
    "a directory with a blank": Asked(("t-blank",), {"find_links": ["HOUSE_PATH/../a b"]}),
    "conda's is good enough": Asked(("t-six-old", "six")),
    "conda's is taken over": Asked(("t-six",), {"replace_conda_packages": True}),
    "upgrade by specifier": Asked(("t-lib>1.1",), before=("t-lib==1.0",)),
    "downgrade by specifier": Asked(("t-lib<1.1",), before=("t-lib==2.0",)),
    "latest": Asked(("t-app",), {"state": "latest"}, before=("t-app==1.0", "t-lib==1.0")),
    "latest leaves alone what still fits": Asked(
        ("t-six-old", "t-more"), {"state": "latest"}, before=("t-lib==1.0",)
    ),
    "absent": Asked(("t-app",), {"state": "absent"}, before=("t-app==1.0",)),
    "repair of a module": Asked(
        ("t-app==1.0",), before=("t-app==1.0",), harm=("t_app/__init__.py",)
    ),
    "repair of metadata": Asked(
        ("t-app==1.0",), before=("t-app==1.0",), harm=("t_lib-2.0.dist-info/METADATA",)
    ),
    "repair of a record": Asked(
        ("t-app==1.0",), before=("t-app==1.0",), harm=("t_app-1.0.dist-info/RECORD",)
    ),
}


def _filled(value: Any, house: Path) -> Any:
    if isinstance(value, list):
        return [_filled(item, house) for item in value]
    if isinstance(value, str):
        return value.replace("HOUSE_PATH", str(house)).replace("HOUSE", house.as_uri())
    return value


def _options(prefix: Path, asked: Asked, house: Path, uv: str) -> dict[str, Any]:
    how = {"installer": "uv", "uv_executable": uv} if prefix.name == "with-uv" else {}
    given = {name: _filled(value, house) for name, value in asked.more.items()}
    base = {"prefix": str(prefix), "no_index": True, "find_links": [str(house)], **how}
    return {**base, "requirements": _filled(list(asked.lines), house), **given}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_is_installed(
    name: str, clean: tuple[Path, Path], house: Path, run_module: RunModule, uv: str
) -> None:
    asked = REQUESTS[name]
    for prefix in clean:
        if asked.before:
            first = _options(prefix, Asked(asked.before), house, uv)
            assert run_module("conda_pip", first)["changed"]
        for path in asked.harm:
            (site_packages(prefix) / path).unlink()
        options = _options(prefix, asked, house, uv)
        before = snapshot(prefix, prefix.parent)
        foreseen = run_module("conda_pip", options, check=True)
        assert changes(before, snapshot(prefix, prefix.parent)) == []
        done = run_module("conda_pip", options)
        again = run_module("conda_pip", options)
        assert [one["rc"] for one in (foreseen, done, again)] == [0, 0, 0], (foreseen, done, again)
        assert [one["changed"] for one in (foreseen, done, again)] == [True, True, False]
        assert foreseen["diff"] == done["diff"]
        assert done["installer"] == prefix.name.split("-")[1]
    with_pip, with_uv = clean
    assert installed(with_pip) == installed(with_uv)
    assert files(with_pip) == files(with_uv)
    assert pip(with_uv, "check").startswith("No broken")


def test_hashes(clean: tuple[Path, Path], house: Path, run_module: RunModule, uv: str) -> None:
    lines = (hashed(house, "t-app", "2.0"), hashed(house, "t-lib", "2.0"))
    for prefix in clean:
        result = run_module("conda_pip", _options(prefix, Asked(lines), house, uv))
        assert (result["rc"], result["changed"]) == (0, True), result
    assert files(clean[0]) == files(clean[1])


FAILURES = {
    "no such name": (Asked(("t-nothing",)), "no_match"),
    "no such version": (Asked(("t-app>=3",)), "no_match"),
    "what it needs is nowhere": (Asked(("t-nowhere",)), "no_match"),
    "a conflict": (Asked(("t-app==2.0", "t-old")), "conflict"),
    "against a constraint": (Asked(("t-app>=2",), {"constraints": ["t-lib<2"]}), "conflict"),
    "another Python": (Asked(("t-new",)), "python"),
    "a wrong hash": (Asked(("t-lib==1.0 --hash=sha256:" + "0" * 64,)), "hash"),
    "no exact version": (Asked(("t-lib>=1.0 --hash=sha256:" + "0" * 64,)), "hash"),
    "conda's in the way": (Asked(("t-six",)), "conda_owned"),
    "no build": (Asked(("t-src",)), "build"),
    "no index": (
        Asked(("t-lib",), {**from_index("http://127.0.0.1:9"), "requirements": ["t-lib"]}),
        "network",
    ),
    "plain HTTP": (
        Asked(("t-lib",), {**from_index("http://192.0.2.1"), "requirements": ["t-lib"]}),
        "untrusted",
    ),
    "does not fit": (Asked(("t-lib==2.0",), before=("t-old",)), "pip_check"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_same_fails(
    name: str, clean: tuple[Path, Path], house: Path, run_module: RunModule, uv: str
) -> None:
    asked, kind = FAILURES[name]
    seen = []
    for prefix in clean:
        if asked.before:
            run_module("conda_pip", _options(prefix, Asked(asked.before), house, uv))
        before = installed(prefix)
        options = _options(prefix, asked, house, uv)
        foreseen = run_module("conda_pip", options, check=True)
        done = run_module("conda_pip", options)
        if name == "a wrong hash" and prefix.name == "with-uv":
            # A dry run of uv fetches no file, so it cannot know.
            assert foreseen["rc"] == 0
            foreseen = done
        assert [(one["rc"], one["kind"]) for one in (foreseen, done)] == [(1, kind)] * 2, (
            foreseen["msg"],
            done["msg"],
        )
        assert done["hint"]
        assert (installed(prefix) == before) == (kind != "pip_check")
        seen.append((foreseen.get("option"), done.get("option"), done.get("conda_owned")))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("fault", "how", "kind"),
    [
        ("status", {"code": 500}, "http"),
        ("status", {"code": 403}, "credentials"),
        ("status", {"code": 404}, "no_match"),
        ("reset", {}, "network"),
    ],
)
def test_the_same_faults_of_an_index(
    fault: str,
    how: dict[str, Any],
    kind: str,
    clean: tuple[Path, Path],
    house: Path,
    index: str,
    run_module: RunModule,
    uv: str,
) -> None:
    for prefix in clean:
        with Mirror(house.parent / "index") as running:
            running.fault("/simple/*", fault, **how)
            asked = Asked(("t-app==1.0",), {**from_index(running.url, "t-app==1.0")})
            result = run_module("conda_pip", _options(prefix, asked, house, uv))
        assert (result["rc"], result["kind"]) == (1, kind), result
        assert ("was run 3 times" in result["msg"]) == (kind in ("http", "network"))


def test_all_indexes_count_alike(
    clean: tuple[Path, Path],
    house: Path,
    index: str,
    run_module: RunModule,
    uv: str,
    tmp_path: Path,
) -> None:
    project = tmp_path / "second" / "simple" / "t-lib"
    make_wheel(project, "t-lib", "2.5")
    (project / "index.html").write_text('<a href="t_lib-2.5-py3-none-any.whl">t_lib</a>')
    with Mirror(tmp_path / "second") as second:
        for prefix in clean:
            more = from_index(index, "t-lib", extra_index_urls=[f"{second.url}/simple"])
            result = run_module("conda_pip", _options(prefix, Asked((), more), house, uv))
            assert (result["rc"], result["changed"]) == (0, True), result
            assert installed(prefix)["t-lib"] == "2.5"


def test_credentials_show_neither_in_results_nor_in_the_process_list(
    clean: tuple[Path, Path],
    house: Path,
    index: str,
    run_module: RunModule,
    uv: str,
    tmp_path: Path,
) -> None:
    # A uv that notes how it was called, and then is uv.
    noted = tmp_path / "argv"
    noting = tmp_path / "uv"
    noting.write_text(f'#!/bin/sh\necho "$@" >> {noted}\nexec {uv} "$@"\n')
    noting.chmod(0o755)
    secret = index.replace("://", "://robot:open-sesame@")
    prefix = clean[1]
    direct = f"t-lib @ {secret}/simple/t-lib/t_lib-2.0-py3-none-any.whl"
    for line in ("t-nothing", "t-app==1.0", direct):
        more = from_index(secret, line)
        options = _options(prefix, Asked((), more), house, str(noting))
        result = run_module("conda_pip", options)
        assert result["rc"] == (1 if line == "t-nothing" else 0), result
        assert "open-sesame" not in str(result)
    again = run_module("conda_pip", options)
    assert (again["rc"], again["changed"]) == (0, False), again
    assert "install" in noted.read_text()
    assert "open-sesame" not in noted.read_text()


def test_the_host_s_pip_configuration_holds_for_uv_too(
    clean: tuple[Path, Path], house: Path, run_module: RunModule, uv: str, tmp_path: Path
) -> None:
    empty = tmp_path / "empty house"
    empty.mkdir()
    home = tmp_path / "home"
    for name, text in (
        ("pip/pip.conf", f"[global]\nno-index = true\n[install]\nfind-links = {house}\n"),
        # uv's own configuration would send it nowhere.
        ("uv/uv.toml", 'offline = true\nno-index = true\nfind-links = ["/no/such"]\n'),
    ):
        (home / ".config" / name).parent.mkdir(parents=True)
        (home / ".config" / name).write_text(text)
    environment = {"HOME": str(home), "UV_INDEX_URL": "http://127.0.0.1:9", "UV_OFFLINE": "1"}
    for prefix in clean:
        asked = Asked(("t-app==1.0",), {"no_index": None, "find_links": []})
        options = _options(prefix, asked, house, uv)
        result = run_module("conda_pip", options, environment=environment)
        assert (result["rc"], result["changed"]) == (0, True), result
        alone = _options(prefix, Asked(("t-old",), {"find_links": [str(empty)]}), house, uv)
        result = run_module("conda_pip", alone, environment=environment)
        assert (result["rc"], result["kind"]) == (1, "no_match"), result
    assert files(clean[0]) == files(clean[1])


def test_uv_needs_no_pip_in_the_environment(
    make_env: Callable[..., Path], house: Path, run_module: RunModule, uv: str, conda: Any
) -> None:
    prefix = make_env("python=3.11", "pip")
    conda("remove", "--prefix", str(prefix), "--force", "pip")
    options = {
        "prefix": str(prefix),
        "requirements": ["t-app==1.0"],
        "no_index": True,
        "find_links": [str(house)],
    }
    assert "There is no pip" in run_module("conda_pip", options)["msg"]
    result = run_module("conda_pip", {**options, "installer": "uv", "uv_executable": uv})
    assert (result["rc"], result["changed"]) == (0, True), result
    assert (site_packages(prefix) / "t_app" / "__init__.py").is_file()


@pytest.mark.parametrize("python", ["3.8", "3.13"])
def test_other_pythons(
    python: str, make_env: Callable[..., Path], house: Path, run_module: RunModule, uv: str
) -> None:
    prefix = make_env(f"python={python}", "pip")
    options = {
        "prefix": str(prefix),
        "no_index": True,
        "find_links": [str(house)],
        "installer": "uv",
        "uv_executable": uv,
    }
    for lines, more in ((["t-app==1.0", "t-lib<2"], {}), (["t-app"], {"state": "latest"})):
        result = run_module("conda_pip", {**options, "requirements": lines, **more})
        assert (result["rc"], result["changed"]) == (0, True), result
    assert installed(prefix)["t-app"] == "2.0"
    compiled = site_packages(prefix) / "t_lib" / "__pycache__"
    assert [path.name for path in compiled.iterdir()] == [
        f"__init__.cpython-{python.replace('.', '')}.pyc"
    ]


def test_which_uv(
    clean: tuple[Path, Path], house: Path, run_module: RunModule, uv: str, tmp_path: Path
) -> None:
    prefix = clean[1]
    base = {**_options(prefix, Asked(("t-lib",)), house, uv), "uv_executable": None}
    nowhere = {"PATH": "/usr/sbin"}
    result = run_module("conda_pip", base, environment=nowhere)
    assert result["rc"] == 1
    assert "There is no uv in the environment, in the installation or in PATH" in result["msg"]
    result = run_module("conda_pip", {**base, "uv_executable": "/no/such/uv"})
    assert "the option uv_executable names /no/such/uv" in result["msg"].replace("The", "the")
    automatic = {**base, "installer": "auto"}
    result = run_module("conda_pip", automatic, environment=nowhere)
    assert (result["rc"], result["installer"]) == (0, "pip"), result
    (prefix / "bin" / "uv").symlink_to(uv)
    try:
        result = run_module(
            "conda_pip", {**automatic, "requirements": ["t-old"]}, environment=nowhere
        )
        assert (result["rc"], result["changed"], result["installer"]) == (0, True, "uv"), result
    finally:
        (prefix / "bin" / "uv").unlink()
