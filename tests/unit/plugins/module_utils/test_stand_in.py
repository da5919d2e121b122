"""A prefix that conda is shown in place of the one that is meant."""

from __future__ import annotations

import os

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._stand_in import stand_in


def test_the_directory_is_gone_afterwards() -> None:
    with stand_in("/opt/conda/envs/llm") as shown:
        assert not os.path.exists(shown)
        os.mkdir(shown)
    assert not os.path.exists(os.path.dirname(shown))


def fail(names: list[str]) -> None:
    with stand_in("/opt/conda/envs/llm") as shown:
        names.append(shown)
        raise CondaModuleError(
            f"conda create failed for {shown}.",
            prefix=shown,
            asked=["six"],
            said=f"no room in {shown}/conda-meta",
            hint="make room.",
            error_kind="disk",
        )


def test_a_failure_names_what_was_meant() -> None:
    names: list[str] = []
    with pytest.raises(CondaModuleError) as caught:
        fail(names)
    error = caught.value
    assert error.message == "conda create failed for /opt/conda/envs/llm."
    assert error.as_result() == {
        "msg": "conda create failed for /opt/conda/envs/llm.\nAsked for: six\n"
        "It said: no room in /opt/conda/envs/llm/conda-meta\nWhat to do: make room.",
        "prefix": "/opt/conda/envs/llm",
        "asked": ["six"],
        "said": "no room in /opt/conda/envs/llm/conda-meta",
        "hint": "make room.",
        "error_kind": "disk",
    }
    assert not os.path.exists(os.path.dirname(names[0]))


def test_a_failure_without_words_of_conda() -> None:
    with pytest.raises(CondaModuleError) as caught, stand_in("/opt/conda/envs/llm"):
        raise CondaModuleError("conda cannot be started.")
    assert (caught.value.prefix, caught.value.said) == ("/opt/conda/envs/llm", None)
