"""Distributions that conda and pip have both installed in one environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.handover import (
    at_these_paths,
    moved,
    put_back,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.package_distributions import (
    distributions_of,
    to_be_replaced,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import (
    NOTE,
    doubled,
    named_in,
    note_replaced,
    package_names,
    replaced_by_pip,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

SITE = "lib/python3.12/site-packages"


class Env(FakePrefix):
    """A prefix with Python 3.12 and a package of six 1.16, and pip's distributions at will."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.link("python", "3.12.1")
        self.link("six", "1.16.0", files=self.of_six("conda"))

    @staticmethod
    def of_six(installer: str) -> dict[str, bytes]:
        info = f"{SITE}/six-1.16.0.dist-info"
        return {
            f"{SITE}/six.py": b"conda's",
            f"{info}/METADATA": b"Name: six\nVersion: 1.16.0\n\n",
            f"{info}/INSTALLER": installer.encode() + b"\n",
            # What a package carries inside is none of the environment's own.
            f"{SITE}/six/_vendor/other-1.0.dist-info/METADATA": b"Name: other\n\n",
        }

    def pip(self, name: str, version: str, *modules: str, installer: str = "pip") -> Path:
        info = self.path / SITE / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n\n")
        (info / "INSTALLER").write_text(f"{installer}\n")
        rows = [f"{info.name}/{one}" for one in ("METADATA", "INSTALLER", "RECORD")]
        for module in modules:
            path = info.parent / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {version} of pip")
            rows.append(module)
        (info / "RECORD").write_text("".join(f"{row},,\n" for row in rows))
        return info

    def drop_metadata_of_conda(self) -> None:
        info = self.path / SITE / "six-1.16.0.dist-info"
        for path in info.iterdir():
            path.unlink()
        info.rmdir()


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return Env(tmp_path / "env")


def state_of(env: Env):  # type: ignore[no-untyped-def]
    return observe_prefix(str(env.path), thorough=True)


def test_one_owner_is_no_finding(env: Env) -> None:
    env.pip("other", "1.0", "other.py")
    assert doubled(state_of(env)) == {}
    assert package_names(state_of(env)) == {"six": "six"}


@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_copy_of_pip_s_is_found(env: Env, with_metadata: bool) -> None:
    """Beside conda's metadata, as a conda of people's leaves it, or in their place, as pip leaves it."""
    if not with_metadata:
        env.drop_metadata_of_conda()
    env.pip("Six", "1.17.0", "six.py")
    found = doubled(state_of(env))
    assert {name: [one.label for one in each] for name, each in found.items()} == {
        "six": ["six 1.17.0 (pip)"]
    }
    assert named_in({"six": ["a"]}, state_of(env))["six"] == [
        "a",
        f"{SITE}/Six-1.17.0.dist-info (a second one)",
    ]


def test_metadata_without_content_is_no_copy(env: Env) -> None:
    info = env.path / SITE / "six-1.17.0.dist-info"
    info.mkdir()
    (info / ".DS_Store").write_text("")
    assert doubled(state_of(env)) == {}


def test_what_a_task_let_pip_replace_is_left_alone(env: Env) -> None:
    env.drop_metadata_of_conda()
    env.pip("six", "1.17.0", "six.py")
    note_replaced(state_of(env), ["six", "unknown"])
    state = state_of(env)
    assert {name: one.version for name, one in replaced_by_pip(state).items()} == {"six": "1.17.0"}
    assert doubled(state) == {}
    assert named_in({"six": ["a"], "b": ["c"]}, state) == {"b": ["c"]}
    # conda reads every file that ends with .json as a record.
    assert not NOTE.endswith(".json")
    note_replaced(state, [])
    assert list(replaced_by_pip(state_of(env))) == ["six"]


@pytest.mark.parametrize(
    "why", ["pip's is gone", "conda's is back", "another version", "no package"]
)
def test_the_note_ends(env: Env, why: str) -> None:
    env.drop_metadata_of_conda()
    info = env.pip("six", "1.17.0", "six.py")
    note_replaced(state_of(env), ["six"])
    record = env.meta / "six-1.16.0-0.json"
    if why == "pip's is gone":
        (info / "METADATA").unlink()
    elif why == "conda's is back":
        env.link("six", "1.16.0", files=env.of_six("conda"))
    else:
        record.unlink()
    if why == "another version":
        env.link("six", "1.16.0", "1", files=env.of_six("conda"))
    assert replaced_by_pip(state_of(env)) == {}


def test_a_damaged_note_says_nothing(env: Env) -> None:
    (env.path / NOTE).write_bytes(b"\xff\xfe six\nsix\n")
    assert replaced_by_pip(state_of(env)) == {}


def test_files_of_pip_go_when_conda_takes_over(env: Env) -> None:
    info = env.pip(
        "tqdm", "4.70.1", "tqdm/__init__.py", "tqdm/new.py", "../../../bin/tqdm", "six.py"
    )
    cache = env.path / SITE / "tqdm/__pycache__/new.cpython-312.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"")
    (found,) = at_these_paths(str(env.path), [f"{SITE}/tqdm/__init__.py"])
    assert found.label == "tqdm 4.70.1 (pip)"
    with moved(str(env.path), [found]):
        assert not info.exists() or not list(info.iterdir())
        (env.path / SITE / "tqdm/__init__.py").write_text("conda's")
    assert not info.exists()
    assert not cache.exists()
    assert sorted(path.name for path in (env.path / SITE / "tqdm").iterdir()) == ["__init__.py"]
    assert not (env.path / "bin/tqdm").exists()
    # Another package's file stays, whatever pip's RECORD says.
    assert (env.path / SITE / "six.py").exists()
    assert not list(env.meta.glob(".llmfleet*"))


def test_they_return_when_conda_fails(env: Env) -> None:
    env.pip("tqdm", "4.70.1", "tqdm/__init__.py", "../../../bin/tqdm")
    before = snapshot(env.path)
    found = at_these_paths(str(env.path), [f"{SITE}/tqdm/__init__.py"])
    with pytest.raises(CondaModuleError), moved(str(env.path), found):
        raise CondaModuleError("conda failed", hint="")
    assert snapshot(env.path) == before


def test_they_return_after_an_interruption(env: Env) -> None:
    env.pip("tqdm", "4.70.1", "tqdm/__init__.py", "tqdm/a.py")
    found = at_these_paths(str(env.path), [f"{SITE}/tqdm/__init__.py"])
    before = snapshot(env.path)

    class CutOff(Exception):
        cut_off = True

    with pytest.raises(CutOff), moved(str(env.path), found):
        raise CutOff
    assert not (env.path / SITE / "tqdm/a.py").exists()
    put_back(str(env.path))
    assert snapshot(env.path) == before


def test_they_return_where_conda_left_room_after_a_removal(env: Env) -> None:
    env.drop_metadata_of_conda()
    env.pip("six", "1.17.0", "six.py")
    copies = [one for each in doubled(state_of(env)).values() for one in each]
    with moved(str(env.path), copies, of=["six"], back=True):
        assert not (env.path / SITE / "six.py").exists()
    assert (env.path / SITE / "six.py").read_text() == "six 1.17.0 of pip"


def test_no_file_outside_the_prefix_is_moved(env: Env, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.py").write_text("kept")
    (env.path / SITE / "link").symlink_to(outside)
    env.pip("tqdm", "1.0", "tqdm.py", "link/kept.py", "../../../../outside/kept.py")
    (outside / "kept.py").write_text("kept")
    with moved(str(env.path), at_these_paths(str(env.path), [f"{SITE}/tqdm.py"])):
        pass
    assert (outside / "kept.py").read_text() == "kept"
    assert not (env.path / SITE / "tqdm.py").exists()


def test_one_within_another(env: Env) -> None:
    env.pip("a", "1", "a.py")
    env.pip("b", "1", "b.py")
    one, other = (at_these_paths(str(env.path), [f"{SITE}/{name}.py"]) for name in "ab")
    with moved(str(env.path), one):
        with moved(str(env.path), other, back=True):
            assert not (env.path / SITE / "b.py").exists()
        assert (env.path / SITE / "b.py").exists()
        assert not (env.path / SITE / "a.py").exists()
    assert not (env.path / SITE / "a.py").exists()


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("tqdm 4.66.5 pyhd8ed1ab_0 conda-forge", {"tqdm"}),
        ("matplotlib-base 3.9.2 py312h_0 conda-forge", {"matplotlib"}),
        ("pytorch 2.5.1 cpu_generic_py312_h1_0 conda-forge", {"torch"}),
        ("ruamel.yaml 0.18 py312h_0 conda-forge", {"ruamel-yaml"}),
        ("tzdata 2026a h78e105d_0 conda-forge", set()),
        ("ninja 1.12 h297d8ca_0 conda-forge", set()),
    ],
)
def test_what_a_package_holds_is_told_by_its_name(label: str, names: set[str]) -> None:
    assert distributions_of(label, []) == names


def test_the_package_cache_knows_better(tmp_path: Path, env: Env) -> None:
    info = tmp_path / "pkgs/lab-bundle-1.0-py_0/info"
    info.mkdir(parents=True)
    (info / "paths.json").write_text(
        '{"paths": [{"_path": "site-packages/Two_Words-2.dist-info/METADATA"},'
        ' {"_path": "lib/python3.12/site-packages/b-1.egg-info"}, {"_path": "bin/x-1.dist-info"}]}'
    )
    caches = [str(tmp_path / "pkgs")]
    label = "lab-bundle 1.0 py_0 lab"
    assert distributions_of(label, caches) == {"two-words", "b"}
    env.pip("two_words", "1.0", "two.py")
    env.pip("b", "1.0", "b.py", installer="conda")
    found = to_be_replaced(state_of(env), [label, "six 1.17.0 py_0 lab"], caches)
    assert [one.label for one in found] == ["two-words 1.0 (pip)"]
