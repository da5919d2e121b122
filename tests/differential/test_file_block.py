"""Where a block is said to be kept, ansible.builtin.blockinfile itself, in check mode, has nothing to do.

Not among the unit tests: `ansible-test units` gives those of a collection no modules of ansible-core.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import blockinfile

from tests.unit.plugins.module_utils._look_ahead.test_file_block import CASES, options_of

KEPT = [case for case, (_text, _more, kept) in CASES.items() if kept]


@pytest.mark.parametrize("case", KEPT)
def test_the_module_agrees(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {**options_of(case, tmp_path), "_ansible_check_mode": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        blockinfile.main()
    assert json.loads(capsys.readouterr().out)["changed"] is False


def test_the_module_is_asked_in_earnest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {**options_of("another line", tmp_path), "_ansible_check_mode": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        blockinfile.main()
    assert json.loads(capsys.readouterr().out)["changed"] is True
