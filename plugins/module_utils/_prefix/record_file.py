# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two long lists of a package record, ``files`` and ``paths_data``, left unread until they are asked for.

They are nineteen twentieths of ``conda-meta``, and most questions (is numpy there, in which version, from
which channel) need none of them. conda writes a record with sorted keys and one item a line
(``write_as_json_to_file`` in ``conda.core.prefix_data.PrefixData.insert``, two spaces deep), so the lists
can be cut out as text. A record that looks otherwise is read as a whole.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PathLists


def read_record(text: bytes) -> tuple[dict[str, Any], PathLists]:
    """A record without its long lists, and the lists.

    Raises:
        ValueError: what was read is no JSON object.
        TypeError: it is JSON of another kind.
    """
    parts = _cut(text)
    if parts:
        short, files, paths = parts
        data = json_document.loads(short)
        # Keys that come twice, or that were not the outermost ones, would show here.
        if isinstance(data, dict) and data.get("files") == [] and data.get("paths_data") == {}:
            return data, PathLists(files, paths)
    data = json_document.loads(text)
    if not isinstance(data, dict):
        raise TypeError("it is no mapping")
    return data, PathLists(data.get("files") or (), data.get("paths_data") or {})


# An empty list is written in one line, so it never opens like this; the end of another list would be taken
# for its own.
_FILES = b'\n  "files": [\n'
_PATHS = b'\n  "paths_data": {\n'
_FILES_END = b"\n  ]"
# The last key of paths_data, which no other mapping of a record has. It is looked for from the end of the
# file, for what follows it is short.
_PATHS_END = b'\n    "paths_version": 1\n  }'


def _cut(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The record with both lists empty, and the two lists; None when it is not written as conda does."""
    if not text.startswith(b'{\n  "'):
        return None
    files = text.find(_FILES)
    files_end = text.find(_FILES_END, files)
    paths = text.find(_PATHS, files_end)
    paths_end = text.rfind(_PATHS_END)
    if not 0 < files < files_end < paths < paths_end:
        return None
    files += len(_FILES) - 2
    files_end += len(_FILES_END)
    paths += len(_PATHS) - 2
    paths_end += len(_PATHS_END)
    short = text[:files] + b"[]" + text[files_end:paths] + b"{}" + text[paths_end:]
    return short, text[files:files_end], text[paths:paths_end]
