"""How the drivers talk to a person: steps with seconds, live on a terminal, plain in a log."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

# Off a terminal (CI), a step that says nothing for this long gets a line that it still runs.
QUIET_SECONDS = 30.0


P = ParamSpec("P")
R = TypeVar("R")

# Whose lines these are, where several steps run side by side; empty where one runs alone.
_LABEL: ContextVar[str] = ContextVar("label", default="")
_PRINTING = threading.Lock()


@contextmanager
def label(text: str) -> Iterator[None]:
    """Every line that this thread says begins with ``text``: other threads say lines meanwhile."""
    before = _LABEL.set(text)
    try:
        yield
    finally:
        _LABEL.reset(before)


def labelled(function: Callable[P, R]) -> Callable[P, R]:
    """The function for other threads, where its lines begin as this thread's do.

    Each call has a copy of its own, since a context can be entered by one thread at a time.
    """
    context = copy_context()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return call


def is_terminal() -> bool:
    """Whether the output is a terminal that knows colours."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def is_live() -> bool:
    """Whether a line may be rewritten: on a terminal, while nobody else says lines."""
    return is_terminal() and not _LABEL.get()


def style(text: str, *names: str) -> str:
    """The text in a colour or weight where the output is a terminal and NO_COLOR is not set."""
    if not is_terminal() or os.environ.get("NO_COLOR"):
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
    """Prints a line at once, or several, each with the label of this thread."""
    mark = _LABEL.get()
    if mark:
        text = "\n".join(f"{mark:12}{line}" for line in text.splitlines())
    with _PRINTING:
        print(text, flush=True)


def heading(text: str) -> None:
    """Starts a new part of the output."""
    if not _LABEL.get():
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
        self._thread = threading.Thread(target=labelled(self._run), daemon=True)

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
