# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a package record without parsing its long lists, ``files`` and ``paths_data``, until they are needed.

They are 95 percent of ``conda-meta``, and most questions (is numpy installed, in which version, from which
channel) do not need them. conda writes a record with sorted keys and one item a line
(``write_as_json_to_file`` in ``conda.core.prefix_data.PrefixData.insert``, indented by two spaces), so the
lists can be cut out as text. A record in another format is parsed as a whole.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PathLists


def read_record(text: bytes) -> tuple[dict[str, Any], PathLists]:
    """Return a record without its long lists, and the lists.

    Raises:
        ValueError: the text is not a JSON object.
        TypeError: it is JSON of another type.
    """
    parts = _cut(text)
    if parts:
        short, files, paths = parts
        data = json_document.loads(short)
        # Fails for duplicate keys, and for keys that are not on the top level.
        if isinstance(data, dict) and data.get("files") == [] and data.get("paths_data") == {}:
            return data, PathLists(files, paths)
    data = json_document.loads(text)
    if not isinstance(data, dict):
        raise TypeError("it is not a mapping")
    return data, PathLists(data.get("files") or (), data.get("paths_data") or {})


# An empty list is written on one line, so it never opens like this; otherwise the end of another list would
# be taken for its own.
_FILES = b'\n  "files": [\n'
_PATHS = b'\n  "paths_data": {\n'
_FILES_END = b"\n  ]"
# The last key of paths_data, which no other mapping of a record has. Searched from the end of the file,
# because little follows it.
_PATHS_END = b'\n    "paths_version": 1\n  }'


def _cut(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The record with both lists empty, and the two lists; None if conda did not write it in this format."""
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
