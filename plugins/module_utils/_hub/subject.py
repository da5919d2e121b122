# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the hub as a task declares it: what is there, and what has to be done."""

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

# What the hub allows (huggingface_hub, utils._validators.validate_repo_id).
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_MODEL = re.compile(rf"(?!.*(?:--|\.\.))(?:{_PART}/)?{_PART}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")


@dataclass(frozen=True)
class Request:
    """What a task asks for.

    Attributes:
        cached: the model and its cache.
        revision: branch, tag or commit.
        state: ``present`` or ``absent``.
        choice: of files.
        commit: that the revision has to stand for, empty for any.
        path: directory with the files, empty for the hub; on the controller until its action copied it.
        on_host: ``path`` is one of this host.
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
    """What has to be done: ``fetch``, ``import``, ``point`` (the files are there), ``remove`` or nothing."""

    action: str = ""
    reason: str = ""
    commit: str = ""
    broken: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.action)


@dataclass(frozen=True)
class Look:
    """What is there of the revision, and what of the commit that it has to stand for."""

    now: Observed
    at_commit: Observed


def default_cache() -> str:
    """Where huggingface_hub keeps models for the user who runs this (its ``constants.py``)."""
    variables = os.environ
    cache = variables.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = variables.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.expanduser(variables.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def request_from(params: Mapping[str, Any]) -> Request:
    """The request that a module's validated options make.

    Raises:
        CondaModuleError: an option cannot be used; it is named.
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
                f"The option {option} cannot be used: {value!r}. Nothing was changed.",
                hint="write a model as ORGANISATION/NAME, a revision as a branch, a tag or a commit, a"
                " commit as its forty digits, and the directory as an absolute path.",
            )
    if params["commit"] and COMMIT.fullmatch(params["revision"] or ""):
        raise CondaModuleError(
            "The option commit has no meaning where revision is one. Nothing was changed.",
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
    """What has to be done; pure.

    Args:
        request: what is wanted.
        commit: that is wanted, empty for whatever the revision stands for.
        now: what is there of the revision.
        at_commit: what is there of ``commit``, whatever the revision stands for.
    """
    if request.state == "absent":
        return Plan("remove", "the cache has files of it") if now.exists else Plan()
    way = "import" if request.path else "fetch"
    if not now.commit:
        reason = "it is not there"
    elif commit and now.commit != commit:
        reason = f"it is at commit {now.commit}"
    elif now.files is None:
        reason = "which files it has is not known"
    elif not now.files:
        reason = "no file of it is wanted"
    elif now.broken:
        reason = f"missing or cut off: {', '.join(now.broken)}"
    else:
        return Plan()
    if commit and at_commit.whole and at_commit.files:
        # The commit is there in full, and only the name leads elsewhere.
        return Plan("point", reason, commit)
    # Of a commit that is known only what is missing is fetched, though the branch has moved since.
    known = commit or (now.commit if now.files is not None else "")
    return Plan(way, reason, known, (at_commit if commit else now).broken)


HubOutcome = Outcome[Plan, Look, str]


class HubSubject(Subject[Plan, Look, str]):
    """The model of one request.

    Attributes:
        commit: that is wanted, empty for whatever the revision stands for.
        source: the directory that the files come from; None without one.
    """

    def __init__(self, request: Request) -> None:
        """
        Raises:
            CondaModuleError: the option path names nothing usable.
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
                f"The option path names {request.path}, which cannot be used: {reason}. Nothing was changed.",
                asked=request.cached.model,
                hint="give the directory with the model's files; without remote_src: true it is one of the"
                " controller.",
            ) from error
        return request.commit or self.source.commit

    def observe(self) -> Look:
        """Read the cache."""
        request, commit = self.request, self.commit
        now = observe(request.cached, request.revision, request.choice)
        there = observe(request.cached, request.revision, request.choice, commit) if commit else now
        return Look(now, there)

    def plan(self, observed: Look) -> Plan:
        """Compare what is wanted with what is there."""
        return plan(self.request, self.commit, observed.now, observed.at_commit)

    # What the diff shows is nothing that only the hub could tell.

    def describe(self, observed: Look) -> str:
        """The state of the model, in a line."""
        seen = observed.now
        if self.request.state == "absent":
            return _line(self.request, "there" if seen.exists else "not there")
        if not seen.commit:
            return _line(self.request, "not there")
        if self.commit and seen.commit != self.commit:
            return _line(self.request, f"at commit {seen.commit}")
        if not seen.whole:
            return _line(self.request, "incomplete")
        return self.promised()

    def promised(self) -> str:
        """The state that is asked for."""
        return _line(self.request, "there" if self.request.state == "present" else "not there")


def _line(request: Request, state: str) -> str:
    name = request.cached.model
    if request.state == "present":
        name = f"{name} ({request.revision})"
    return f"{name}: {state}\n"


def result_of(request: Request, outcome: HubOutcome) -> dict[str, Any]:
    """What the module returns."""
    cached, seen = request.cached, outcome.observed.now
    present = request.state == "present" and seen.whole
    return {
        "changed": outcome.changed,
        "model": cached.model,
        "revision": request.revision,
        "cache_dir": cached.cache,
        "commit": seen.commit if request.state == "present" else "",
        # Not `path`: to that Ansible adds facts of its own, a size among them.
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
