# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose options may hold secrets within longer texts: addresses, specs, variables."""

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

# No count, size or time of an option has more digits.
_DIGITS = 30


class ModuleWithSecrets(AnsibleModule):
    """AnsibleModule that knows the secrets in its options before anything is said.

    While it is made, AnsibleModule logs a task's options to the host's syslog or journal, which users of the
    host may read, and shows them beside its complaint about an option that does not fit: what ``main()`` adds
    to ``no_log_values`` comes too late for both.

    Texts that no file, command or address could hold are refused before anything is done, for all options.
    """

    def __init__(self, **how: Any) -> None:
        """As AnsibleModule, by keywords only."""
        try:
            AnsibleModule.__init__(self, **how)
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            # ansible-core 2.19 stops with a traceback at a number where suboptions belong, and at infinity.
            self._refuse(f"The options of the task cannot be read: {error}.")

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        self.no_log_values.update(self.secrets())

    def secrets(self) -> set[str]:
        """What must not be shown of the options, whose types may still be wrong."""
        return secrets_of_task(self.params)

    def _set_internal_properties(self, *arguments: Any, **how: Any) -> None:
        # What fail_json needs is there from here on.
        AnsibleModule._set_internal_properties(self, *arguments, **how)
        for name, value in self.params.items():
            if problem := _unusable(value) or _unreadable(
                value, self.argument_spec.get(name) or {}
            ):
                self._refuse(f"The option {ascii(name)[1:-1]} {problem}. Nothing was changed.")

    def _refuse(self, why: str) -> NoReturn:
        # Which options are secret as a whole (no_log) ansible-core has not found out yet, so it shows none.
        self.fail_json(msg=why, invocation={"module_args": {}})

    def _log_invocation(self) -> None:
        # Only here the options have the types that they are declared with: a text may have become a mapping.
        self.no_log_values.update(secrets_among(self.params))
        # ansible-core 2.19 stops with a traceback at bytes that are no UTF-8. Such options are not logged.
        with contextlib.suppress(UnicodeEncodeError):
            AnsibleModule._log_invocation(self)


def _unusable(value: Any) -> str:
    """What is wrong with a text inside ``value``; empty when nothing is."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple)):
            left += one
        elif isinstance(one, str):
            if "\0" in one:
                return "holds a null character"
            if not one.isascii():
                try:
                    one.encode()
                except UnicodeEncodeError:
                    return "holds bytes or characters that are no UTF-8"
    return ""


def _unreadable(value: Any, spec: Mapping[str, Any]) -> str:
    """What is wrong with a whole number inside ``value``; empty when nothing is.

    ansible-core 2.19 writes all digits of a number such as ``1e9999999`` out, which takes hours.
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
        # No number at all: ansible-core says so.
        return ""
    return (
        "holds a number that is too large"
        if number.is_finite() and number.adjusted() > _DIGITS
        else ""
    )
