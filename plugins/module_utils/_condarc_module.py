# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module conda_config does; plugins/modules/conda_config.py documents it."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc import (
    Condarc,
    CondarcError,
    merged,
    user_condarc,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc_settings import settings_with
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc_shapes import misshapen
from ansible_collections.llmfleet.conda.plugins.module_utils._errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._guards import check_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._known_secrets import secrets_among
from ansible_collections.llmfleet.conda.plugins.module_utils._module_with_secrets import (
    MakeModule,
    ModuleWithSecrets,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._redact import (
    redact,
    redact_value,
    secrets_in,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._regular_file import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._terms_change import TermsChange

SYSTEM_CONDARC = "/etc/conda/.condarc"


def _path(params: dict[str, Any]) -> str:
    if params["path"]:
        if not params["path"].startswith("/"):
            raise CondaModuleError(f"The option path must be absolute: {params['path']}.")
        return str(params["path"])
    if params["scope"] == "prefix":
        if params["installation"] is None:
            # To ansible-core an option that is null is given.
            raise CondaModuleError(
                "The option scope is prefix, and the option installation is empty: whose condarc is it?"
            )
        prefix = check_prefix(params["installation"], "installation")
        return os.path.join(prefix, ".condarc")
    return SYSTEM_CONDARC if params["scope"] == "system" else user_condarc()


def observe(path: str) -> str | None:
    """The file's text, or None when there is none.

    Raises:
        CondaModuleError: it cannot be read.
    """
    try:
        # newline="": the line ends of what is not touched stay as they are.
        with open(path, encoding="utf-8", newline="", opener=only_regular) as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CondaModuleError(f"The condarc {path} cannot be read: {error}.") from error


def plan(text: str | None, settings: dict[str, Any], *, merge: bool, absent: bool) -> str | None:
    """The text that the file should have; pure.

    Raises:
        CondarcError: the present text is not understood.
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


def write(module: AnsibleModule, path: str, text: str) -> None:
    """Replace the file whole, keeping its permissions.

    Raises:
        CondaModuleError: it cannot be written.
    """
    directory = os.path.dirname(path)
    if not os.path.isdir(directory) and module.params["scope"] != "system":
        raise CondaModuleError(
            f"The condarc {path} cannot be written: there is no directory {directory}.",
            hint="install conda there first, or correct the option installation (or path).",
        )
    try:
        os.makedirs(directory, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir, prefix="condarc-")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        if not os.path.exists(path):
            # mkstemp makes private files; a condarc of an installation is for everybody who uses it.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        module.atomic_move(temporary, path)
    except Exception as error:
        # atomic_move of ansible-core 2.19 turns what the system refuses into a plain Exception.
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise CondaModuleError(
            f"The condarc {path} cannot be written: {reason}.",
            hint=hint_for(error, "run the task as a user who may write there (become)."),
        ) from error


def _permissions(
    module: AnsibleModule, path: str, changed: bool, shown: dict[str, dict[str, Any]]
) -> bool:
    """Whether anything is changed, permissions included; what they were and become goes to ``shown``."""
    if not os.path.exists(path):
        return changed
    arguments = module.load_file_common_arguments({**module.params, "path": path})
    return bool(module.set_fs_attributes_if_different(arguments, changed, diff=shown))


def _with_permissions(text: str, permissions: dict[str, Any]) -> str:
    """The text for the diff, with permissions as comments below it."""
    lines = "".join(f"# {name}: {value}\n" for name, value in sorted(permissions.items()))
    return f"{text}\n{lines}" if lines and text and not text.endswith("\n") else text + lines


def _probe(params: dict[str, Any], path: str, before: str | None, after: str | None) -> list[str]:
    """The addresses of new channels, all of which answered; none where nothing is to be written."""
    if not params["probe"] or before == after:
        return []
    # Only here: what it needs of the network is slow to import.
    from ansible_collections.llmfleet.conda.plugins.module_utils._channel_probe import (
        probe_new_channels,
    )

    counting = [settings_with(params["installation"], path, text or "") for text in (before, after)]
    return probe_new_channels(*counting)


def _refuse_misshapen(settings: dict[str, Any]) -> None:
    for key, words in misshapen(settings).items():
        raise CondaModuleError(
            f"The option settings has {key} as {type(settings[key]).__name__}, and it has to be {words}."
            " Nothing was changed.",
            hint="correct the setting: conda would not start with it.",
        )


def run(module: AnsibleModule) -> dict[str, Any]:
    """Observe, plan, apply and observe again."""
    params = module.params
    if params["state"] != "absent":
        _refuse_misshapen(params["settings"] or {})
    path = _path(params)
    before = observe(path)
    module.no_log_values.update(secrets_among(before or ""))
    try:
        after = plan(
            before,
            params["settings"] or {},
            merge=params["merge"],
            absent=params["state"] == "absent",
        )
    except CondarcError as error:
        raise CondaModuleError(
            f"The condarc {path} is not understood: {error}. Nothing was changed.",
            hint="write it in plain YAML, or move it away.",
        ) from error
    # What is removed was recorded under the settings that are removed with it.
    counting = before if params["state"] == "absent" else after
    terms = TermsChange(params, path, counting or "")
    probed = _probe(params, path, before, after)
    changed = before != after
    if changed and not module.check_mode:
        write(module, path, after or "")
        if observe(path) != after:
            raise CondaModuleError(f"The condarc {path} does not hold what was written.")
    permissions: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    changed = _permissions(module, path, changed, permissions) or terms.changed
    if before is None:
        # A new file has its permissions from the start; check mode could not show them either.
        permissions = {"before": {}, "after": {}}
    if not module.check_mode:
        terms.apply()
    return {
        "changed": changed,
        "path": path,
        "settings": redact_value(Condarc(after or "").values),
        "probed": redact_value(probed),
        "tos": terms.result(applied=not module.check_mode),
        "diff": {
            "before_header": path,
            "after_header": path,
            "before": _with_permissions(redact(before or ""), permissions["before"]) + terms.before,
            "after": _with_permissions(redact(after or ""), permissions["after"]) + terms.after,
        },
    }


def main(make: MakeModule = ModuleWithSecrets) -> None:
    """Entry point of the module; ``make`` makes it of the description of its options."""
    module = make(
        argument_spec={
            "path": {"type": "path"},
            "scope": {"type": "str", "choices": ["prefix", "user", "system"]},
            "installation": {"type": "path"},
            "settings": {"type": "dict"},
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
        result = run(module)
    except CondaModuleError as error:
        module.fail_json(**error.as_result())
    else:
        module.exit_json(**result)
