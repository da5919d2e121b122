# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of llm_check that runs inside the checked environment: takes steps, reports results.

This file is never imported there. Its source text is fed to the environment's own interpreter
(CPython >= 3.8) on stdin, so it may use nothing but that interpreter's standard library, and
nothing is written to the host. The checks themselves are in ``inside_checks``; both texts are
executed in one namespace, and ``main`` finds the functions there by name.

Protocol: one JSON object a line on a descriptor of its own. Before a step comes
``{"event": "begin", "name", "at"}``, after it
``{"event": "result", "name", "at", "passed", "detail", "measured"}``; ``at`` is ``time.time()``.
A step that began and has no result is the one in which the process died.
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

# Executed by the interpreter's -c: stdin carries the sources and the request as one JSON object.
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
    """The shared library that the dynamic loader's message in ``text`` says it could not open."""
    # Not by one pattern: of a line of some 100,000 characters it would try every part.
    for before in text.split(_CANNOT_OPEN)[:-1]:
        word = _BEFORE_A_FILE.split(before)[-1]
        if _LIBRARY.search(word):
            return word
    return None


def package_in(text: str) -> str | None:
    """The first package below ``site-packages`` that a path in ``text`` names."""
    found = _SITE_PACKAGE.search(text)
    return found.group("package") if found else None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def _root_cause(error: BaseException) -> BaseException:
    """The exception that started it: packages such as numpy wrap it in a page of advice."""
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


# So many objects are made before the collector of cyclic garbage looks again. Importing torch and
# transformers makes millions, which stay; at Python's own 700 (2000 since 3.12) the collector takes a
# fifth of that time to find next to nothing.
_GARBAGE_THRESHOLD = 100_000


class _Reporter:
    """Writes events to a private copy of stdout; stdout itself joins stderr, noise and all."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        sys.stdout.flush()
        os.dup2(2, 1)

    def send(self, event: dict[str, Any]) -> None:
        # A start file of the environment may have left an unfinished line there.
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
        # SystemExit too: a package that ends the interpreter while it is imported is broken.
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
    """Run ``request["steps"]`` in order, to the end of the first layer in which one fails.

    Each step may take ``request["timeout"]`` seconds; after that the interpreter's own watchdog
    writes every thread's stack to stderr and ends the process, even in the middle of C code.
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
    # Everything is told; threads that a library left running must not keep the process alive.
    os._exit(0)
