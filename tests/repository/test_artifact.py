"""What Galaxy and a user would get: the built artifact, its documentation, its metadata."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.generate import make_changelog

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[a-z]*.py"))

# The top-level entries that users need. Everything else is for development.
EXPECTED_TOP = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}

# These share no option with the others: they work on the controller, or for whole roles.
INTERNAL_MODULES = ("check_run", "check_variables", "look_ahead", "verify_report")
INTERNAL = (
    "Internal: used by the roles and playbooks of this collection."
    " Its options may change in any release."
)


def run(*argv: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool of the virtual environment with the directory `cwd` as collections path."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(cwd),
        "ANSIBLE_NOCOLOR": "1",
        **env,
    }
    return subprocess.run(
        [str(word) for word in argv], cwd=cwd, capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built artifact, unpacked where ansible looks for collections; the parent of it all."""
    home = tmp_path_factory.mktemp("artifact")
    built = run(
        BIN / "ansible-galaxy", "collection", "build", ROOT, "--output-path", home, cwd=home
    )
    assert built.returncode == 0, built.stderr
    (archive,) = home.glob("*.tar.gz")
    target = home / "ansible_collections" / "llmfleet" / "conda"
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return home


def collection(unpacked: Path) -> Path:
    return unpacked / "ansible_collections" / "llmfleet" / "conda"


def documentation(module: str) -> dict[str, Any]:
    """The DOCUMENTATION of a module, without its fragments."""
    source = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    (text,) = [
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION"
    ]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_artifact_holds_what_a_user_needs_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in collection(unpacked).iterdir()} == EXPECTED_TOP
    changelogs = [path.name for path in (collection(unpacked) / "changelogs").iterdir()]
    assert changelogs == ["changelog.yaml"]
    inventories = {path.name for path in (collection(unpacked) / "inventories").iterdir()}
    assert inventories == {"gpu", "macos"}
    droppings = [
        str(path)
        for path in collection(unpacked).rglob("*")
        if path.name == "__pycache__" or path.suffix == ".pyc"
    ]
    assert droppings == []


def test_changelog_is_what_the_fragments_say(unpacked: Path) -> None:
    """`make changelog` in a copy changes nothing."""
    copy = unpacked / "changelog" / "ansible_collections" / "llmfleet" / "conda"
    for name in ("changelogs", "plugins", "meta", "roles", "playbooks"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("galaxy.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    make_changelog.write(copy, unpacked / "changelog")
    for name in ("CHANGELOG.md", "changelogs/changelog.yaml"):
        assert (copy / name).read_text() == (ROOT / name).read_text(), "run `make changelog`"


def test_artifact_needs_no_other_collection(unpacked: Path) -> None:
    manifest = json.loads((collection(unpacked) / "MANIFEST.json").read_text())
    assert manifest["collection_info"]["dependencies"] == {}


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    on_hosts = [name for name in MODULES if name not in INTERNAL_MODULES]
    assert runtime["action_groups"]["conda"] == on_hosts


@pytest.mark.parametrize("module", INTERNAL_MODULES)
def test_internal_modules_are_documented_as_internal(module: str) -> None:
    assert documentation(module)["description"][0] == INTERNAL


@pytest.mark.parametrize("module", sorted({*MODULES} - {*INTERNAL_MODULES}))
def test_other_modules_are_not_documented_as_internal(module: str) -> None:
    found = documentation(module)
    assert not found["description"][0].startswith("Internal")
    internal = [
        name
        for name, option in found["options"].items()
        if str(option["description"][0]).startswith("Internal:")
    ]
    assert internal == (["catalogue"] if module == "conda_installation" else [])


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_preflight_is_documented_as_internal(role: str) -> None:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    specs = yaml.safe_load(text)["argument_specs"]
    assert specs["preflight"]["description"][0] == INTERNAL
    assert not specs["main"]["description"][0].startswith("Internal")


def test_module_documentation_renders(unpacked: Path) -> None:
    names = [f"llmfleet.conda.{module}" for module in MODULES]
    done = run(BIN / "ansible-doc", "--json", *names, cwd=unpacked)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    rendered = json.loads(done.stdout)
    assert sorted(rendered) == sorted(names)
    for name, entry in rendered.items():
        assert entry["doc"]["short_description"], name
        assert entry["examples"], name
        assert entry["return"], name
        assert {"check_mode", "diff_mode"} <= set(entry["doc"]["attributes"]), name


@pytest.mark.parametrize("module", MODULES)
def test_examples_use_full_names(module: str) -> None:
    source = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    (examples,) = [
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES"
    ]
    tasks = yaml.safe_load(examples)
    assert tasks
    names = {key for task in tasks for key in task if "." in key}
    assert f"llmfleet.conda.{module}" in names


def test_code_for_targets_is_python_3_9() -> None:
    files = sorted((ROOT / "plugins").rglob("*.py"))
    assert files
    for path in files:
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 9))


def test_nothing_is_excepted_from_ansible_test() -> None:
    """Every rule of `ansible-test sanity` holds for every file."""
    assert [str(path) for path in (ROOT / "tests" / "sanity").glob("ignore*")] == []


def test_documentation_equals_the_argument_specs(unpacked: Path) -> None:
    """ansible-core's own validate-modules: options, types, defaults, attributes, return values.

    Called without ansible-test: `make sanity` runs it that way, in an environment of its own.
    """
    import ansible_test

    util = Path(ansible_test.__file__).parent / "_util" / "controller" / "sanity"
    validator = util / "validate-modules" / "validate.py"
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    argv = [sys.executable, validator, "--format", "json", "--arg-spec", "--collection"]
    argv += ["ansible_collections/llmfleet/conda", "--collection-version", version]
    argv += [f"plugins/modules/{module}.py" for module in MODULES]
    done = run(*argv, cwd=collection(unpacked), ANSIBLE_COLLECTIONS_PATH=str(unpacked))
    assert done.stderr == ""
    found = {
        f"{name}:{error['line']}: {error['msg']}"
        for name, entry in json.loads(done.stdout).items()
        for error in entry["errors"]
    }
    assert found == set()
    assert done.returncode == 0
