"""Which package of module_utils may import which, read from the source as Ansible reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.repository.files import ROOT

UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.llmfleet.conda.plugins.module_utils"

# Each layer imports those above it.
LAYERS = ("_core", "_spec", "_prefix", "_condarc", "_conda")
FEATURES = ("_clean", "_config", "_environment", "_hub", "_info", "_installation", "_pip")
ALLOWED = {
    **{layer: {layer, *LAYERS[:place]} for place, layer in enumerate(LAYERS)},
    "_host": {"_host", "_core", "_spec"},
    # Features never import each other.
    **{feature: {feature, *LAYERS, "_host"} for feature in FEATURES},
    # Drift is what the plans of these say.
    "_check": {"_check", *LAYERS, "_host", "_environment", "_hub", "_pip"},
    # A generation is built by these and verified by the checks.
    "_generations": {"_generations", *LAYERS, "_host", "_environment", "_hub", "_pip", "_check"},
    "_look_ahead": {"_look_ahead", *LAYERS, "_host", *FEATURES, "_generations"},
}
# What changes a host. Only modules and other changes import it: a run with nothing to do goes without.
CHANGES = (
    "change",
    "apply",
    "build",
    "plain_change",
    "prediction",
    "removal",
    "relink",
    "installer_run",
)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Package and module of everything in module_utils that a file imports, in functions as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(PACKAGE):
            continue
        words = str(node.module)[len(PACKAGE) + 1 :].split(".")
        for alias in node.names:
            parts = [word for word in (*words, alias.name) if word]
            while not (UTILS / Path(*parts)).with_suffix(".py").is_file():
                parts.pop()
            yield parts[0], parts[-1]


def test_every_file_stands_in_a_known_package() -> None:
    packages = {path.relative_to(UTILS).parts[0] for path in UTILS.rglob("*.py")}
    assert packages == set(ALLOWED)


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(UTILS)} imports {package}.{module}"
        for path in UTILS.rglob("*.py")
        for package, module in imports(path)
        if package not in ALLOWED[path.relative_to(UTILS).parts[0]]
    ]
    assert wrong == []


def test_only_changes_and_modules_import_changes() -> None:
    wrong = [
        f"{path.relative_to(UTILS)} imports {package}.{module}"
        for path in UTILS.rglob("*.py")
        if path.stem not in CHANGES
        for package, module in imports(path)
        if package in FEATURES and module in CHANGES
    ]
    assert wrong == []
