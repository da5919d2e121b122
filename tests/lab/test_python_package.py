"""An interpreter of the machine becomes a package that runs wherever it is unpacked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from conda_package_streaming.extract import extract

from lab import channel, interpreters, packages, python_package
from lab.interpreters import Interpreter

_FACTS = """
import json, site, sys, sysconfig
print(json.dumps({
    "prefix": sys.prefix,
    "path": sys.path,
    "purelib": sysconfig.get_path("purelib"),
    "scripts": sysconfig.get_path("scripts"),
    "sites": site.getsitepackages(),
    "tk": __import__("importlib.util").util.find_spec("_tkinter") is not None,
}))
"""


def _distribution_pythons() -> list[Interpreter]:
    """Pythons that the distribution has patched; the machine may have none."""
    found = (interpreters._probe(path) for path in sorted(Path("/usr/bin").glob("python3.*")))
    return [
        one
        for one in found
        if one is not None and "dist-packages" in (one.stdlib / "site.py").read_text()
    ]


# pyenv's or uv's layout, and the distribution's where it has one of its own.
CASES = [channel.base_interpreter(), *_distribution_pythons()[:1]]


@pytest.fixture(scope="module", params=CASES, ids=lambda one: str(one.executable))
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of one interpreter, unpacked somewhere."""
    one: Interpreter = request.param
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMFLEET_LAB_CACHE", str(folder / "cache"))
        package = python_package.make(one, folder)
    assert package.name == f"python-{one.version}-lab_0.conda"
    extract(package, folder / "unpacked")
    return folder / "unpacked"


def test_it_is_relocatable_and_uses_its_own_site_packages(unpacked: Path) -> None:
    done = subprocess.run(
        [unpacked / "bin" / "python", "-I", "-B", "-c", _FACTS],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(done.stdout)
    library = next(unpacked.glob("lib/python3.*"))
    assert facts["prefix"] == str(unpacked)
    assert facts["purelib"] == str(library / "site-packages")
    assert facts["sites"] == [str(library / "site-packages")]
    assert facts["scripts"] == str(unpacked / "bin")
    assert all(entry.startswith(str(unpacked)) for entry in facts["path"])
    assert str(library / "site-packages") in facts["path"]
    assert facts["tk"] is False


def test_it_holds_neither_tests_nor_packages(unpacked: Path) -> None:
    library = next(unpacked.glob("lib/python3.*"))
    assert [p.name for p in (library / "site-packages").iterdir()] == ["README.txt"]
    for name in ("test", "idlelib", "EXTERNALLY-MANAGED"):
        assert not (library / name).exists()


def test_it_is_compiled_but_for_what_conda_changes_when_it_links(unpacked: Path) -> None:
    library = next(unpacked.glob("lib/python3.*"))
    assert list(library.glob("__pycache__/os.*.pyc"))
    for source in library.glob("_sysconfigdata*.py"):
        compiled = list(library.glob(f"__pycache__/{source.stem}.*.pyc"))
        assert bool(compiled) is (packages.PLACEHOLDER not in source.read_text())


def test_it_says_which_glibc_it_needs(unpacked: Path) -> None:
    index = json.loads((unpacked / "info" / "index.json").read_text())
    assert index["depends"] == [f"__glibc >={interpreters.glibc()}"]


def test_a_prefix_of_its_own_is_a_placeholder(unpacked: Path) -> None:
    paths = json.loads((unpacked / "info" / "paths.json").read_text())["paths"]
    marked = {entry["_path"] for entry in paths if "prefix_placeholder" in entry}
    data = {
        path.relative_to(unpacked).as_posix() for path in unpacked.glob("lib/*/_sysconfigdata*.py")
    }
    text = "".join((unpacked / name).read_text() for name in data)
    assert data <= marked or "'prefix': '/usr'" in text
    assert (packages.PLACEHOLDER in text) is bool(data & marked)
    for name in marked:
        assert not name.endswith(".pyc")
