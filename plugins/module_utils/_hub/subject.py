# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the hub as a task declares it: observes the cache and plans the change."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Outcome, Subject
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import environment_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import (
    COMMIT,
    CachedModel,
    Choice,
    Observed,
    commit_of,
    observe,
    parse_choice,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.store import Source, read_source

# The names that the hub allows (huggingface_hub, utils._validators.validate_repo_id).
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_MODEL = re.compile(rf"(?!.*(?:--|\.\.))(?:{_PART}/)?{_PART}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")


@dataclass(frozen=True)
class Request:
    """The options of a task.

    Attributes:
        cached: the model and its cache.
        revision: branch, tag or commit.
        state: ``present`` or ``absent``.
        choice: the wanted files.
        commit: the required commit of the revision, empty for any.
        path: directory with the files, empty for the hub; on the controller until the action plugin has
            copied it.
        on_host: ``path`` is on the managed host.
        prefix: environment to download with, empty without one.
        endpoint, token, timeout: see :class:`Download`.
    """

    cached: CachedModel
    revision: str = "main"
    state: str = "present"
    choice: Choice = field(default_factory=Choice)
    commit: str = ""
    path: str = ""
    on_host: bool = False
    prefix: str = ""
    endpoint: str = ""
    token: str = ""
    timeout: int = 3600


@dataclass(frozen=True)
class Plan:
    """The change to make: ``fetch``, ``import``, ``point`` (the files are complete), ``remove`` or none."""

    action: str = ""
    reason: str = ""
    commit: str = ""
    broken: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.action)


@dataclass(frozen=True)
class Look:
    """The observed state of the revision, and of the commit that it must have."""

    now: Observed
    at_commit: Observed


def default_cache() -> str:
    """huggingface_hub's cache directory of the current user (its ``constants.py``)."""
    variables = os.environ
    cache = variables.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = variables.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.expanduser(variables.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def request_from(params: Mapping[str, Any]) -> Request:
    """The request from a module's validated options.

    Raises:
        CondaModuleError: an option is invalid; the message names it.
    """
    cache = os.path.normpath(params["cache_dir"] or default_cache())
    for option, value, form in (
        ("model", params["model"], _MODEL),
        ("revision", params["revision"], _REVISION),
        ("commit", params["commit"] or "0" * 40, COMMIT),
        ("cache_dir", cache, re.compile("/.+", re.DOTALL)),
    ):
        if not form.fullmatch(value):
            raise CondaModuleError(
                f"The option {option} has an invalid value: {value!r}. Nothing was changed.",
                hint="write a model as ORGANISATION/NAME, a revision as a branch, tag or commit, a commit"
                " as its forty digits, and the directory as an absolute path.",
            )
    if params["commit"] and COMMIT.fullmatch(params["revision"] or ""):
        raise CondaModuleError(
            "The option commit cannot be combined with a revision that is a commit. Nothing was changed.",
            asked=params["revision"],
        )
    prefix = ""
    if params["state"] == "present" and not params["path"]:
        prefix = environment_prefix(params["installation"], params["name"], params["prefix"])
    elif params["path"] and params["remote_src"] and not os.path.isabs(params["path"]):
        raise CondaModuleError(
            f"The option path must be absolute on the managed host: {params['path']}."
            " Nothing was changed."
        )
    return Request(
        CachedModel(cache, params["model"]),
        revision=params["revision"],
        state=params["state"],
        choice=parse_choice(params["include"], params["exclude"]),
        commit=params["commit"] or "",
        path=params["path"] or "",
        on_host=params["remote_src"],
        prefix=prefix,
        endpoint=params["endpoint"] or "",
        token=params["token"] or "",
        timeout=params["timeout"],
    )


def plan(request: Request, commit: str, now: Observed, at_commit: Observed) -> Plan:
    """Decide what to change; pure.

    Args:
        request: the wanted state.
        commit: the required commit, empty for any.
        now: the state of the revision.
        at_commit: the state of ``commit``, whatever the revision's commit is.
    """
    if request.state == "absent":
        return Plan("remove", "the cache contains the model") if now.exists else Plan()
    way = "import" if request.path else "fetch"
    if not now.commit:
        reason = "the model is not in the cache"
    elif commit and now.commit != commit:
        reason = f"the cached revision is at commit {now.commit}"
    elif now.files is None:
        reason = "the cache has no list of the model's files"
    elif not now.files:
        reason = "no file of the model matches the options include and exclude"
    elif now.broken:
        reason = f"missing or incomplete files: {', '.join(now.broken)}"
    else:
        return Plan()
    if commit and at_commit.whole and at_commit.files:
        # The commit is complete; only the revision has another commit.
        return Plan("point", reason, commit)
    # For a known commit, only the missing files are downloaded, even if the branch has moved since.
    known = commit or (now.commit if now.files is not None else "")
    return Plan(way, reason, known, (at_commit if commit else now).broken)


HubOutcome = Outcome[Plan, Look, str]


class HubSubject(Subject[Plan, Look, str]):
    """The model of one request.

    Attributes:
        commit: the required commit, empty for any.
        source: the directory of the files; None without one.
    """

    def __init__(self, request: Request) -> None:
        """Read the source directory, if the task names one.

        Raises:
            CondaModuleError: the option path names no usable directory.
        """
        self.request = request
        self.source: Source | None = None
        self.commit = self._wanted_commit()

    def _wanted_commit(self) -> str:
        request = self.request
        if (
            request.state == "absent"
            or not request.path
            or (request.commit and not request.on_host)
        ):
            return request.commit
        try:
            self.source = read_source(request.path, request.choice)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise CondaModuleError(
                f"The option path names {request.path}, which cannot be used: {reason}. Nothing was"
                " changed.",
                asked=request.cached.model,
                hint="set path to the directory with the model's files; it is on the controller unless"
                " remote_src is true.",
            ) from error
        return request.commit or self.source.commit

    def observe(self) -> Look:
        """Read the cache."""
        request, commit = self.request, self.commit
        now = observe(request.cached, request.revision, request.choice)
        there = observe(request.cached, request.revision, request.choice, commit) if commit else now
        return Look(now, there)

    def plan(self, observed: Look) -> Plan:
        """Compare the wanted state with the observed one."""
        return plan(self.request, self.commit, observed.now, observed.at_commit)

    # The diff shows nothing that only the hub knows.

    def describe(self, observed: Look) -> str:
        """The state of the model in one line."""
        seen = observed.now
        if self.request.state == "absent":
            return _line(self.request, "present" if seen.exists else "absent")
        if not seen.commit:
            return _line(self.request, "absent")
        if self.commit and seen.commit != self.commit:
            return _line(self.request, f"at commit {seen.commit}")
        if not seen.whole:
            return _line(self.request, "incomplete")
        return self.promised()

    def promised(self) -> str:
        """The requested state."""
        return _line(self.request, "present" if self.request.state == "present" else "absent")


def _line(request: Request, state: str) -> str:
    name = request.cached.model
    if request.state == "present":
        name = f"{name} ({request.revision})"
    return f"{name}: {state}\n"


def result_of(request: Request, outcome: HubOutcome) -> dict[str, Any]:
    """The module's result."""
    cached, seen = request.cached, outcome.observed.now
    present = request.state == "present" and seen.whole
    return {
        "changed": outcome.changed,
        "model": cached.model,
        "revision": request.revision,
        "cache_dir": cached.cache,
        "commit": seen.commit if request.state == "present" else "",
        # Not named `path`: Ansible would add facts of that file, such as its size.
        "snapshot": cached.snapshot(commit_of(cached, request.revision)) if present else "",
        "files": sorted(seen.files or ()) if present else [],
        "size": seen.size if present else 0,
        "plan": {"action": outcome.plan.action, "reason": outcome.plan.reason},
        "diff": {
            "before_header": cached.cache,
            "after_header": cached.cache,
            "before": outcome.before,
            "after": outcome.after,
        },
    }
