"""What the documentation promises: an example of every option, and evidence for every attribute."""

from __future__ import annotations

import pytest

from tests.integration.contract_table import CHANGES, FAILS, SAME, SMOKE, TABLE, Row
from tests.repository.documentation import (
    ansible_doc,
    calls,
    modules,
    option_names,
    plugins,
    tasks,
    used_names,
)

MODULES = sorted(name.rpartition(".")[2] for kind, name in plugins() if kind == "module")
CLAIMS = [
    (name, attribute)
    for name in MODULES
    for attribute in sorted(modules()[name]["doc"]["attributes"])
]
# They work on the controller, wholly or first, so their evidence is plays: the examples', and those of
# tests/roles and of tests/integration/roles.
BY_PLAY = {"check_run", "check_variables", "look_ahead", "verify_report"}


def rows(module: str) -> list[Row]:
    return [row for row in TABLE if row.module == module]


# -- rendering --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({kind for kind, _name in plugins()}))
def test_ansible_doc_renders_every_plugin(kind: str) -> None:
    names = [name for one, name in plugins() if one == kind]
    done = ansible_doc("--type", kind, *names)
    assert (done.returncode, done.stderr) == (0, "")
    # A reference to an option or a value that does not exist is rendered with this word.
    assert "ERROR" not in done.stdout
    for name in names:
        assert name.rpartition(".")[2] in done.stdout.replace("_\n", "_").lower()


def test_everything_is_listed_with_a_description() -> None:
    for kind in sorted({kind for kind, _name in plugins()}):
        done = ansible_doc("--type", kind, "--list", "llmfleet.conda")
        assert (done.returncode, done.stderr) == (0, "")
        for one, name in plugins():
            assert one != kind or name in done.stdout, name


# -- examples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_every_option_has_an_example(module: str) -> None:
    """Examples of other modules count as well; all of them run, see tests/integration/test_examples*."""
    documented = modules()[module]["doc"].get("options") or {}
    used = {
        name
        for other in MODULES
        for task in tasks(modules()[other]["examples"])
        for called, options in calls(task)
        if called == module
        for name in used_names(options, documented)
    }
    internal = {
        name
        for name, option in documented.items()
        if str(option["description"][0]).startswith("Internal: ")
    }
    missing = sorted(option_names(documented) - used - internal)
    assert missing == [], f"no example shows {', '.join(missing)}"


@pytest.mark.parametrize("module", MODULES)
def test_every_choice_is_shown(module: str) -> None:
    """Every value of ``state`` is in an example."""
    state = (modules()[module]["doc"].get("options") or {}).get("state")
    if state is None:
        return
    shown = {
        options.get("state", state["default"])
        for task in tasks(modules()[module]["examples"])
        for called, options in calls(task)
        if called == module
    }
    assert shown == set(state["choices"])


@pytest.mark.parametrize("module", MODULES)
def test_every_example_has_a_name_of_its_own_and_calls_the_module(module: str) -> None:
    found = tasks(modules()[module]["examples"])
    names = [task.get("name") for task in found]
    assert None not in names
    assert len(set(names)) == len(names)
    assert any(called == module for task in found for called, _options in calls(task))


# -- attributes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "attribute"), CLAIMS)
def test_every_claim_has_its_evidence(module: str, attribute: str) -> None:
    """A claim is shown by rows of the table of check mode (they all run), or says what it leaves out."""
    claim = modules()[module]["doc"]["attributes"][attribute]
    support, outcomes = claim["support"], {row.expect for row in rows(module)}
    assert support in {"full", "partial", "none"}, claim
    assert support != "partial" or claim.get("details"), "partial support must say what is missing"
    if attribute == "platform":
        assert (support, claim["platforms"]) == ("full", "posix")
    elif attribute in ("action", "async"):
        assert claim["description"]
    elif attribute == "check_mode":
        assert support == "full"
        assert module in BY_PLAY or outcomes
    elif attribute == "diff_mode":
        # Rows that change something compare both sides of the diff, the others must have none.
        assert module in BY_PLAY or (CHANGES in outcomes) == (support == "full")
    elif attribute == "idempotent":
        # Rows that change something are run again, the others must change nothing in the first place.
        assert module in BY_PLAY or outcomes & {CHANGES, SAME}
    else:
        pytest.fail(f"no evidence is known for the attribute {attribute}: add it here")


def test_every_module_makes_the_four_claims() -> None:
    for module in MODULES:
        claimed = set(modules()[module]["doc"]["attributes"])
        expected = {"check_mode", "diff_mode", "idempotent"}
        assert claimed >= (expected if module in BY_PLAY else {*expected, "platform"}), module


# -- the table --------------------------------------------------------------------------------------


def test_the_table_is_as_large_as_promised() -> None:
    assert len(TABLE) >= 60
    assert len({(row.module, row.name) for row in TABLE}) == len(TABLE)
    assert {row.module for row in TABLE} == {*MODULES} - BY_PLAY


def test_the_rows_for_a_second_python_have_each_module() -> None:
    assert {(row.module, row.name) for row in TABLE} >= SMOKE
    assert {module for module, _name in SMOKE} == {*MODULES} - BY_PLAY
    for module in {*MODULES} - BY_PLAY:
        of_all = {row.expect for row in TABLE if row.module == module}
        of_few = {
            row.expect for row in TABLE if (row.module, row.name) in SMOKE and row.module == module
        }
        assert of_all - {FAILS} <= of_few, module


@pytest.mark.parametrize("module", [name for name in MODULES if name not in BY_PLAY])
def test_the_table_uses_only_options_that_exist(module: str) -> None:
    documented = modules()[module]["doc"].get("options") or {}
    for row in rows(module):
        assert used_names(row.options, documented) <= option_names(documented), row.name


@pytest.mark.parametrize("module", [name for name in MODULES if name not in BY_PLAY])
def test_every_state_changes_something_in_the_table(module: str) -> None:
    state = (modules()[module]["doc"].get("options") or {}).get("state")
    if state is None:
        return
    changed = {
        row.options.get("state", state["default"]) for row in rows(module) if row.expect == CHANGES
    }
    assert changed == set(state["choices"])
    assert FAILS in {row.expect for row in rows(module)}
