"""The one exception type: what a person reads, and what a playbook gets."""

from __future__ import annotations

import json

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError


def test_the_whole_story() -> None:
    error = CondaModuleError(
        "It failed.",
        prefix="/opt/env",
        asked=["numpy", "six"],
        said="  no numpy\n",
        hint="add a channel.",
        rc=1,
    )
    assert str(error) == (
        "It failed.\nPrefix: /opt/env\nAsked for: numpy, six\nIt said: no numpy\n"
        "What to do: add a channel."
    )
    assert error.as_result() == {
        "msg": str(error),
        "prefix": "/opt/env",
        "asked": ["numpy", "six"],
        "said": "  no numpy\n",
        "hint": "add a channel.",
        "rc": 1,
    }


def test_what_the_message_says_already_is_not_repeated() -> None:
    error = CondaModuleError("six is not in /opt/env.", prefix="/opt/env", asked="six", said="six")
    assert str(error) == "six is not in /opt/env."


def test_nothing_is_invented() -> None:
    error = CondaModuleError("It failed.", asked=[], said="")
    assert str(error) == "It failed."
    assert error.as_result() == {"msg": "It failed."}


def test_secrets_are_masked_everywhere() -> None:
    url = "https://user:hush@host/t/TOKEN/lab"
    error = CondaModuleError(
        f"No {url}.",
        prefix=url,
        asked=[f"{url}::six"],
        said=f"404 {url}",
        hint=f"see {url}",
        command=["conda", url],
        more={"deep": [url]},
    )
    text = str(error) + json.dumps(error.as_result())
    assert "hush" not in text
    assert "TOKEN" not in text
    assert text.count("host") > 5


def test_the_result_is_json() -> None:
    error = CondaModuleError("x", rc=1, retry=False, nothing=None, command=["a"], facts={"b": 1})
    assert json.loads(json.dumps(error.as_result()))["rc"] == 1
