# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a role's variables on the controller; plugins/modules/check_variables.py documents it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.template import is_trusted_as_template, trust_as_template

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.plugin_utils._inventory_names import (
    options_of,
    set_by_tasks,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._nearest import nearest


def unknown(names: Iterable[str], role: str, known: Iterable[str]) -> list[str]:
    """Return the variables named ``ROLE_x`` that the role does not have. ``ROLE__x`` is internal."""
    pattern = re.compile(rf"{re.escape(role)}_[^_]")
    return sorted({name for name in names if pattern.match(name)}.difference(known))


def conditions(rule: Mapping[str, Any]) -> list[Any]:
    """Return the conditions of a rule as a list."""
    that = rule["that"]
    return list(that) if isinstance(that, list) else [that]


def all_in_one(rules: Iterable[Mapping[str, Any]]) -> str | None:
    """Join the conditions of all rules into one, or return None if they cannot be joined.

    Ansible compiles every condition separately and evaluates the variables again for each of them. The
    conditions almost always hold, so one joined condition saves that time.
    """
    each = [condition for rule in rules for condition in conditions(rule)]
    if not all(isinstance(one, str) and is_trusted_as_template(one) for one in each):
        return None
    return trust_as_template(" and ".join(f"({one.strip()})" for one in each))


class ActionModule(ActionBase):
    """Validate types and choices, refuse misspelt names, then evaluate the rules in order."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff_mode = False

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Leave the rules as templates: a message is evaluated only if its condition fails."""
        if name == "rules":
            return value
        return super().finalize_task_arg(name, value, templar, context)

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail the task with the first mistake, if there is one."""
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        path = str(self._task.args.get("role_path") or "")
        rules = self._task.args.get("rules") or []
        if not path or not isinstance(rules, list):
            raise AnsibleActionFail("check_variables requires role_path, and rules must be a list.")
        role = os.path.basename(path)
        options = options_of(path, self._loader)
        values = self._templar.template(
            {name: task_vars[name] for name in options if name in task_vars}
        )
        # The validator converts values in place; the rules see the original values.
        variables = {**task_vars, **values}
        errors = (
            ArgumentSpecValidator(options)
            .validate(values, validate_role_argument_spec=True)
            .error_messages
        )
        if errors:
            result["argument_errors"] = [redact(error) for error in errors]
            return self._refused(result, "Validation of arguments failed:\n" + "\n".join(errors))
        wrong, strange = self._unknown(role, options, task_vars)
        if wrong:
            return self._refused(result, wrong)
        for name in self._task.args.get("once") or []:
            variables[name] = self._with(variables).template(task_vars[name])
        message = self._first_mistake(rules, variables)
        if message is not None:
            return self._refused(result, message)
        if strange:
            # The same text for all hosts: Ansible prints it once.
            result["warnings"] = [*result.get("warnings", []), strange]
        return result

    def _unknown(
        self, role: str, options: Mapping[str, Any], task_vars: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Return why the role's variables are refused, and a warning; both may be empty.

        A name like that of a variable is a mistake. Any other name may have a meaning of its own to the
        people who wrote it, for example ``verify_contact``: that is a warning, unless llmfleet_strict is set.
        """
        names = unknown(task_vars, role, options)
        own: set[str] | None = set()
        if names:
            own = set_by_tasks(task_vars.get("hostvars"), task_vars.get("inventory_hostname", ""))
            names = [name for name in names if name not in (own or ())]
        meant = {name: nearest(name, options) for name in names}
        likely = [name for name in names if meant[name]]
        if likely:
            guesses = ", ".join(f"{meant[name]} instead of {name}" for name in likely)
            told = (
                f"The role {role} has no variable {', '.join(likely)}. Did you mean {guesses}? Its README"
                " lists its variables."
            )
            # A task may have set them, which is no mistake: this release of ansible-core does not tell.
            return ("", told) if own is None else (told, "")
        if not names or own is None:
            return "", ""
        told = (
            f"The role {role} has no variable {', '.join(names)}, so it has no effect there. Its README lists"
            " its variables."
        )
        strict = self._templar.template(task_vars.get("llmfleet_strict") or False)
        if boolean(strict, strict=False):
            return f"{told} The run stops because llmfleet_strict is set.", ""
        return "", told

    def _first_mistake(
        self, rules: list[Mapping[str, Any]], variables: dict[str, Any]
    ) -> str | None:
        """Return the message of the first rule that does not hold, or None if all hold."""
        templar = self._with(variables)
        together = all_in_one(rules)
        if together is not None:
            try:
                if templar.evaluate_conditional(together):
                    return None
            except Exception:
                # A rule may be invalid if an earlier one does not hold. Evaluate them one by one.
                together = None
        for rule in rules:
            if not all(templar.evaluate_conditional(one) for one in conditions(rule)):
                return str(templar.template(rule["fail_msg"]))
        return None

    def _with(self, variables: dict[str, Any]) -> Any:
        return self._templar.copy_with_new_env(available_variables=variables)

    @staticmethod
    def _refused(result: dict[str, Any], message: str) -> dict[str, Any]:
        # A message may quote a variable, for example a channel URL with a token.
        result.update(failed=True, msg=redact(message))
        return result
