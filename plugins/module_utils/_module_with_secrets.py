# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module whose options may hold secrets within longer texts: addresses, specs, variables."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._environment_variables import (
    secret_values,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import secrets_in


class ModuleWithSecrets(AnsibleModule):
    """AnsibleModule that knows the secrets before it writes its options to the host's log.

    Ansible logs each module's options to syslog or the journal while the module is constructed, so that
    what ``main()`` adds to ``no_log_values`` comes too late for that. Users of the host may read the log.
    """

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets_in(self.params))
        self.no_log_values.update(secret_values(self.params.get("variables")))
        super()._log_invocation()
