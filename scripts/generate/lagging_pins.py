"""Finds pins that lag years behind their package, which a resolver chooses without a word.

A resolver that meets a conflict, or a requirement without a minimum version, takes an old release of the
package in question and reports success. On 2026-11-22 the profile ``serve`` so came to cuda-python 12.6.2 of
2024 beside cuda-bindings 13.5.

A pin lags if a newer release that the same Python and platform can install was out :data:`MONTHS` months
ago. ``lagging_pins.yml`` lists the pins that may lag, each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import yaml
from packaging.version import Version

from scripts.generate.resolver import ResolveError, Resolver

MONTHS = 18
ALLOWED = Path(__file__).with_suffix(".yml")


class Profiled(Protocol):
    """What is needed of :class:`scripts.generate.make_constraints.Profile`."""

    @property
    def name(self) -> str:
        """Of the profile."""

    @property
    def platform(self) -> str:
        """As uv names it."""


def months_before(day: date, months: int) -> date:
    """The first day of the month that many months earlier."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def allowed(path: Path = ALLOWED) -> dict[str, dict[str, str]]:
    """The reasons by package, by profile."""
    data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return dict(data)


def lagging(
    resolver: Resolver,
    profile: Profiled,
    python: str,
    pins: Mapping[str, str],
    today: date | None = None,
    reasons: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """One line for each pin that lags and has no reason.

    Args:
        today: the day to count from, today's without one.
        reasons: replaces the allowed ones.
    """
    known = (allowed() if reasons is None else reasons).get(profile.name, {})
    then = months_before(today or datetime.now(UTC).date(), MONTHS)
    found = []
    for name, version in _behind(resolver, profile, python, pins).items():
        older = _newest_before(resolver, name, then, python, profile.platform)
        if name not in known and older and Version(version) < Version(older):
            found.append(
                f"lagging: {profile.name} for Python {python} pins {name}=={version}, but {older} was out"
                f" before {then.isoformat()}. Give {name} or what needs it a minimum version in the"
                f" profile, or name the reason in {ALLOWED.name}."
            )
    return found


def _behind(
    resolver: Resolver, profile: Profiled, python: str, pins: Mapping[str, str]
) -> dict[str, str]:
    """The pins that are not the newest of their packages today, by name."""
    if not pins:
        return {}
    newest = resolver.resolve(list(pins), python, profile.platform, None, "--no-deps")
    return {name: version for name, version in pins.items() if newest[name] != version}


def _newest_before(
    resolver: Resolver, name: str, day: date, python: str, platform: str
) -> str | None:
    """The newest version that was out on that day; None if there was none."""
    words = ("--no-deps", "--exclude-newer", day.isoformat())
    try:
        return resolver.resolve([name], python, platform, None, *words)[name]
    except ResolveError as error:
        if "No solution found" not in str(error):
            raise
        return None
