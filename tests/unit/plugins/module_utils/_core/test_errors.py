"""The one exception type: what a person reads, and what a playbook gets."""

from __future__ import annotations

import errno
import json

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
    volume_errors,
)


def test_text_has_message_details_and_hint() -> None:
    error = CondaModuleError(
        "It failed.",
        prefix="/opt/env",
        asked=["numpy", "six"],
        said="  no numpy\n",
        hint="add a channel.",
        rc=1,
    )
    assert str(error) == (
        "It failed.\nPrefix: /opt/env\nRequested: numpy, six\nOutput: no numpy\n"
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


def test_details_in_the_message_are_not_repeated() -> None:
    error = CondaModuleError("six is not in /opt/env.", prefix="/opt/env", asked="six", said="six")
    assert str(error) == "six is not in /opt/env."


def test_text_without_details_is_the_message() -> None:
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


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EROFS, "remount,rw"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "ulimit -n"),
        (errno.EIO, "system log"),
        (errno.ESTALE, "system log"),
        (errno.ENOLCK, "locks"),
        (errno.EOPNOTSUPP, "locks"),
        (errno.ENOMEM, "more memory"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.ELOOP, "inspect that path"),
        (errno.ETXTBSY, "program that uses it"),
        (errno.EBUSY, "program that uses it"),
        (errno.EACCES, "become somebody else."),
        (errno.EPERM, "become somebody else."),
    ],
)
def test_hint_depends_on_errno(number: int, words: str) -> None:
    assert words in hint_for(OSError(number, "why"), "become somebody else.")


def test_hint_depends_on_error_text_without_errno() -> None:
    error = Exception("Could not write: [Errno 30] Read-only file system: '/etc/conda'")
    assert "remount,rw" in hint_for(error, "become somebody else.")


def test_full_volume_becomes_module_error() -> None:
    said = "/tmp/x cannot be written: No space left"
    with pytest.raises(CondaModuleError, match=said), volume_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/x")


def test_other_errors_are_not_converted() -> None:
    with pytest.raises(FileNotFoundError), volume_errors():
        raise FileNotFoundError(errno.ENOENT, "No such file", "/tmp/x")


def test_too_many_open_files_become_a_module_error() -> None:
    told = pytest.raises(CondaModuleError, match="/tmp/x cannot be used: Too many")
    with told as error, volume_errors():
        raise OSError(errno.EMFILE, "Too many open files", "/tmp/x")
    assert "ulimit -n" in (error.value.hint or "")


def test_output_that_the_message_has_is_left_out() -> None:
    cause = (
        "Because a==1 depends on b<2 and you require b>=2, the requirements cannot be satisfied."
    )
    error = CondaModuleError(
        f"No set of versions satisfies all requirements: {cause}",
        said="  cause: Because a==1 depends on b<2 and you\n    require b>=2, the requirements cannot be"
        " satisfied.\n",
    )
    assert str(error) == f"No set of versions satisfies all requirements: {cause}"
    assert "depends on b<2" in error.as_result()["said"]


def test_a_line_of_the_output_is_not_repeated() -> None:
    said = "ERROR: could not find numpy 9\nfurther words\nError: could not find numpy 9\n}\n}"
    text = str(CondaModuleError("It failed.", said=said))
    assert text == "It failed.\nOutput: ERROR: could not find numpy 9\nfurther words\n}\n}"
