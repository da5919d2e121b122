"""The argument specs are the roles' documentation and their gate: they must say what the defaults say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2.nodes
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(role: str, entry: str = "main") -> dict[str, dict[str, Any]]:
    return load(ROLES / role / "meta/argument_specs.yml")["argument_specs"][entry]["options"]


def defaults(role: str) -> dict[str, Any]:
    return load(ROLES / role / "defaults/main.yml")


def test_the_four_roles_are_there() -> None:
    assert NAMES == ["create_conda_env", "install_llm_stack", "install_miniconda", "verify"]


@pytest.mark.parametrize("role", NAMES)
def test_specs_and_defaults_name_the_same_variables(role: str) -> None:
    assert sorted(options(role)) == sorted(defaults(role))


def is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def alone(role: str) -> dict[str, Any]:
    """The values of a role's defaults in a play that sets no variable and has no other role."""
    loader = DataLoader()
    files = [ROLES / role / "defaults/main.yml", *sorted((ROLES / role / "vars").rglob("*.yml"))]
    variables: dict[str, Any] = {}
    for path in files:
        variables |= loader.load_from_file(str(path), trusted_as_template=True)
    templar = Templar(loader=loader, variables=variables)
    values = {name: templar.template(variables[name]) for name in defaults(role)}
    return json.loads(json.dumps(values))


@pytest.mark.parametrize("role", NAMES)
def test_specs_and_defaults_agree_on_values(role: str) -> None:
    """Where the default is a template, the spec has its value: documentation tools refuse a template."""
    documented = {name: option["default"] for name, option in options(role).items()}
    assert documented == alone(role)
    assert [name for name, value in documented.items() if is_template(value)] == []


@pytest.mark.parametrize("role", NAMES)
def test_null_is_refused_where_the_type_excludes_it(role: str) -> None:
    """ansible-core 2.19 checks the type of null only for an option whose spec has a default."""
    spec = ArgumentSpecValidator(options(role))
    # null is a text like any other to ansible-core
    strict = [
        name for name, one in options(role).items() if one["type"] not in ("path", "raw", "str")
    ]
    assert strict
    values = alone(role)
    accepted = [name for name in strict if not spec.validate({**values, name: None}).error_messages]
    assert accepted == []


def words_about_default(option: dict[str, Any]) -> str:
    """The paragraph of an option's description that says what the default is."""
    found = [line for line in option["description"] if line.startswith("By default ")]
    assert len(found) == 1
    return found[0]


def unsaid(template: str, words: str) -> set[str]:
    """The variables of inventories and the values that a template has and the words about it lack."""
    tree = jinja2.Environment().parse(template)
    names = {node.name for node in tree.find_all(jinja2.nodes.Name) if "__" not in node.name}
    values = {
        node.value for node in tree.find_all(jinja2.nodes.Const) if isinstance(node.value, str)
    }
    said = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", words))
    return (names - said) | {value for value in values if f"V({value})" not in words}


def test_words_about_a_default_must_name_its_variables_and_values() -> None:
    template = "{{ install_llm_stack_environment | default('llm') }}"
    words = "By default O(install_llm_stack_environment), else V(llm)."
    assert unsaid(template, words) == set()
    assert unsaid(template, words.replace("V(llm)", "V(base)")) == {"llm"}
    assert unsaid(template, words.replace("O(install", "O(verify")) == {
        "install_llm_stack_environment"
    }
    assert unsaid("{{ verify__declared_packages }}", "By default none.") == set()


@pytest.mark.parametrize("role", NAMES)
def test_specs_describe_a_default_that_is_a_template_in_words(role: str) -> None:
    templates = {name: value for name, value in defaults(role).items() if is_template(value)}
    missing = {
        name: unsaid(value, words_about_default(options(role)[name]))
        for name, value in templates.items()
    }
    assert missing == {name: set() for name in templates}


@pytest.mark.parametrize("role", NAMES)
def test_defaults_pass_their_own_spec(role: str) -> None:
    result = ArgumentSpecValidator(options(role)).validate(alone(role))
    assert result.error_messages == []


@pytest.mark.parametrize("role", NAMES)
@pytest.mark.parametrize("entry", ["main", "preflight"])
def test_entry_points_are_described(role: str, entry: str) -> None:
    """Without a description, documentation sites show an error page in place of the role."""
    spec = load(ROLES / role / "meta/argument_specs.yml")["argument_specs"][entry]
    assert spec["short_description"]
    assert spec["description"]


@pytest.mark.parametrize("role", NAMES)
def test_variables_carry_the_role_s_name(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize("role", NAMES)
def test_the_preflight_entry_point_checks_the_same_variables(role: str) -> None:
    assert options(role, "preflight") == options(role, "main")
    assert (ROLES / role / "tasks/preflight.yml").is_file()


def described(option: dict[str, Any]) -> bool:
    nested = option.get("options", {}).values()
    return bool(option.get("description")) and all(described(each) for each in nested)


@pytest.mark.parametrize("role", NAMES)
def test_every_variable_is_described_and_typed(role: str) -> None:
    assert [name for name, option in options(role).items() if not described(option)] == []
    assert [name for name, option in options(role).items() if "type" not in option] == []


@pytest.mark.parametrize("role", NAMES)
def test_the_readme_shows_every_variable(role: str) -> None:
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options(role) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("role", NAMES)
def test_the_readme_shows_no_other_variable(role: str) -> None:
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(rf"`({role}_[a-z_]+)`", text))
    assert sorted(shown - set(options(role))) == []


@pytest.mark.parametrize("role", NAMES)
def test_a_role_s_tasks_use_no_variable_that_it_lacks(role: str) -> None:
    known = set(options(role)).union(*map(load, (ROLES / role / "vars").rglob("*.yml")))
    used: set[str] = set()
    for folder in ("tasks", "vars"):
        for path in (ROLES / role / folder).rglob("*.yml"):
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(rf"\b{role}_[a-z][a-z_]*[a-z]\b", text))
    assert sorted(used - known) == []
