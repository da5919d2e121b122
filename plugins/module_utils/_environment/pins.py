# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and checks pins: ``conda-meta/pinned``, one match spec per line, which conda's solver honours.

A pin limits the version of a package if the package is installed; it installs nothing. Blank lines and lines
that start with ``#`` are ignored (conda, ``conda.core.solve.get_pinned_specs``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import (
    Wanted,
    is_satisfied,
    parse_specs,
)

PINNED = os.path.join("conda-meta", "pinned")


def read_pins(prefix: str) -> tuple[str, ...]:
    """The pins of the environment at ``prefix``, in the order of the file; none without a file.

    Raises:
        CondaModuleError: the file exists but cannot be read.
    """
    path = os.path.join(prefix, PINNED)
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            lines = [line.strip() for line in stream]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CondaModuleError(
            f"The pins file {path} cannot be read: {reason}. Nothing was changed.",
            prefix=prefix,
            hint="correct or remove that file; conda reads it too.",
        ) from error
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def given_pins(given: Iterable[str]) -> tuple[str, ...]:
    """Check the option ``pinned`` and return its pins, each once.

    Raises:
        CondaModuleError: a pin is not a match spec or names no version, or two pin the same package.
    """
    pins = tuple(dict.fromkeys(pin.strip() for pin in given))
    names: dict[str, str] = {}
    for pin in pins:
        problem = ""
        try:
            (parsed,) = parse_specs([pin])
        except InvalidSpecError as error:
            problem = str(error) if pin in str(error) else f"{pin}: {error}"
        else:
            name = parsed.spec.name if parsed.spec else pin
            if name in names:
                problem = f"{names[name]} and {pin} pin the same package; conda would use only one of them"
            elif name == pin:
                problem = f"{pin} allows every version, so it pins nothing"
            names[name] = pin
        if "\n" in pin or pin.startswith("#"):
            problem = f"{pin!r} is not a single line with a match spec"
        if problem:
            raise CondaModuleError(
                f"The option pinned cannot be used: {problem}. Nothing was changed.",
                asked=list(pins),
                hint="write one match spec per package, such as numpy=1.26 or 'numpy>=1.26,<2'.",
            )
    return pins


def parsed_pins(pins: Iterable[str]) -> tuple[Wanted, ...]:
    """The pins as specs. A pin that is invalid, or that only conda understands, has no parsed form."""
    parsed: list[Wanted] = []
    for pin in pins:
        try:
            parsed += parse_specs([pin])
        except InvalidSpecError:
            parsed.append(Wanted(pin, None))
    return tuple(parsed)


def violations(
    pins: Sequence[Wanted], records: Mapping[str, PackageRecord]
) -> list[tuple[Wanted, PackageRecord]]:
    """Each pin that a package in ``records`` violates, with that package."""
    return [
        (pin, records[pin.spec.name])
        for pin in pins
        if pin.spec and pin.spec.name in records and not is_satisfied(pin, records)
    ]
