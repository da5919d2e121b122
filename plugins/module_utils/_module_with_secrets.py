# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose options may hold secrets within longer texts: addresses, specs, variables."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_variables import (
    secret_values,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import secrets_in


class ModuleWithSecrets(AnsibleModule):
    """AnsibleModule that knows the secrets in its options before anything is said.

    While it is made, AnsibleModule logs a task's options to the host's syslog or journal, which users of the
    host may read, and shows them beside its complaint about an option that does not fit: what ``main()`` adds
    to ``no_log_values`` comes too late for both.
    """

    def __init__(self, **how: Any) -> None:
        """As AnsibleModule, by keywords only."""
        try:
            AnsibleModule.__init__(self, **how)
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            # ansible-core 2.19 stops with a traceback at a number where suboptions belong, and at infinity.
            self.fail_json(msg=f"The options of the task cannot be read: {error}.")

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        self.no_log_values.update(secrets_in(self.params))

    def _log_invocation(self) -> None:
        # Only here the options have the types that they are declared with.
        self.no_log_values.update(secret_values(self.params.get("variables")))
        # ansible-core 2.19 stops with a traceback at bytes that are no UTF-8. Such options are not logged.
        with contextlib.suppress(UnicodeEncodeError):
            AnsibleModule._log_invocation(self)
