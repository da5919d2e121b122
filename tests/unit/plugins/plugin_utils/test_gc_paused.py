"""The garbage collector is disabled while Ansible builds a payload, and enabled again afterwards."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.llmfleet.conda.plugins.action import conda_config, llm_check
from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import gc_paused


def test_gc_is_disabled_in_the_block_and_enabled_afterwards() -> None:
    assert gc.isenabled()
    with gc_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"), gc_paused():
        raise ValueError("x")
    assert gc.isenabled()


def test_gc_stays_disabled_if_it_was_disabled_before() -> None:
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("plugin", [conda_config, llm_check])
def test_actions_run_the_normal_action_with_gc_disabled(
    plugin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def run(_action: object, tmp: Any, task_vars: Any) -> dict[str, Any]:
        seen.append((tmp, task_vars, gc.isenabled()))
        return {"changed": False}

    monkeypatch.setattr(NormalAction, "run", run)
    action = plugin.ActionModule.__new__(plugin.ActionModule)
    action._task = SimpleNamespace(args={})
    assert action.run(None, {"a": 1}) == {"changed": False}
    assert seen == [(None, {"a": 1}, False)]
    assert gc.isenabled()
