# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AnsibleModule for options that may contain secrets within longer texts: URLs, specs, variables."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import (
    secrets_among,
    secrets_of_task,
)

# No count, size or time in an option has more digits.
_DIGITS = 30


class ModuleWithSecrets(AnsibleModule):
    """AnsibleModule that registers the secrets in its options before it logs or prints them.

    Its constructor logs the task's options to the host's syslog or journal, which users of the host may read,
    and prints them when an option is invalid. Secrets that ``main()`` adds to ``no_log_values`` come too late
    for both.

    It refuses texts that no file, command or URL could contain, in all options, before it does anything.
    """

    def __init__(self, **how: Any) -> None:
        """Like AnsibleModule, with keyword arguments only."""
        try:
            AnsibleModule.__init__(self, **how)
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            # ansible-core 2.19 raises a traceback for a number in place of suboptions, and for infinity.
            self._refuse(f"Cannot read the options of the task: {error}.")

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        self.no_log_values.update(self.secrets())

    def secrets(self) -> set[str]:
        """The secrets in the options, whose types are not validated yet."""
        return secrets_of_task(self.params)

    def _set_internal_properties(self, *arguments: Any, **how: Any) -> None:
        # From here on, fail_json works.
        AnsibleModule._set_internal_properties(self, *arguments, **how)
        for name, value in self.params.items():
            if problem := _unusable(value) or _unreadable(
                value, self.argument_spec.get(name) or {}
            ):
                self._refuse(f"The option {ascii(name)[1:-1]} {problem}. Nothing was changed.")

    def _refuse(self, why: str) -> NoReturn:
        # ansible-core does not know yet which options are no_log, so this shows no option at all.
        self.fail_json(msg=why, invocation={"module_args": {}})

    def _log_invocation(self) -> None:
        # Only here do the options have their declared types: a text may have become a mapping.
        self.no_log_values.update(secrets_among(self.params))
        # ansible-core 2.19 raises a traceback for bytes that are not UTF-8. Such options are not logged.
        with contextlib.suppress(UnicodeEncodeError):
            AnsibleModule._log_invocation(self)


def _unusable(value: Any) -> str:
    """Return why a text inside ``value`` cannot be used; empty when all can."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple)):
            left += one
        elif isinstance(one, str):
            if "\0" in one:
                return "contains a null character"
            if not one.isascii():
                try:
                    one.encode()
                except UnicodeEncodeError:
                    return "contains bytes or characters that are not valid UTF-8"
    return ""


def _unreadable(value: Any, spec: Mapping[str, Any]) -> str:
    """Return why an integer inside ``value`` cannot be used; empty when all can.

    ansible-core 2.19 writes out all digits of a number such as ``1e9999999``, which takes hours.
    """
    if isinstance(value, Mapping):
        options = spec.get("options") or {}
        found = (_unreadable(one, options.get(name) or {}) for name, one in value.items())
        return next(filter(None, found), "")
    if isinstance(value, (list, tuple)):
        inner = {**spec, "type": spec.get("elements")}
        return next(filter(None, (_unreadable(one, inner) for one in value)), "")
    if spec.get("type") != "int" or not isinstance(value, (int, float, str)):
        return ""
    try:
        number = Decimal(value)
    except (DecimalException, ValueError):
        # Not a number: ansible-core reports it.
        return ""
    return (
        "contains a number that is too large"
        if number.is_finite() and number.adjusted() > _DIGITS
        else ""
    )
