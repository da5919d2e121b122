# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads JSON that others wrote: whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
from typing import IO, Any


def loads(text: str | bytes, **how: Any) -> Any:
    """As ``json.loads``.

    Raises:
        ValueError: it is no JSON, or is nested more deeply than Python can follow.
    """
    try:
        return json.loads(text, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def load(stream: IO[str]) -> Any:
    """As ``json.load``, of a file that is read whole; raises as :func:`loads`, and what reading raises."""
    return loads(stream.read())
