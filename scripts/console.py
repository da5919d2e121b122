"""How the drivers talk to a person: steps with seconds, live on a terminal, plain in a log."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

# Off a terminal (CI), a step that says nothing for this long gets a line that it still runs.
QUIET_SECONDS = 30.0


def is_live() -> bool:
    """Whether the output is a terminal that understands rewriting a line."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def style(text: str, *names: str) -> str:
    """The text in a colour or weight where the output is a terminal and NO_COLOR is not set."""
    if not is_live() or os.environ.get("NO_COLOR"):
        return text
    codes = ";".join(_STYLES[name] for name in names)
    return f"\033[{codes}m{text}\033[0m"


def width() -> int:
    """Columns to write in: the terminal's, at most 100; 100 off a terminal."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def clip(text: str, limit: int) -> str:
    """The text cut to `limit` characters, with an ellipsis where it was."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def shorten(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters."""
    return clip(" ".join(text.split()), limit)


def say(text: str = "") -> None:
    """Prints a line at once."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Starts a new part of the output."""
    say()
    say(style(text, "bold"))


class Ticker:
    """Shows that something runs: a rewritten line on a terminal, a line now and then elsewhere.

    Use as a context manager around the work; `update` changes what is shown, `line` prints a
    finished line above it. Thread safe.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._since = time.monotonic()
        self._said = time.monotonic()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def update(self, text: str) -> None:
        """What runs now; its clock starts anew when the text differs."""
        with self._lock:
            if text != self._text:
                self._text = text
                self._since = self._said = time.monotonic()

    def line(self, text: str) -> None:
        """Prints a finished line."""
        with self._lock:
            self._erase()
            say(text)
            self._said = time.monotonic()

    def _erase(self) -> None:
        if is_live():
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()

    def _run(self) -> None:
        while not self._done.wait(0.5):
            with self._lock:
                if not self._text:
                    continue
                seconds = time.monotonic() - self._since
                if is_live():
                    text = shorten(self._text, width() - 16)
                    sys.stdout.write("\r\033[K" + style(f"  … {text}  {duration(seconds)}", "dim"))
                    sys.stdout.flush()
                elif time.monotonic() - self._said >= QUIET_SECONDS:
                    say(f"  … {self._text} ({duration(seconds)} so far)")
                    self._said = time.monotonic()
