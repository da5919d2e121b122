# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the revisions of an environment true: the last one in ``conda-meta/history`` lists its packages.

The format is that of conda 4.4 to 26.7 (``conda.history.History``). A revision begins with ``==> DATE <==``.
Its lines are changes (``+PACKAGE``, ``-PACKAGE``), or all packages. conda reads a revision without lines as
an environment without packages (``construct_states``), and writes such a revision itself when it links the
same package again (``--force-reinstall``).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import HISTORY
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

_COPY = os.path.join("conda-meta", ".llmfleet-history")
_SPECS = re.compile(r"#\s*\w+\s*specs:")


def last_revision(revisions: Iterable[Sequence[str]]) -> set[str]:
    """The packages of the last revision as conda reads them, such as ``conda-forge/noarch::six-1.17.0-0``.

    Args:
        revisions: the lines of each revision, without comments.
    """
    there: set[str] = set()
    for lines in revisions:
        if not any(line.startswith(("+", "-")) for line in lines):
            there = set(lines)
            continue
        there -= {line[1:] for line in lines if line.startswith("-")}
        there |= {line[1:] for line in lines if line.startswith("+")}
    return there


def mend_revisions(prefix: str, records: Iterable[PackageRecord]) -> None:
    """Make the last revision list the linked packages if conda could not, or wrote a revision without lines.

    Args:
        prefix: the environment; the caller holds its lock.
        records: its packages.

    Raises:
        OSError: the history cannot be read or written.
    """
    path = os.path.join(prefix, HISTORY)
    try:
        with open(path, encoding="utf-8", errors="replace", opener=only_regular) as stream:
            text = stream.read()
    except FileNotFoundError:
        return
    revisions = list(_revisions(text))
    silent = bool(revisions) and not revisions[-1]
    told = last_revision(revisions[:-1] if silent else revisions)
    lines = _changes(told, records)
    if not lines and silent and told:
        # Naming a package that is there changes nothing, and keeps the revision from reading as empty.
        lines = [f"+{min(told)}"]
    if not lines:
        return
    head = [] if silent else [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), "# cmd: llmfleet.conda"]
    with open(path, "a", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in (*_unfinished(text), *head, *lines)))


def add_requests(
    prefix: str,
    wanted: Sequence[str],
    unwanted: Sequence[str],
    records: Iterable[PackageRecord],
) -> None:
    """Add requests to the history that conda does not add: it was killed, or had nothing to install.

    Args:
        prefix: the environment; the caller holds its lock.
        wanted: specs that are requested.
        unwanted: names of packages that are not requested any longer.
        records: the packages of the environment.

    Raises:
        OSError: the history cannot be written.
    """
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), "# cmd: llmfleet.conda"]
    # In this order, as conda writes and reads them.
    lines += [f"# remove specs: {list(unwanted)}"] if unwanted else []
    lines += [f"# update specs: {list(wanted)}"] if wanted else []
    path = os.path.join(prefix, HISTORY)
    with open(path, "a+", encoding="utf-8", errors="replace", opener=only_regular) as stream:
        stream.seek(0)
        before = _unfinished(stream.read())
        stream.write("".join(f"{line}\n" for line in (*before, *lines)))
    mend_revisions(prefix, records)


def forget_requests(prefix: str) -> None:
    """Remove the requests from the history; the revisions stay.

    conda records every package of an explicit list as requested in exactly that version.

    Args:
        prefix: the environment; the caller holds its lock.

    Raises:
        OSError: the history cannot be read or written.
    """
    path = os.path.join(prefix, HISTORY)
    with open(path, "rb", opener=only_regular) as stream:
        text = stream.read().decode("utf-8", "replace")
    kept = [line for line in text.splitlines(keepends=True) if not _SPECS.match(line)]
    with open(path, "wb", opener=only_regular) as stream:
        stream.write("".join(kept).encode("utf-8"))


def _unfinished(text: str) -> list[str]:
    """An empty line if a killed conda left the last line of a history incomplete."""
    return [""] if text and not text.endswith("\n") else []


def _revisions(text: str) -> Iterator[list[str]]:
    lines: list[str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("==>"):
            if lines is not None:
                yield lines
            lines = []
        elif line and not line.startswith("#") and lines is not None:
            lines.append(line)
    if lines is not None:
        yield lines


def _changes(told: set[str], records: Iterable[PackageRecord]) -> list[str]:
    """The lines that lead from the packages of a revision to the linked ones.

    conda names a channel by its settings. A new package gets the name that the history has for its channel.
    """
    known = {line.rpartition("::")[2]: line for line in told}
    linked = {f"{one.name}-{one.version}-{one.build}": one for one in records}
    names = {
        one.channel: known[key].rpartition("::")[0] for key, one in linked.items() if key in known
    }
    gone = [f"-{line}" for key, line in known.items() if key not in linked]
    new = [
        f"+{names.get(one.channel) or f'{one.channel_name}/{one.subdir}'}::{key}"
        for key, one in linked.items()
        if key not in known
    ]
    return [*sorted(gone), *sorted(new)]


@contextmanager
def preserve_history(prefix: str) -> Iterator[None]:
    """Keep the requests in ``conda-meta/history`` as they are during a repair.

    conda would record the exact reinstalled versions as the user's requests and pin them for ever; a repair
    requests nothing new. Its changes of packages stay in the history. A killed run leaves a copy for
    :func:`old_history`.
    """
    path, copy = os.path.join(prefix, HISTORY), os.path.join(prefix, _COPY)
    begun = f"{copy}-unfinished"
    shutil.copy2(path, begun)
    os.replace(begun, copy)
    try:
        yield
    finally:
        _put_back(copy, path)


def _put_back(copy: str, path: str) -> None:
    with open(copy, "rb") as stream:
        old = stream.read()
    with open(path, "rb", opener=only_regular) as stream:
        new = stream.read()
    more = new[len(old) :] if new.startswith(old) else b""
    # Overwritten, not replaced: owner and permissions stay. Its time tells what an interrupted run had done.
    with open(path, "wb", opener=only_regular) as stream:
        stream.write(old + _without_requests(more.decode("utf-8", "replace")).encode("utf-8"))
    found = os.stat(copy)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.unlink(copy)


def _without_requests(text: str) -> str:
    """The revisions in the text that change packages, without the requested specs."""
    kept = []
    for revision in re.split(r"^(?===>)", text, flags=re.MULTILINE):
        lines = [line for line in revision.splitlines(keepends=True) if line.endswith("\n")]
        if revision.startswith("==>") and any(line.startswith(("+", "-")) for line in lines):
            kept += [line for line in lines if not _SPECS.match(line)]
    return "".join(kept)


def old_history(prefix: str) -> None:
    """Put back the requests that a killed repair could not; the caller holds the lock of ``prefix``."""
    copy = os.path.join(prefix, _COPY)
    if os.path.isfile(copy) and not os.path.islink(copy):
        _put_back(copy, os.path.join(prefix, HISTORY))
    with suppress(OSError):
        os.unlink(f"{copy}-unfinished")
