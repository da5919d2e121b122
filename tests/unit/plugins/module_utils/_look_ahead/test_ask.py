"""Modules asked in check mode, in one process: their answers, and that nothing is done or printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead import ask as asked_ahead
from ansible_collections.llmfleet.conda.plugins.module_utils._look_ahead.ask import (
    AskedModule,
    reason_to_run,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

CONFIG = "llmfleet.conda.conda_config"


@pytest.fixture
def condarc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A condarc, and a home directory of this test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "condarc"
    path.write_text("channels:\n  - lab\n")
    return path


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"settings": {"channels": ["lab"]}}, ""),
        ({"settings": {"channels": ["lab"]}, "mode": "0644"}, ""),
        ({"settings": {"channels": ["other"]}}, "the module would change something"),
        ({"settings": {"solver": "classic"}}, "the module would change something"),
        ({"settings": {"channels": ["lab"]}, "mode": "0600"}, "the module would change something"),
        ({"settings": {"channels": ["lab"]}, "state": "no such state"}, "the module would fail"),
        ({"settings": {"channels": ["lab"]}, "no_such_option": 1}, "the module would fail"),
        ({}, "the module would fail"),
    ],
)
def test_reason_by_module_result(
    options: dict[str, Any],
    reason: str,
    condarc: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    condarc.chmod(0o644)
    before = snapshot(tmp_path)
    assert reason_to_run(CONFIG, {"path": str(condarc), **options}) == reason
    assert snapshot(tmp_path) == before
    assert capsys.readouterr() == ("", "")


def test_modules_do_not_disturb_each_other(condarc: Path, tmp_path: Path) -> None:
    environment = FakePrefix(tmp_path / "env")
    environment.link("python", "3.11.9")
    site = environment.path / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    pip = {"prefix": str(environment.path), "requirements": ["nothing-of-this-name"]}
    assert reason_to_run(CONFIG, {"path": str(condarc), "settings": {"channels": ["a"]}})
    assert reason_to_run("llmfleet.conda.conda_pip", pip)
    # Neither the failure nor the change before it is left to this one.
    assert not reason_to_run(CONFIG, {"path": str(condarc), "settings": {"channels": ["lab"]}})


def played(
    what: Callable[[AskedModule], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str]:
    def main(make: Callable[..., AskedModule]) -> None:
        what(make(argument_spec={"path": {"type": "str"}}, supports_check_mode=True))

    monkeypatch.setitem(asked_ahead._MAINS, CONFIG, lambda: main)
    return lambda: reason_to_run(CONFIG, {"path": "x"})


def _warns(module: AskedModule) -> None:
    module.warn("something to read")
    module.exit_json(changed=False)


def _breaks(module: AskedModule) -> None:
    raise OSError("no")


def _leaves(module: AskedModule) -> None:
    """Forgets to answer."""


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (_warns, "the module reported a warning"),
        (_breaks, "the module could not be run: OSError"),
        (_leaves, "the module returned no result"),
        (lambda module: module.exit_json(changed=False), ""),
        (lambda module: module.fail_json("no"), "the module would fail"),
    ],
)
def test_uncertain_results_are_a_reason(
    what: Callable[[AskedModule], None], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played(what, monkeypatch)() == reason


@pytest.mark.parametrize("lock", [".env.llmfleet.lock", "env/conda-meta/.llmfleet.lock"])
def test_leftover_lock_is_a_reason(
    lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    result = {"changed": False, "prefix": str(tmp_path / "env")}
    ask = played(lambda module: module.exit_json(**result), monkeypatch)
    assert ask() == ""
    (tmp_path / lock).touch()
    assert ask() == "a lock file exists"


def test_modules_run_in_check_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def note(module: AskedModule) -> None:
        seen.append(module.check_mode)
        module.exit_json(changed=False)

    played(note, monkeypatch)()
    assert seen == [True]
