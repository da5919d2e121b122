# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of llm_check, which runs inside the checked environment: runs steps and reports results.

The environment never imports this file. Its own interpreter (CPython >= 3.8) reads the source text on stdin,
so the text may use only the standard library, and nothing is written to the host. The checks are in
``inside_checks``; both texts run in one namespace, in which ``main`` finds the functions by name.

Protocol: one JSON object per line on a separate descriptor. ``{"event": "begin", "name", "at"}`` precedes a
step, ``{"event": "result", "name", "at", "passed", "detail", "measured"}`` follows it; ``at`` is
``time.time()``. If the process dies, the step that began without a result is the one in which it died.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import re
import sys
import time
import traceback
from typing import Any, Callable

# Passed to the interpreter with -c: stdin has the sources and the request as one JSON object.
BOOTSTRAP = (
    "import sys, json; sys.path[:] = [p for p in sys.path if p]; "
    "job = json.loads(sys.stdin.buffer.read().decode('utf-8')); space = {'__name__': 'llm_probe'}; "
    "[exec(compile(text, name, 'exec'), space) for name, text in job['sources']]; "
    "space['main'](job['request'], space)"
)

_CANNOT_OPEN = ": cannot open shared object"
_BEFORE_A_FILE = re.compile(r"[\s:'\"]")
_LIBRARY = re.compile(r".\.(?:so|dylib)")
_SITE_PACKAGE = re.compile(r"(?:site|dist)-packages[/\\](?P<package>[^/\\.\"]+)")


def missing_file(text: str) -> str | None:
    """The shared library that the dynamic loader could not open, according to its message in ``text``."""
    # One pattern would backtrack over every part of a line of 100,000 characters.
    for before in text.split(_CANNOT_OPEN)[:-1]:
        word = _BEFORE_A_FILE.split(before)[-1]
        if _LIBRARY.search(word):
            return word
    return None


def package_in(text: str) -> str | None:
    """The first package below ``site-packages`` in a path in ``text``."""
    found = _SITE_PACKAGE.search(text)
    return found.group("package") if found else None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def _root_cause(error: BaseException) -> BaseException:
    """The original exception: packages such as numpy wrap it in a page of advice."""
    seen = {id(error)}
    while True:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            return error
        seen.add(id(cause))
        error = cause


def explain(error: BaseException) -> tuple[str, dict[str, Any]]:
    """One sentence about an exception, and the package and the missing file that it names."""
    root = _root_cause(error)
    text = _first_line(error)
    if root is not error and _first_line(root) != text:
        text += f" (caused by {_first_line(root)})"
    about: dict[str, Any] = {}
    frames = traceback.extract_tb(root.__traceback__) or traceback.extract_tb(error.__traceback__)
    blamed = [package for package in (package_in(frame.filename) for frame in frames) if package]
    if blamed:
        about["package"] = blamed[-1]
    missing = missing_file(str(root)) or missing_file(str(error))
    if missing is None and isinstance(root, ModuleNotFoundError) and root.name:
        about["missing_module"] = root.name
        about.setdefault("package", root.name.split(".")[0])
    elif missing is None and isinstance(root, FileNotFoundError) and root.filename:
        missing = os.fspath(root.filename)
    if missing:
        about["missing_file"] = str(missing)
    for key, words in (("package", "in package"), ("missing_file", "missing file")):
        if key in about and about[key] not in text:
            text += f"; {words} {about[key]}"
    return text, about


# The threshold of the cyclic garbage collector. Importing torch and transformers creates millions of objects
# that stay; with Python's default of 700 (2000 since 3.12), the collector takes a fifth of the import time
# and frees almost nothing.
_GARBAGE_THRESHOLD = 100_000


class _Reporter:
    """Writes events to a private copy of stdout; other output to stdout goes to stderr."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        sys.stdout.flush()
        os.dup2(2, 1)

    def send(self, event: dict[str, Any]) -> None:
        # A startup file (.pth, sitecustomize) may have left an unfinished line on stdout.
        rest = ("\n" + json.dumps(event, default=str) + "\n").encode("utf-8")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _run_step(step: dict[str, Any], functions: dict[str, Any]) -> dict[str, Any]:
    function: Callable[[dict[str, Any]], tuple[bool, str, dict[str, Any]]] = functions[
        step["function"]
    ]
    try:
        passed, detail, measured = function(step["options"])
    except BaseException as error:
        # Includes SystemExit: a package that ends the interpreter on import is broken.
        passed = False
        detail, measured = explain(error)
    return {
        "event": "result",
        "name": step["name"],
        "passed": bool(passed),
        "detail": detail,
        "measured": measured,
        "at": time.time(),
    }


def main(request: dict[str, Any], functions: dict[str, Any]) -> None:
    """Run ``request["steps"]`` in order, up to the end of the first layer with a failure.

    Each step may take ``request["timeout"]`` seconds. Then the interpreter's own watchdog writes the stack of
    every thread to stderr and ends the process, even inside C code.
    """
    reporter = _Reporter()
    faulthandler.enable(file=2)
    if gc.isenabled():
        gc.set_threshold(_GARBAGE_THRESHOLD)
    failed_layer = None
    for step in request["steps"]:
        if failed_layer is not None and step["layer"] != failed_layer:
            break
        reporter.send({"event": "begin", "name": step["name"], "at": time.time()})
        faulthandler.dump_traceback_later(request["timeout"], exit=True, file=2)
        result = _run_step(step, functions)
        faulthandler.cancel_dump_traceback_later()
        reporter.send(result)
        if not result["passed"]:
            failed_layer = step["layer"]
    sys.stderr.flush()
    # All results are sent; threads that a library left running must not keep the process alive.
    os._exit(0)
