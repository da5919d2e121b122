# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes settings of condarc files as YAML, in the block style of conda itself."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.reader import (
    WORDS,
    Scalar,
    Value,
)

# Unquoted only if no version of YAML reads the text as another type.
_PLAIN = re.compile(r"(?:[A-Za-z_/$]|~/)[^\s#:'\"\[\]{},&*!|>%@`?\\]*(?::[^\s#:'\"\[\]{},?\\]+)*")
# Booleans in some YAML 1.1 parsers only: always quoted when written, never read as booleans.
_QUOTED_WORDS = frozenset({"y", "Y", "n", "N", "="})


def _quoted(text: str) -> str:
    # Escape the characters that JSON allows and YAML does not. Characters beyond U+FFFF stay, because JSON's
    # surrogate pairs mean something else in YAML.
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]",
        lambda found: f"\\u{ord(found.group()):04x}",
        json.dumps(text, ensure_ascii=False),
    )


def _render_scalar(value: Scalar) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # YAML 1.1 reads 1e-07 as text: add a dot.
        mantissa, exponent, power = repr(value).partition("e")
        return (
            f"{mantissa if '.' in mantissa or not exponent else mantissa + '.0'}{exponent}{power}"
        )
    if isinstance(value, int):
        return str(value)
    plain = (
        value.isascii()
        and value.isprintable()
        and _PLAIN.fullmatch(value)
        and value not in WORDS
        and value not in _QUOTED_WORDS
    )
    return value if plain else _quoted(value)


def render(key: str, value: Value) -> str:
    """The lines of one setting, in the block style of conda itself."""
    name = _render_scalar(key)
    if isinstance(value, list):
        if not value:
            return f"{name}: []\n"
        items = "".join(f"  - {_render_item(item)}\n" for item in value)
        return f"{name}:\n{items}"
    if isinstance(value, dict):
        if not value:
            return f"{name}: {{}}\n"
        lines = [
            line for pair in value.items() for line in render(str(pair[0]), pair[1]).splitlines()
        ]
        return f"{name}:\n" + "".join(f"  {line}\n" for line in lines)
    return f"{name}: {_render_scalar(value)}\n"


def _render_item(item: Any) -> str:
    # Lists of mappings (conda's channel_settings) are written in flow style.
    if isinstance(item, dict):
        pairs = (f"{_quoted(str(name))}: {_render_item(value)}" for name, value in item.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(item, list):
        return f"[{', '.join(map(_render_item, item))}]"
    return _render_scalar(item)
