# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the hosts that an error message of another program names."""

from __future__ import annotations

import re

# In URLs, after user and password, and as urllib3 shows a connection (host='h', port=443).
_HOST = re.compile(
    r"""(?:https?://(?:[^\s/@'"<>]*@)?|host=')(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)"""
)
_MOST = 3


def hosts_in(text: str) -> str:
    """The hosts in ``text`` in order, for a message: `` (a.example.org, b.example.org)``, or empty.

    Without user names, passwords and ports; at most three.
    """
    found = dict.fromkeys(match["host"].rstrip(".").lower() for match in _HOST.finditer(text))
    names = list(found)[:_MOST]
    return f" ({', '.join(names)})" if names else ""
