# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run conda_config on the host; plugins/modules/conda_config.py documents it."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.plugin_utils._gc_paused import NoGcAction


class ActionModule(NoGcAction):
    """The normal action plugin, with the garbage collector disabled while the payload is built."""
