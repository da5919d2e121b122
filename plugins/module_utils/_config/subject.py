# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A condarc and the records of terms of service, as a task declares them: observes and plans."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
    Condarc,
    CondarcError,
    merged,
    user_condarc,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.shapes import misshapen
from ansible_collections.llmfleet.conda.plugins.module_utils._config.mirror_settings import (
    Candidate,
    candidates,
    settings_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._config.terms_change import TermsChange
from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import remove_if_free
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import secrets_among

SYSTEM_CONDARC = "/etc/conda/.condarc"


@dataclass(frozen=True)
class Observed:
    """The state of a condarc and of the records of terms.

    Attributes:
        text: of the file, None if it does not exist.
        wanted: the text that it should have, unless its mirror does not answer.
        candidates: the texts that it may have, one for each mirror, in the order in which they are asked.
        permissions: owner, group and mode that will change, before and after.
        terms: the recorded and the wanted terms.
    """

    text: str | None
    wanted: str | None
    candidates: tuple[Candidate, ...]
    permissions: dict[str, dict[str, Any]]
    terms: TermsChange


@dataclass(frozen=True)
class Plan:
    """The changes to make.

    Attributes:
        text: the new text of the file.
        write: the file is written.
        permissions: owner, group or mode are set.
        terms: acceptances and refusals to record or remove.
        probed: URLs of new channels, all of which answered.
    """

    text: str | None
    write: bool
    permissions: bool
    terms: TermsChange
    probed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.write or self.permissions or bool(self.terms)


ConfigOutcome = Outcome[Plan, Observed, str]


class ConfigSubject(Subject[Plan, Observed, str]):
    """The condarc of one task.

    Args:
        module: with the options of conda_config.

    Attributes:
        path: as the task names it.
        file: that is read and written: where path is a link, what it leads to.
        lock_path: of the lock that a change holds.

    Raises:
        CondaModuleError: an option is invalid.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.absent = module.params["state"] == "absent"
        if not self.absent:
            for settings in settings_of(module.params["settings"] or {}, self._mirrors()):
                _refuse_misshapen(settings)
        self.path = condarc_path(module.params)
        self.file = followed(self.path)
        # Of the file itself: two links to one file must not have two locks.
        directory, name = os.path.split(os.path.realpath(self.file))
        self.lock_path = os.path.join(directory, f".{name.lstrip('.')}.llmfleet.lock")

    def observe(self) -> Observed:
        """Read the file, its permissions and the records of terms."""
        params = self.module.params
        text = read(self.file)
        self.module.no_log_values.update(secrets_among(text or ""))
        settings = params["settings"] or {}

        def changed(wanted: Mapping[str, Any]) -> str | None:
            return changed_text(text, wanted, merge=params["merge"], absent=self.absent)

        try:
            found = tuple(candidates(text, settings, self._mirrors(), changed))
        except CondarcError as error:
            raise CondaModuleError(
                f"Cannot parse the condarc {self.path}: {error}. Nothing was changed.",
                hint="rewrite the file in plain YAML, or move it away.",
            ) from error
        # A file that is right for one of the mirrors stays.
        wanted = text if any(one.text == text for one in found) else found[0].text
        # The records to remove were made under the settings that are removed with them.
        terms = self.terms_under(text if self.absent else wanted)
        return Observed(text, wanted, found, self._permissions(), terms)

    def terms_under(self, text: str | None) -> TermsChange:
        """The recorded and the wanted terms, if the file has this text."""
        return TermsChange(self.module.params, self.path, text or "")

    def _mirrors(self) -> list[dict[str, Any]]:
        return [] if self.absent else self.module.params["mirrors"]

    def _permissions(self) -> dict[str, dict[str, Any]]:
        shown: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
        # A new file has its permissions from the start; check mode could not show them either.
        if os.path.exists(self.file):
            arguments = self.module.load_file_common_arguments(
                {**self.module.params, "path": self.file}
            )
            with _as_check_mode(self.module):
                self.module.set_fs_attributes_if_different(arguments, False, diff=shown)
        return shown

    def plan(self, observed: Observed) -> Plan:
        """Compare the wanted state with the observed one."""
        return Plan(
            observed.wanted,
            write=observed.text != observed.wanted,
            permissions=bool(observed.permissions["after"]),
            terms=observed.terms,
        )

    def describe(self, observed: Observed) -> str:
        """The text, with permissions and terms as comments below it."""
        return self.text(observed.text, observed.permissions["before"]) + observed.terms.before

    def text(self, text: str | None, permissions: dict[str, Any]) -> str:
        """The text for the diff, with permissions as comments below it."""
        shown = redact(text or "")
        lines = "".join(f"# {name}: {value}\n" for name, value in sorted(permissions.items()))
        if lines and shown and not shown.endswith("\n"):
            return f"{shown}\n{lines}"
        return shown + lines

    def remove_old_locks(self) -> None:
        """Remove the lock file of the condarc."""
        remove_if_free(self.lock_path)


@contextmanager
def _as_check_mode(module: AnsibleModule) -> Iterator[None]:
    """For the block, let AnsibleModule report what it would change without changing it."""
    check_mode = module.check_mode
    module.check_mode = True
    try:
        yield
    finally:
        module.check_mode = check_mode


def condarc_path(params: dict[str, Any]) -> str:
    """The condarc that a task is about.

    Raises:
        CondaModuleError: the options do not name one.
    """
    if params["path"]:
        if not params["path"].startswith("/"):
            raise CondaModuleError(f"The option path must be absolute: {params['path']}.")
        return str(params["path"])
    if params["scope"] == "prefix":
        if params["installation"] is None:
            # ansible-core's required_if treats an explicit null as a value.
            raise CondaModuleError(
                "The option scope is prefix, which needs the option installation; it is empty."
            )
        prefix = check_prefix(params["installation"], "installation")
        return os.path.join(prefix, ".condarc")
    return SYSTEM_CONDARC if params["scope"] == "system" else user_condarc()


def followed(path: str) -> str:
    """The file that ``path`` leads to where it is a link, such as one into a directory of dotfiles.

    Raises:
        CondaModuleError: another user made a link on the way, and what it leads to is not that user's own.
    """
    file = os.path.realpath(path) if os.path.islink(path) else path
    link = path
    # Where links lead in a circle, realpath ends at one of them, and reading says so.
    while os.path.islink(link) and not os.path.islink(file):
        there = file if os.path.exists(file) else os.path.dirname(file)
        maker = os.lstat(link).st_uid
        if (
            maker not in (0, os.geteuid())
            and os.path.exists(there)
            and os.stat(there).st_uid != maker
        ):
            raise CondaModuleError(
                f"The condarc {path} leads through the link {link} of another user (user id {maker}) to"
                f" {file}, which is not that user's. Nothing was changed.",
                hint="name the file itself as path, or put a file in the place of the link.",
            )
        link = os.path.join(os.path.dirname(link), os.readlink(link))
    return file


def read(path: str) -> str | None:
    """The file's text, or None when there is none.

    Raises:
        CondaModuleError: it cannot be read.
    """
    try:
        # newline="": unchanged lines keep their line ends.
        with open(path, encoding="utf-8", newline="", opener=only_regular) as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CondaModuleError(f"The condarc {path} cannot be read: {error}.") from error


def changed_text(
    text: str | None, settings: Mapping[str, Any], *, merge: bool, absent: bool
) -> str | None:
    """The text that the file should have; pure.

    Raises:
        CondarcError: the current text is not supported YAML.
    """
    condarc = Condarc(text or "")
    for key, wanted in settings.items():
        present = condarc.values.get(key)
        if absent or wanted is None:
            condarc.remove(key)
        else:
            value = merged(present, wanted) if merge else wanted
            if key not in condarc.values or present != value:
                condarc.set(key, value)
    return None if text is None and not condarc.values else condarc.text


def _refuse_misshapen(settings: dict[str, Any]) -> None:
    for key, words in misshapen(settings).items():
        raise CondaModuleError(
            f"The option settings has {key} as {type(settings[key]).__name__}, but it must be {words}."
            " Nothing was changed.",
            hint="correct the setting: conda does not start with it.",
        )
