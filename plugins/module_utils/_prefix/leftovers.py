# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleans up after a killed run: files that conda set aside, and requests missing from the history."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.tree import remove_made
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    HISTORY,
    LEFT,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.revisions import (
    add_requests,
    old_history,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    pending_journal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    is_satisfied,
    parse_specs,
)

# conda renames a file that it unlinks, and removes it when all files are linked
# (conda.core.path_actions.UnlinkPathAction, conda.base.constants.CONDA_TEMP_EXTENSION).
_SET_ASIDE = ".c~"
# The directory in which conda writes the prefix into copies of package files before it unlinks anything
# (conda.core.link.UnlinkLinkTransaction, conda.core.path_actions.PrefixReplaceLinkAction).
_COPIES = ".condatmp"
# Names as Python's tempfile creates them, and as conda names a link that it makes to see whether it can
# (conda.gateways.disk.test.hardlink_supported).
_TEMPORARY = re.compile(r"\.tmp[a-z0-9_]{8}|\.tmp\.index\.json(?:\.[0-9a-f]{8})?")
# This collection renames an unreadable record so: conda fails on it.
UNREADABLE = ".unreadable"


def clear_up(prefix: str) -> None:
    """Finish an interrupted change as far as no conda is needed; the caller holds the lock of the prefix."""
    old_history(prefix)
    put_back_records(prefix)
    remove_set_aside(prefix)
    remove_scripts(prefix)
    remove_copies(prefix)
    write_down_requests(prefix)
    # Left by an interrupted removal; the prefix becomes an environment again.
    remove_file(prefix, LEFT)
    # Last, because this file shows that conda was killed while it wrote the history.
    remove_file(prefix, HISTORY + _SET_ASIDE)


def write_down_requests(prefix: str) -> None:
    """Add the requests of an interrupted run that were fulfilled to the history, if conda could not.

    conda links all packages and compiles their files before it writes the history (conda.core.link). A
    missing request, or an old one that is still there, would undo the change at the next occasion.
    """
    journal = pending_journal(prefix)
    if not journal or journal.get("operation") != "change":
        return
    history = os.path.join(prefix, HISTORY)
    # conda copies the history before it writes (conda.core.path_actions.UpdateHistoryAction) and writes the
    # requests last: while the copy exists, they may be missing. Writing them twice is harmless.
    written = os.stat(history).st_mtime_ns > os.stat(journal["journal"]).st_mtime_ns
    if written and not os.path.lexists(history + _SET_ASIDE):
        return
    records = observe_prefix(prefix).records
    asked = [item for item in parse_specs(journal.get("asked") or ()) if item.spec]
    wanted = [item.text for item in asked if is_satisfied(item, records)]
    unwanted = [name for name in journal.get("remove") or () if name not in records]
    if wanted or unwanted:
        add_requests(prefix, wanted, unwanted, records.values())


def remove_set_aside(prefix: str) -> list[str]:
    """Remove the files ``NAME.c~`` of packages, and the directories that become empty.

    Only if NAME belongs to a package of the prefix, recorded or just unlinked: editors use the same suffix
    for backups of C files. The caller holds the lock of the prefix.

    Returns:
        Their paths, relative to the prefix.
    """
    meta = os.path.join(prefix, "conda-meta")
    removed = []
    records = []
    for name in sorted(os.listdir(meta)):
        if name.endswith((".json", f".json{_SET_ASIDE}")):
            records.append(name)
    for path in sorted({path for name in records for path in _files(os.path.join(meta, name))}):
        if remove_file(prefix, path + _SET_ASIDE):
            removed.append(path + _SET_ASIDE)
    for name in records:
        # Last, because these records list the other files to remove.
        if name.endswith(_SET_ASIDE):
            removed.append(os.path.join("conda-meta", name))
            os.unlink(os.path.join(meta, name))
    return removed


def remove_scripts(prefix: str) -> None:
    """Remove what a killed conda left: scripts (conda.utils.wrap_subprocess_call) and trial links."""
    with os.scandir(prefix) as entries:
        found = [entry for entry in entries if _TEMPORARY.fullmatch(entry.name)]
    for entry in found:
        if entry.is_file(follow_symlinks=False):
            os.unlink(entry.path)


def remove_copies(prefix: str) -> None:
    """Remove the copies that a killed conda was about to link, or had linked."""
    # A copy that cannot be removed does no harm. A link is not conda's directory and stays.
    path = os.path.join(prefix, _COPIES)
    if not os.path.islink(path):
        remove_made(path)


def put_back_records(prefix: str) -> None:
    """Give unreadable records their names back, so that the next plan sees what to repair.

    If conda has linked the package again meanwhile, remove the old record. The caller holds the lock.
    """
    meta = os.path.join(prefix, "conda-meta")
    for name in os.listdir(meta):
        if name.endswith(f".json{UNREADABLE}"):
            aside = os.path.join(meta, name)
            original = aside[: -len(UNREADABLE)]
            if os.path.lexists(original):
                remove_unreadable(aside)
            else:
                os.replace(aside, original)


def remove_unreadable(path: str) -> None:
    """Remove a record that was set aside. A directory at its path is not a record and stays."""
    with suppress(IsADirectoryError, PermissionError):
        os.unlink(path)


@contextmanager
def guard_records(prefix: str) -> Iterator[None]:
    """If the block fails, remove truncated records that conda began to write in it.

    When a full disk truncates a record, conda rolls back every link except that file (conda 24.7,
    core.prefix_data.PrefixData.insert and remove), and cannot read the prefix from then on. Older records
    stay. After an interrupted conda nothing is removed: the next run continues from its journal. The caller
    holds the lock of the prefix.
    """
    meta = os.path.join(prefix, "conda-meta")
    before = _records(meta)
    try:
        yield
    except Exception as error:
        if not getattr(error, "cut_off", False):
            for name in _records(meta) - before:
                if _is_cut_short(os.path.join(meta, name)):
                    with suppress(OSError):
                        os.unlink(os.path.join(meta, name))
        raise


def _records(meta: str) -> frozenset[str]:
    try:
        return frozenset(name for name in os.listdir(meta) if name.endswith(".json"))
    except OSError:
        return frozenset()


def _is_cut_short(record: str) -> bool:
    try:
        with open(record, encoding="utf-8", opener=only_regular) as stream:
            json_document.load(stream)
    except OSError:
        return False
    except ValueError:
        return True
    return False


def _files(record: str) -> list[str]:
    try:
        with open(record, encoding="utf-8") as stream:
            found = json.load(stream)["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []


def remove_file(prefix: str, path: str) -> bool:
    """Remove a file, if it exists and is inside the prefix, and the directories that become empty."""
    full = os.path.join(prefix, path)
    try:
        if not os.path.lexists(full):
            return False
        root, parent = os.path.realpath(prefix), os.path.realpath(os.path.dirname(full))
        if os.path.commonpath([root, parent]) != root:
            return False
        os.unlink(full)
    except (OSError, ValueError):
        return False
    while parent != root:
        try:
            os.rmdir(parent)
        except OSError:
            break
        parent = os.path.dirname(parent)
    return True
