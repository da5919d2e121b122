# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes state.json and the journal of a generation that is being built."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import write_file
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    FORMAT,
    Place,
    State,
)

JOURNAL = "building.json"
# Ends the name of a file beside a generation: its packages as an explicit list.
LISTS = ".txt"


def write_state(place: Place, state: State) -> None:
    """Replace state.json.

    Raises:
        CondaModuleError: it cannot be written; the old one stays.
    """
    content = {
        "format": FORMAT,
        "environment": place.link,
        "current": state.current,
        "previous": state.previous,
        "rolled_back_from": state.rolled_back_from,
        "removing": list(state.removing),
        "generations": {
            str(number): {key: value for key, value in asdict(one).items() if key != "number"}
            for number, one in sorted(state.known.items())
        },
    }
    _write(place, place.state, content)


def journal_of(place: Place) -> dict[str, Any] | None:
    """The journal of a run that was building a generation; None without one.

    ``number`` is the generation, ``directory`` the proof that its directory is the run's (``claim``). A file
    that cannot be read counts as a journal without content.
    """
    path = os.path.join(place.store, JOURNAL)
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            data = json_document.load(stream)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_journal(place: Place, content: Mapping[str, Any]) -> None:
    """Write the journal.

    Raises:
        CondaModuleError: it cannot be written.
    """
    _write(place, os.path.join(place.store, JOURNAL), content)


def forget_journal(place: Place) -> None:
    """Remove the journal: the generation is complete, or gone."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(os.path.join(place.store, JOURNAL))


def _write(place: Place, path: str, content: Mapping[str, Any]) -> None:
    try:
        text = json.dumps(content, indent=1, sort_keys=True)
        write_file(path, f"{text}\n".encode(), 0o644)
    except OSError as error:
        raise CondaModuleError(
            f"{path} cannot be written: {error.strerror}.",
            prefix=place.link,
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error
