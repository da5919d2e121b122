"""The hosts of a Molecule scenario that take part in this run.

``make test`` leaves out of a scenario the hosts that only repeat what others show
(``molecule_step.TEST_LIMITS``). Its playbooks get them as ``--limit`` (``.config/molecule/config.yml``), its
tests through ``taking_part``; both by the variable of the environment that is named here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

VARIABLE = "LAB_LIMIT"


def taking_part(hosts: Iterable[str]) -> list[str]:
    """Those of the hosts that take part, in their order; all where nothing is left out."""
    limit = os.environ.get(VARIABLE, "")
    return [host for host in hosts if not limit or host in limit.split(",")]
