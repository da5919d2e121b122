"""A conda plugin that writes down every start of conda, so that a test can count them."""

import os
import shlex
import sys
from datetime import UTC, datetime


def _note_start() -> None:
    line = " ".join(
        (
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            str(os.getpid()),
            shlex.join(sys.argv),
        )
    )
    try:
        with open(
            os.path.join(sys.prefix, "conda-meta", ".lab-conda-starts"), "a", encoding="utf-8"
        ) as log:
            log.write(line + "\n")
    except OSError:
        # Another user's conda: counting must never break a command.
        pass


_note_start()
