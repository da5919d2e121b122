# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check how a playbook was called; plugins/modules/check_run.py documents it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.llmfleet.conda.plugins.plugin_utils._inventory_names import (
    ROLES,
    options_of,
    role_names,
    set_by_tasks,
)
from ansible_collections.llmfleet.conda.plugins.plugin_utils._nearest import nearest

# Ansible templates these keywords of a play before it loads the variables of any host.
READ_BEFORE_HOSTS = ("llmfleet_hosts", "llmfleet_max_fail_percentage", "llmfleet_serial")
# All variables of the playbooks.
OF_PLAYBOOKS = (
    *READ_BEFORE_HOSTS,
    "llmfleet_clean",
    "llmfleet_clean_min_age",
    "llmfleet_environment",
    "llmfleet_generation",
    "llmfleet_remove_environments",
    "llmfleet_strict",
    "llmfleet_verify",
)
# Tags that Ansible itself understands (ansible.playbook.taggable).
_SPECIAL_TAGS = frozenset({"all", "always", "never", "tagged", "untagged"})
# Names outside a role's prefix may be anybody's: only a name with so few mistakes is taken for one of ours.
_MISTAKES = 2
# `verify_` is an ordinary word: without its exact prefix, a name is not taken for one of that role.
_SHORTEST_PREFIX = 12
_NAMED = 3


class ActionModule(ActionBase):
    """Look at the tags and at the variables of all hosts of the wave, once for all of them."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff_mode = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the hosts of the wave and of later waves; fail for what Ansible would silently ignore."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        everyone = list(variables.get("ansible_play_hosts_all") or [])
        wave = list(variables.get("ansible_play_batch") or [])
        last = everyone.index(wave[-1]) if wave and wave[-1] in everyone else len(everyone) - 1
        result.update(changed=False, wave=wave, later=everyone[last + 1 :])
        found = self._names(wave, variables.get("hostvars"))
        ignored = {name: found[name] for name in READ_BEFORE_HOSTS if name in found}
        if ignored:
            return {**result, "failed": True, "msg": _too_late(ignored)}
        told = [
            *wrong_tags(
                self._task.args.get("tags") or [],
                variables.get("ansible_run_tags") or [],
                variables.get("ansible_skip_tags") or [],
            ),
            *self._misspelt(found),
        ]
        if told and self._is_strict(variables):
            message = f"{' '.join(told)} The run stops because llmfleet_strict is set."
            return {**result, "failed": True, "msg": message}
        if told:
            result["warnings"] = [*result.get("warnings", []), *told]
        return result

    def _is_strict(self, variables: Mapping[str, Any]) -> bool:
        value = self._templar.template(variables.get("llmfleet_strict") or False)
        return bool(boolean(value, strict=False))

    def _names(self, hosts: Iterable[str], hostvars: Any) -> dict[str, list[str]]:
        """The variables of the inventory and of ``-e``, each with the hosts that have it.

        The value is empty for a name that was given with ``-e``, and such a name is read in time.
        """
        given = set(load_extra_vars(self._loader))
        found: dict[str, list[str]] = {name: [] for name in given if name not in READ_BEFORE_HOSTS}
        for host in hosts:
            # Where Ansible does not tell what tasks set, such names are judged like those of the inventory.
            set_later = set_by_tasks(hostvars, host) or set()
            for name in set(hostvars.raw_get(host)) - given - set_later:
                found.setdefault(name, []).append(host)
        return found

    def _misspelt(self, found: Mapping[str, list[str]]) -> list[str]:
        """A sentence for each name that is nearly one of a role or a playbook."""
        roles = role_names()
        known = {*OF_PLAYBOOKS}
        for role in roles:
            known |= set(options_of(os.path.join(ROLES, role), self._loader))
        prefixes = tuple(f"{role}_" for role in roles)
        candidates = [name for name in known if _is_long(name, roles)]
        told = []
        for name in sorted(found):
            # check_variables looks at names with the exact prefix of a role.
            if name in known or "__" in name or name.startswith((*prefixes, "ansible_")):
                continue
            if name.startswith("llmfleet_"):
                meant = nearest(name, OF_PLAYBOOKS)
            else:
                meant = nearest(name, candidates, _MISTAKES)
                if not meant:
                    continue
            told.append(_unknown(name, found[name], meant))
        return told


def _is_long(name: str, roles: Iterable[str]) -> bool:
    return any(name.startswith(f"{role}_") for role in roles if len(role) >= _SHORTEST_PREFIX) or (
        name.startswith("llmfleet_")
    )


def wrong_tags(known: Iterable[str], chosen: Iterable[str], skipped: Iterable[str]) -> list[str]:
    """Return a sentence for each tag that no task of the playbook has.

    Args:
        known: the tags of the playbook.
        chosen: those of ``--tags``.
        skipped: those of ``--skip-tags``.

    A playbook may be imported into one with further tags. A tag that resembles none of ours is therefore told
    only if it leaves nothing of this playbook to run.
    """
    ours = {*known, *_SPECIAL_TAGS}
    chosen = list(chosen)
    told = []
    for option, tags in (("--tags", chosen), ("--skip-tags", skipped)):
        for tag in sorted(set(tags) - ours):
            meant = nearest(tag, ours - _SPECIAL_TAGS)
            if meant:
                told.append(f"No task has the tag {tag} of {option}. Did you mean {meant}?")
    if chosen and not ours.intersection(chosen) and not told:
        tags = ", ".join(sorted(set(chosen)))
        told.append(
            f"--tags {tags} selects no task of this playbook, so it does nothing. Its tags are"
            f" {', '.join(sorted(known))}."
        )
    return told


def _unknown(name: str, hosts: list[str], meant: str) -> str:
    where = (
        f"The inventory variable {name} ({_some(hosts)})" if hosts else f"The variable {name} of -e"
    )
    return f"{where} is none of llmfleet.conda's and has no effect." + (
        f" Did you mean {meant}?" if meant else " README.md lists the variables of the playbooks."
    )


def _too_late(ignored: Mapping[str, list[str]]) -> str:
    names = " and ".join(ignored)
    hosts = sorted({host for some in ignored.values() for host in some})
    options = " ".join(f"-e {name}=..." for name in ignored)
    them = "them" if len(ignored) > 1 else "it"
    return (
        f"The inventory sets {names} ({_some(hosts)}), but Ansible reads {them} before it loads the"
        f" inventory's variables, so all hosts would run without {them}. Nothing was changed. Remove {names}"
        f" from the inventory and use the command line: {options}"
    )


def _some(hosts: list[str]) -> str:
    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return ", ".join(hosts[:_NAMED]) + more
