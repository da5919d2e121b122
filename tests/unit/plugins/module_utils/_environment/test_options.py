"""Converting the options of conda_env and conda_package into a request."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.options import (
    request_from,
)

PARAMS: dict[str, Any] = {
    "installation": "/opt/miniconda3",
    "name": "llm",
    "prefix": None,
    "packages": [],
    "state": "present",
    "channels": [],
    "channel_priority": None,
    "repair": True,
    "offline": False,
    "timeout": 60,
    "pip_on_python_change": "fail",
    "pip_requirements": [],
    "in_use": "fail",
    "in_use_timeout": 60,
    "executable": None,
}


@pytest.mark.parametrize("text", ["num*", "numpy[license=BSD]", "https://host/lab::numpy"])
@pytest.mark.parametrize(
    ("whole", "more", "named"),
    [
        (False, {"state": "absent"}, "state: absent"),
        (False, {"force_reinstall": True}, "force_reinstall"),
        (True, {"prune": True}, "prune"),
    ],
)
def test_specs_that_only_conda_understands_are_refused_where_they_would_be_ignored(
    text: str, whole: bool, more: dict[str, Any], named: str
) -> None:
    params = {**PARAMS, "packages": ["six", text], **more}
    with pytest.raises(CondaModuleError) as caught:
        request_from(params, whole=whole)
    assert named in caught.value.message
    assert caught.value.asked == [text]


@pytest.mark.parametrize("text", ["num*", "numpy[license=BSD]"])
def test_specs_that_only_conda_understands_are_accepted_otherwise(text: str) -> None:
    request = request_from({**PARAMS, "packages": [text]}, whole=False)
    assert [item.text for item in request.wanted] == [text]
    gone = request_from({**PARAMS, "packages": [text], "state": "absent"}, whole=True)
    assert gone.state == "absent"


def test_the_pip_section_counts_as_installed_later() -> None:
    options = {
        **PARAMS,
        "environment": {"dependencies": ["python=3.12", {"pip": ["torch>=2"]}]},
        "pip_requirements": ["six"],
    }
    request = request_from(options, whole=True)
    assert request.pip_later == ("torch>=2", "six")
    assert request.pip_requirements == ("torch>=2",)
    assert request.on_python_change == "fail"
