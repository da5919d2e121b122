"""Writes plugins/plugin_utils/_installer_catalogue.py from data/installers.json.

The action plugin of conda_installation reads it on the controller. Run it with ``make catalogue`` after a
change of the JSON file; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "data" / "installers.json"
TARGET = ROOT / "plugins" / "plugin_utils" / "_installer_catalogue.py"

_HEAD = '''\
# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SHA-256 of published installers. Generated from data/installers.json by ``make catalogue``.

Source: {source}.
Read on {seen}. Entries that were added later have their own source in data/installers.json.
"""

from __future__ import annotations

# (distribution, base of the download address) -> lines of "version os arch sha256"; the file is named
# Miniconda3-VERSION-OS-ARCH.sh, or with Miniforge3 or Anaconda3 in front.
INSTALLERS: dict[tuple[str, str], str] = {{
'''


def render(catalogue: dict[str, Any]) -> str:
    """The text of the Python module for the JSON document ``catalogue``."""
    groups: dict[tuple[str, str], list[str]] = {}
    for item in catalogue["installers"]:
        base = item["url"][: -len(item["filename"])]
        release = item["version"] if item["distribution"] == "miniforge" else ""
        base = base.replace(f"/{release}/", "/{version}/") if release else base
        # The Python of a Miniconda is part of its published version: py312_24.7.1-0.
        python = f"py{item['python'].replace('.', '')}_" if item["python"] else ""
        version = item["version"] if item["version"].startswith("py") else python + item["version"]
        name = f"{item['distribution'].capitalize()}3-{version}-{item['os']}-{item['arch']}.sh"
        if name != item["filename"]:
            raise SystemExit(f"{SOURCE.name}: {item['filename']} does not follow its version")
        line = f"{version} {item['os']} {item['arch']} {item['sha256']}"
        groups.setdefault((item["distribution"], base), []).append(line)
    parts = [_HEAD.format(source=catalogue["source"], seen=catalogue["seen"])]
    for (distribution, base), lines in groups.items():
        parts.append(f'    (\n        "{distribution}",\n        "{base}",\n    ): """\\\n')
        parts.extend(f"{line}\n" for line in lines)
        parts.append('""",\n')
    parts.append("}\n")
    return "".join(parts)


def main() -> None:
    """Write the module anew."""
    TARGET.write_text(render(json.loads(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
