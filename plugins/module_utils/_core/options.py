# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share: where an environment is, and how conda runs."""

from __future__ import annotations

from typing import Any

LOCATION_OPTIONS: dict[str, dict[str, Any]] = {
    "installation": {"type": "path", "aliases": ["conda_prefix"]},
    "name": {"type": "str"},
    "prefix": {"type": "path"},
}

IN_USE_OPTIONS: dict[str, dict[str, Any]] = {
    "in_use": {"type": "str", "choices": ["fail", "wait", "warn"], "default": "fail"},
    "in_use_timeout": {"type": "int", "default": 600},
}

CONDA_OPTIONS: dict[str, dict[str, Any]] = {
    "channels": {"type": "list", "elements": "str", "default": []},
    "channel_priority": {"type": "str", "choices": ["strict", "flexible", "disabled"]},
    "repair": {"type": "bool", "default": True},
    "offline": {"type": "bool", "default": False},
    "executable": {"type": "path"},
    "timeout": {"type": "int", "default": 3600},
    "pip_on_python_change": {"type": "str", "choices": ["fail", "remove"], "default": "fail"},
    "pip_requirements": {"type": "list", "elements": "str", "default": []},
    **IN_USE_OPTIONS,
}
