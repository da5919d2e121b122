# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known vulnerabilities of the base environment: told to people, never a failure or a change."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.plugins.module_utils._installation._installer_rows import (
    VULNERABILITIES,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.installers import (
    parse_installer_version,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    InstallationRequest,
    ObservedInstallation,
    is_older,
)


def known_vulnerabilities(
    request: InstallationRequest, plan: InstallationPlan, observed: ObservedInstallation
) -> list[str]:
    """One sentence for each known vulnerability, with what to do about it.

    The package that is there decides, because an update of conda alone does not replace it. Only an
    installer that has not run yet is judged by its version.

    Args:
        observed: the state at the end of the run, in check mode the state found.
    """
    if request.state == "absent":
        return []
    found = []
    records = observed.state.records
    planned = plan.action in ("install", "reinstall") and not observed.is_installation
    # Another file may be behind the name; its packages are judged once they are installed.
    own = request.installer_url or request.installer_path or request.checksum
    for name, package, good, distribution, until in VULNERABILITIES:
        record = records.get(package)
        if record:
            if is_older(record.version, good):
                found.append(
                    f"{package} {record.version} in the base environment of {request.prefix} may have the"
                    f" vulnerability {name}, which {distribution} {until} fixed with {package} {good}. Update"
                    f" it with llmfleet.conda.conda_package (installation: {request.prefix}, name: base,"
                    f" packages: ['{package}>={good}'])."
                )
        elif planned and not own and distribution == request.distribution:
            conda = parse_installer_version(distribution, request.version).conda
            if conda and is_older(conda, until):
                found.append(
                    f"{distribution} {request.version} may have the vulnerability {name} in {package}, which"
                    f" {distribution} {until} fixed. Install {until} or newer (options version, checksum and"
                    f" mirror), or update {package} in the base environment afterwards."
                )
    return found
