# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known vulnerabilities of base environments. Generated from data/facts/vulnerable_versions.yml by
``make facts-data``.
"""

from __future__ import annotations

# (name, package, package's first known good version, distribution, its first installer with the fix)
VULNERABILITIES: tuple[tuple[str, str, str, str, str], ...] = (
    ("CVE-2026-111497", "brotlicffi", "1.2.1.0", "miniconda", "26.9.4"),
)
