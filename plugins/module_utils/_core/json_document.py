# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads JSON files written by other programs: every defect is a ValueError."""

from __future__ import annotations

import json
from typing import IO, Any


def loads(text: str | bytes, **how: Any) -> Any:
    """Like ``json.loads``.

    Raises:
        ValueError: the text is not JSON, or is nested more deeply than Python can follow.
    """
    try:
        return json.loads(text, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def load(stream: IO[str]) -> Any:
    """Like ``json.load``, for a file that is read whole; raises as :func:`loads`, and what reading raises."""
    return loads(stream.read())
