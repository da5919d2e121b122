# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A prefix for conda to look at where it cannot, or must not, be shown the one that the task names.

``conda create --dry-run`` refuses a prefix that exists, and ``conda install --dry-run`` one with a record
that cannot be read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._errors import CondaModuleError


@contextmanager
def stand_in(prefix: str) -> Iterator[str]:
    """Give a path below a private directory, where nothing is yet; the directory is removed afterwards.

    Args:
        prefix: absolute path of the environment that is meant.

    Raises:
        CondaModuleError: as the block does, but naming ``prefix``: a person can do nothing with the name of
            a directory that is gone.
    """
    directory = tempfile.mkdtemp(prefix="llmfleet-conda-")
    shown = os.path.join(directory, "env")
    try:
        yield shown
    except CondaModuleError as error:
        raise CondaModuleError(
            error.message.replace(shown, prefix),
            prefix=prefix,
            asked=error.asked,
            said=error.said.replace(shown, prefix) if error.said else None,
            hint=error.hint,
            **error.facts,
        ) from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)
