# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known facts of published installers. Generated from data/facts by ``make facts-data``. Do not edit."""

from __future__ import annotations

# (distribution, system, processor): the oldest glibc or macOS, each with the version from which it holds.
FLOORS: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {
    ("miniconda", "Linux", "x86_64"): (("4.10", "2.17"), ("25.9", "2.28")),
    ("miniconda", "Linux", "aarch64"): (("4.10", "2.26"), ("25.9", "2.28")),
    ("anaconda", "Linux", "x86_64"): (("2025.12", "2.28"),),
    ("anaconda", "Linux", "aarch64"): (("2025.12", "2.28"),),
    ("miniforge", "Linux", "x86_64"): (("24.7", "2.17"),),
    ("miniforge", "Linux", "aarch64"): (("24.7", "2.17"),),
    ("miniconda", "MacOSX", "arm64"): (("26.5", "12.1"),),
    ("anaconda", "MacOSX", "arm64"): (("2025.12", "12.1"),),
    ("miniforge", "MacOSX", "x86_64"): (("24.7", "10.13"), ("26.3.2", "11.0")),
    ("miniforge", "MacOSX", "arm64"): (("4.10", "11.0"),),
}
# (name, package, the package's first version known to be fixed, distribution, its first fixed installer)
VULNERABILITIES: tuple[tuple[str, str, str, str, str], ...] = (
    ("CVE-2026-111497", "brotlicffi", "1.2.1.0", "miniconda", "26.9.4"),
)
