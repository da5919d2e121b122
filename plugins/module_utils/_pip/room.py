# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses an installation for which the volume of the environment lacks room.

Neither pip's report nor an index page of PEP 503 tells sizes. So only wheels on the host have a known size:
that of their content. For all others a small floor holds, below which no installation succeeds.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import (
    Need,
    refuse_without_room,
    volume_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    normalize_name,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    parse_lines,
)

FLOOR = 8 << 20
"""Bytes: pip's own temporary files, a small wheel, its content and compiled files."""

FLOOR_INODES = 40


def refuse_installation_without_room(
    request: Request, plan: Plan, reported: Sequence[Reported]
) -> None:
    """Fail if the volume of the environment has too little room for what the plan installs.

    Args:
        request: the request of the task.
        plan: what to install.
        reported: what the installer's dry run reports; empty without one.

    Raises:
        CondaModuleError: nothing was changed.
    """
    if not (plan.install or plan.reinstall):
        return
    volume = volume_of(request.prefix)
    if volume is None or volume.is_ample:
        return
    wheels = dict.fromkeys([*_reported_wheels(reported), *_named_wheels(request, plan)])
    size = inodes = 0
    for path in wheels:
        bytes_in, files_in = _content(path)
        size += bytes_in
        inodes += files_in
    what = f"for the content of {len(wheels)} wheel{'' if len(wheels) == 1 else 's'}"
    if size < FLOOR:
        what = "that any installation needs for Python distributions and temporary files"
    refuse_without_room(
        [Need(request.prefix, max(size, FLOOR), what, max(inodes, FLOOR_INODES))],
        prefix=request.prefix,
        asked=[line.text for line in request.desired.requirements],
        instead="use an environment on another volume",
    )


def _reported_wheels(reported: Sequence[Reported]) -> Iterator[str]:
    for one in reported:
        if path := _local(one.url):
            yield path


def _named_wheels(request: Request, plan: Plan) -> Iterator[str]:
    """The wheels on this host that the plan's lines name, by URL or by version in
    ``find_links``.

    The smallest of several wheels of a version counts.
    """
    try:
        lines = parse_lines([*plan.install, *plan.reinstall.values()], "requirements")
        pins = [*parse_lines(plan.pins, "requirements"), *request.desired.constraints]
    except InvalidRequirement:
        return
    exact = {line.name: str(line.specifier) for line in (*pins, *lines) if line.specifier.clauses}
    links = [_local(link) or link for link in request.sources.find_links]
    there = [path for link in links for path in _wheels_in(link)]
    for line in lines:
        if line.url:
            if path := _local(line.url):
                yield path
            continue
        wanted = exact.get(line.name, "")
        is_exact = wanted.startswith("==") and "*" not in wanted and "," not in wanted
        # Without an index, one of these wheels will be taken.
        if is_exact or request.sources.no_index:
            version = wanted.lstrip("=").strip() if is_exact else ""
            found = [path for path in there if _is_wheel_of(path, line.name, version)]
            yield from sorted(found, key=_content)[:1]


def _wheels_in(directory: str) -> list[str]:
    if directory.endswith(".whl"):
        return [directory]
    with suppress(OSError):
        names = os.listdir(directory) if os.path.isabs(directory) else []
        return [os.path.join(directory, name) for name in names if name.endswith(".whl")]
    return []


def _is_wheel_of(path: str, name: str, version: str) -> bool:
    """Whether it is a wheel of the distribution; an empty version stands for any."""
    words = os.path.basename(path).split("-")
    return len(words) > 2 and normalize_name(words[0]) == name and version in ("", words[1])


def _local(url: str) -> str:
    """The path of a wheel or directory that a URL names on this host, else empty."""
    if not url.startswith("file:"):
        return ""
    with suppress(ValueError):
        return unquote(urlsplit(url).path)
    return ""


def _content(wheel: str) -> tuple[int, int]:
    """Bytes and number of the files in a wheel; zeros if it cannot be read."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return 0, 0
    return sum(one.file_size for one in files), len(files)
