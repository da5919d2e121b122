"""Two runs of the module conda_config at one condarc at the same time, each in a process of its own."""

from __future__ import annotations

import atexit
import os
import select
import traceback
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._config import change
from ansible_collections.llmfleet.conda.plugins.module_utils._core import lock
from ansible_collections.llmfleet.conda.plugins.modules import conda_config

START = "# Ours.\nssl_verify: true  # theirs\nchannels:\n  - lab\n"


class Meeting:
    """A place where two processes, 0 and 1, wait for each other."""

    def __init__(self) -> None:
        self._pipes = (os.pipe(), os.pipe())

    def wait(self, number: int, seconds: float) -> None:
        """Tell the other one that this one is there, and wait for it, at most so many seconds."""
        os.write(self._pipes[number][1], b".")
        select.select([self._pipes[1 - number][0]], [], [], seconds)

    def close(self) -> None:
        """Close the pipes."""
        for descriptor in (*self._pipes[0], *self._pipes[1]):
            os.close(descriptor)


def at_once(both: tuple[dict[str, Any], dict[str, Any]]) -> list[int]:
    """The exit codes of two runs of the module that begin together and meet again before they write.

    Two that write in turn cannot meet there: the one that is to write waits a moment in vain and goes on.
    """
    begin, before_writing = Meeting(), Meeting()
    children = []
    for number, options in enumerate(both):
        child = os.fork()
        if not child:
            _become(number, options, begin, before_writing)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    begin.close()
    before_writing.close()
    return codes


def _become(
    number: int, options: dict[str, Any], begin: Meeting, before_writing: Meeting
) -> NoReturn:
    """The child: becomes the module."""
    write = change.write

    def write_later(*words: Any) -> None:
        before_writing.wait(number, 0.1)
        write(*words)

    code = 1
    try:
        # What is to be done at the end of the test run is none of its business.
        atexit._clear()
        change.write = write_later
        with patch_module_args(options):
            begin.wait(number, 60)
            conda_config.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


@pytest.mark.parametrize("merge", [False, True], ids=["keys", "list"])
@pytest.mark.parametrize("linked", [False, True], ids=["file", "link"])
def test_neither_loses_what_the_other_writes(
    linked: bool, merge: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.002)
    place, scratch, dotfiles = (tmp_path / name for name in ("place", "scratch", "dotfiles"))
    for folder in (place, scratch, dotfiles):
        folder.mkdir()
    path = file = place / ".condarc"
    if linked:
        file = dotfiles / "condarc"
        path.symlink_to(file)
    for number in range(3):
        file.write_text(START)
        file.chmod(0o640)
        before = {*place.iterdir(), *dotfiles.iterdir()}
        one, two = (
            {
                "path": str(name),
                "merge": merge,
                "settings": {"channels": [key]} if merge else {key: number},
                "_ansible_remote_tmp": str(scratch),
            }
            for name, key in ((path, "one"), (file, "two"))
        )

        assert at_once((one, two)) == [0, 0]

        found = yaml.safe_load(file.read_text())
        assert file.read_text().startswith(START)
        assert found["ssl_verify"] is True
        if merge:
            assert sorted(found["channels"]) == ["lab", "one", "two"]
        else:
            assert (found["one"], found["two"], found["channels"]) == (number, number, ["lab"])
        assert file.stat().st_mode & 0o777 == 0o640
        assert path.is_symlink() == linked
        assert {*place.iterdir(), *dotfiles.iterdir()} == before
        assert list(scratch.iterdir()) == []
