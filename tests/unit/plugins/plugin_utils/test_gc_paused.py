"""The collector of garbage rests while a module is packed, and goes on afterwards, whatever happened."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.llmfleet.conda.plugins.action import conda_config, llm_check
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import collector_paused


def test_it_rests_and_goes_on() -> None:
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), collector_paused():
        raise ValueError("x")
    assert gc.isenabled()


def test_who_has_turned_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("plugin", [conda_config, llm_check])
def test_modules_are_run_as_without_an_action_plugin(
    plugin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def run(_action: object, tmp: Any, task_vars: Any) -> dict[str, Any]:
        seen.append((tmp, task_vars, gc.isenabled()))
        return {"changed": False}

    monkeypatch.setattr(NormalAction, "run", run)
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    assert action.run(None, {"a": 1}) == {"changed": False}
    assert seen == [(None, {"a": 1}, False)]
    assert gc.isenabled()
