# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AnsibleModule that also knows the secrets of conda's configuration and of the host's environment."""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.secrets import (
    secrets_of_conda,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.module import ModuleWithSecrets
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import (
    SHORTEST_SECRET,
    secrets_among,
)


class CondaModule(ModuleWithSecrets):
    """Base class of every module of this collection that runs on a host.

    conda expands environment variables in channels and in its configuration, and prints the result.
    """

    def secrets(self) -> set[str]:
        """The secrets of the task, of the environment and of conda."""
        names = ("installation", "conda_prefix", "prefix")
        prefixes = {str(self.params.get(name) or "") for name in names}
        further = secrets_among(dict(os.environ)) | secrets_of_conda(prefixes)
        # These do not come from the task, so a short one must not mask parts of its result.
        long_enough = {secret for secret in further if len(secret) >= SHORTEST_SECRET}
        return ModuleWithSecrets.secrets(self) | long_enough


MakeModule = Callable[..., AnsibleModule]
"""Creates the module from AnsibleModule's own keyword arguments."""
