# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of the module conda_config; plugins/modules/conda_config.py documents it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import Condarc
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.module import (
    CondaModule,
    MakeModule,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.subject import (
    ConfigOutcome,
    ConfigSubject,
    Observed,
    Plan,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms_change import as_result
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Change, Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    redact,
    redact_value,
    secrets_in,
)

# As in the presets of the role install_miniconda. The installers are not used here.
_MIRROR = {
    "channel_alias": {"type": "str", "default": ""},
    "custom_channels": {"type": "dict", "default": {}},
    "default_channels": {"type": "list", "elements": "str", "default": []},
    "redirects": {"type": "bool", "default": False},
    "installers": {"type": "dict", "default": {}},
    "newest_only": {"type": "list", "elements": "str", "default": []},
}

MakeChange = Callable[[ConfigSubject], Change[Plan, Observed, str]]
"""Creates the object that changes a condarc."""


def _result(subject: ConfigSubject, outcome: ConfigOutcome) -> dict[str, Any]:
    terms, check_mode = outcome.observed.terms, subject.module.check_mode
    records = outcome.plan.terms.planned() if check_mode else terms.recorded()
    return {
        "changed": outcome.changed,
        "path": subject.path,
        "settings": redact_value(Condarc(outcome.plan.text or "").values),
        "probed": redact_value(list(outcome.plan.probed)),
        "tos": as_result(records),
        "diff": {
            "before_header": subject.path,
            "after_header": subject.path,
            "before": outcome.before,
            "after": outcome.after,
        },
    }


def main(make: MakeModule = CondaModule, make_change: MakeChange | None = None) -> None:
    """Entry point of the module.

    Args:
        make: creates the module from its argument spec.
        make_change: creates the object that changes a condarc. Without it, the module only reports whether a
            change is needed.
    """
    module = make(
        argument_spec={
            "path": {"type": "path"},
            "scope": {"type": "str", "choices": ["prefix", "user", "system"]},
            "installation": {"type": "path"},
            "settings": {"type": "dict"},
            "mirrors": {"type": "list", "elements": "dict", "default": [], "options": _MIRROR},
            "accept_tos": {"type": "list", "elements": "str"},
            "reject_tos": {"type": "list", "elements": "str"},
            "newer_tos": {"type": "bool", "default": False},
            "merge": {"type": "bool", "default": False},
            "probe": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
        },
        mutually_exclusive=[("path", "scope")],
        required_one_of=[("path", "scope"), ("settings", "accept_tos", "reject_tos")],
        required_if=[("scope", "prefix", ("installation",))],
        supports_check_mode=True,
    )
    module.no_log_values.update(secrets_in(module.params))
    try:
        subject = ConfigSubject(module)
        change = make_change and partial(make_change, subject)
        outcome = Cycle(subject, change, module.check_mode).run()
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        for warning in outcome.warnings:
            module.warn(redact(warning))
        module.exit_json(**_result(subject, outcome))
