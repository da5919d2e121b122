# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the environment's interpreter while llm_check checks files: importing torch takes seconds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import Report

Work = Callable[[threading.Event], Mapping[str, Report]]


class Ahead:
    """Work that runs in its own thread; the caller fetches its reports later, or never.

    Args:
        work: returns the reports. Soon after its event is set, it must end what it has started and return.

    Raises:
        RuntimeError: the system allows no further thread.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._given_up = threading.Event()
        self._reports: Mapping[str, Report] = {}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="llm_check probe")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._reports = self._work(self._given_up)
        except BaseException as error:
            # Raised by reports(): an error in a layer that is never reached does not count.
            self._error = error

    def reports(self) -> Mapping[str, Report]:
        """Wait for the reports.

        Raises:
            BaseException: what the work raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._reports

    def end(self) -> None:
        """End the work and wait until it has ended; does nothing if it has ended already."""
        self._given_up.set()
        self._thread.join()


def worth_starting(prefix: str, python: str) -> bool:
    """Whether the prefix looks like an environment; the probe starts no program in other directories."""
    history = os.path.join(prefix, "conda-meta", "history")
    return os.path.isfile(history) and os.access(python, os.X_OK)
