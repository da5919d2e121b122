# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write and print the fleet report on the controller; plugins/modules/verify_report.py documents it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import beginning

# Keys that Ansible adds to every result. The reports omit them.
_ANSIBLE_KEYS = (
    "changed",
    "failed",
    "failed_when_result",
    "invocation",
    "exception",
    "warnings",
    "deprecations",
)

_DETAIL_WIDTH = 300

_STATUSES = ("pass", "drift", "absent", "fail", "skip")
# How the table shows a status of which the name alone would not tell what it means.
_SHOWN = {"absent": "not there yet"}


def host_entry(result: Mapping[str, Any] | None, *, running: bool) -> dict[str, Any]:
    """Return a host's entry in the fleet report.

    Args:
        result: the result of llm_check on the host, or None if it did not run.
        running: whether the host has not failed so far in this play.

    Returns:
        ``{"status": "pass" | "drift" | "absent" | "fail" | "skip", "checks": [...]}``, and ``last_passes`` if
        checks were not run again. A host without a result counts as failed, unless it belongs to a later
        batch (``serial``), so that the report covers every host.
    """
    if result is None:
        if running:
            return _single("skip", "turn", "not checked yet")
        return _single("fail", "reached", "the host failed before its checks ran")
    if result.get("status") not in ("pass", "drift", "absent", "fail"):
        said = str(result.get("msg") or "llm_check returned no result").strip()
        return _single("fail", "llm_check", said)
    checks = [
        {
            "name": str(check.get("name", "")),
            "status": str(check.get("status", "fail")),
            "detail": str(check.get("detail", "")),
            "seconds": float(check.get("seconds") or 0.0),
            **({"environment": str(check["environment"])} if check.get("environment") else {}),
        }
        for check in result.get("checks") or []
    ]
    if not checks:
        # A run without checks proves nothing.
        return _single("fail", "llm_check", "no check ran")
    entry = {"status": str(result["status"]), "checks": checks}
    reused = [
        {"environment": str(one["environment"]), "since": str(one["since"])}
        for one in result.get("last_passes") or []
        if one.get("reused")
    ]
    return {**entry, "last_passes": reused} if reused else entry


def failed_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return one line for each failed check of a host: its name and the first line of its detail."""
    return _lines(entry, "fail") or (["a check failed"] if entry["status"] == "fail" else [])


def drift_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return one line for each check of a host that found drift."""
    return _lines(entry, "drift")


def absent_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return one line for each installation or environment that check mode did not find."""
    return _lines(entry, "absent")


def reused_lines(entry: Mapping[str, Any]) -> list[str]:
    """Return one line for each environment whose imports and computations were not run again."""
    return [
        f"{one['environment']}: nothing changed since {one['since']}"
        for one in entry.get("last_passes") or []
    ]


def _lines(entry: Mapping[str, Any], status: str) -> list[str]:
    """Return one line for each check with the status; several environments are told apart by name."""
    several = len({check.get("environment") for check in entry["checks"]} - {None}) > 1
    return [
        (f"{check['environment']}: " if several and "environment" in check else "")
        + f"{check['name']}: {_first_line(check['detail'])}"
        for check in entry["checks"]
        if check["status"] == status
    ]


def totals(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the summary line: the number of hosts, and of hosts with each status."""
    statuses = [entry["status"] for entry in entries.values()]
    counts = {_SHOWN.get(name, name): statuses.count(name) for name in _STATUSES}
    hosts = "1 host" if len(statuses) == 1 else f"{len(statuses)} hosts"
    return f"{hosts}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def table(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table: one for each host, and one for each of its failed or drifted checks."""
    rows = [("host", "status", "checks", "seconds")]
    failures: list[list[str]] = [[]]
    for name, entry in entries.items():
        counted = [check for check in entry["checks"] if check["status"] != "skip"]
        passed = sum(check["status"] == "pass" for check in counted)
        seconds = sum(check["seconds"] for check in entry["checks"])
        status = _SHOWN.get(entry["status"], entry["status"])
        rows.append((name, status, f"{passed} of {len(counted)}", f"{seconds:.1f}"))
        failures.append(
            [f"  failed: {line}" for line in failed_lines(entry)]
            + [f"  drift: {line}" for line in drift_lines(entry)]
            + [f"  not there yet: {line}" for line in absent_lines(entry)]
            + [f"  not run again: {line}" for line in reused_lines(entry)]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row, below in zip(rows, failures):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        lines.extend(below)
    return lines


def host_file(path: str, host: str) -> str:
    """Return the path of a host's report; a slash in the host name cannot leave the directory."""
    directory = re.sub(r"\.json$", "", path) + ".d"
    return os.path.join(directory, re.sub(r"[^A-Za-z0-9._-]", "_", host) + ".json")


def write_json(path: str, data: Any) -> None:
    """Replace a file atomically, so that readers see either the old or the new content.

    Raises:
        OSError: the directory or the file cannot be written.
    """
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".report-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _single(status: str, name: str, detail: str) -> dict[str, Any]:
    return {
        "status": status,
        "checks": [{"name": name, "status": status, "detail": detail, "seconds": 0.0}],
    }


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "failed")
    return beginning(line, _DETAIL_WIDTH)


def _plain(value: Any) -> Any:
    """Return a copy with plain types: json cannot serialize the values that Ansible has tagged."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return value


class ActionModule(ActionBase):
    """Collect the results, write the reports and print the table, on the controller only."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("path", "variable", "hosts", "running"))

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the result documented in plugins/modules/verify_report.py."""
        super().run(tmp, task_vars)
        ansible: Any = self  # Ansible's methods are not annotated
        _checked, options = ansible.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "variable": {"type": "str", "required": True},
                "hosts": {"type": "list", "elements": "str", "required": True},
                "running": {"type": "list", "elements": "str", "required": True},
            }
        )
        host_variables = (task_vars or {})["hostvars"]
        results: dict[str, Mapping[str, Any] | None] = {
            host: host_variables[host].get(options["variable"]) for host in options["hosts"]
        }
        entries = {
            host: host_entry(result, running=host in options["running"])
            for host, result in results.items()
        }
        path = os.path.abspath(options["path"])
        write = not self._task.check_mode
        if write:
            try:
                self._write(path, entries, results)
            except OSError as error:
                return {
                    "failed": True,
                    "changed": False,
                    "path": path,
                    "msg": f"Cannot write the report {path} on the controller: {error}",
                }
        where = f"report: {path}"
        if not write:
            where += " (not written in check mode; the checks ran: they change nothing on hosts)"
        Display().display("\n".join(["", *table(entries), totals(entries), where, ""]))
        return {
            "changed": False,
            "path": path,
            "written": write,
            "hosts": {
                host: {
                    "status": entry["status"],
                    "failed": failed_lines(entry),
                    "drift": drift_lines(entry),
                    "absent": absent_lines(entry),
                }
                for host, entry in entries.items()
            },
        }

    @staticmethod
    def _write(
        path: str,
        entries: Mapping[str, Mapping[str, Any]],
        results: Mapping[str, Mapping[str, Any] | None],
    ) -> None:
        for host, entry in entries.items():
            result = results[host] or {}
            whole = {**_plain(result), **entry}
            if result.get("checks"):
                whole["checks"] = _plain(result["checks"])
            for key in _ANSIBLE_KEYS:
                whole.pop(key, None)
            write_json(host_file(path, host), {"host": host, **whole})
        write_json(path, {"hosts": dict(entries)})
