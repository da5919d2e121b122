# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads a model with an environment's huggingface_hub, in a child process of the environment's Python."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import (
    child_environment,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.room import volume_of
from ansible_collections.llmfleet.conda.plugins.module_utils._core.shorten import ending
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import CachedModel
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.room import (
    refuse_model_without_room,
)

# The child's result follows this word: libraries may print their own output before it.
_MARK = "llmfleet-hub-model:"

# huggingface_hub compares sizes only, so the script compares the downloaded files with the digests in the
# hub's list. The token comes by stdin, so that neither the process list nor /proc/PID/environ shows it.
_SCRIPT = f"""
import hashlib, json, os, sys, urllib.parse
asked = json.load(sys.stdin)
said = {{}}

def listed(path, token):
    commit = os.path.basename(path)
    tree = os.path.join(path, "..", "..", "trees", commit + ".json")
    if os.path.exists(tree):
        with open(tree, encoding="utf-8") as stream:
            return json.load(stream)["files"], True
    files = {{}}
    for one in hub.HfApi(token=token).list_repo_tree(asked["model"], recursive=True, revision=commit):
        if hasattr(one, "blob_id"):
            files[one.path] = {{"size": one.size, "blob_id": one.blob_id}}
            if getattr(one, "lfs", None) is not None:
                files[one.path]["lfs_sha256"] = one.lfs.sha256
    return files, False

def refuse_without_room(token):
    # Without a list, the download tells what is wrong with the hub or the model.
    try:
        from huggingface_hub.utils import filter_repo_objects
        tree = hub.HfApi(token=token).list_repo_tree(
            asked["model"], recursive=True, revision=asked["revision"]
        )
        files = filter_repo_objects(
            [one for one in tree if hasattr(one, "blob_id")], key=lambda one: one.path,
            allow_patterns=asked["include"] or None, ignore_patterns=asked["exclude"] or None,
        )
        wanted = {{}}
        for one in files:
            lfs = getattr(one, "lfs", None)
            wanted[lfs.sha256 if lfs is not None else one.blob_id] = one.size
    except Exception:
        return
    size = count = 0
    for name, whole in wanted.items():
        blob = os.path.join(blobs, name)
        if os.path.exists(blob):
            continue
        begun = blob + ".incomplete"
        size += max(0, whole - (os.path.getsize(begun) if os.path.exists(begun) else 0))
        count += 1
    free, inodes = asked["free"], asked["free_inodes"]
    if size > free or (inodes is not None and 2 * count > inodes):
        print({_MARK!r} + json.dumps({{"size": size, "count": count}}), flush=True)
        sys.exit(0)

def differs(path, entry):
    whole = entry.get("lfs_sha256")
    digest = hashlib.sha256() if whole else hashlib.new("sha1", usedforsecurity=False)
    if not whole:
        digest.update(b"blob %d\\0" % os.path.getsize(path))
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest() != (whole or entry["blob_id"])

def taken_away(path, files, before):
    wrong = []
    for name in sorted(files):
        link = os.path.join(path, name)
        blob = os.path.realpath(link)
        if os.path.basename(blob) not in before and os.path.exists(blob) and differs(blob, files[name]):
            wrong.append(name)
            for one in {{blob, link}}:
                os.unlink(one)
    return wrong

def host_of(error):
    # httpx and requests name the host only in the request, and a redirect may have led to another host.
    while error is not None:
        try:
            return urllib.parse.urlsplit(str(error.request.url)).hostname or ""
        except Exception:
            error = error.__cause__ or error.__context__
    return ""

try:
    import huggingface_hub as hub
    # None: the user's own, if there is one. False: none at all.
    token = asked["token"]
    blobs = os.path.join(asked["cache"], "models--" + asked["model"].replace("/", "--"), "blobs")
    before = set(os.listdir(blobs)) if os.path.isdir(blobs) else set()
    if asked["free"] is not None:
        refuse_without_room(token)
    for attempt in (1, 2):
        path = hub.snapshot_download(
            asked["model"], revision=asked["revision"], cache_dir=asked["cache"], token=token,
            allow_patterns=asked["include"] or None, ignore_patterns=asked["exclude"] or None,
        )
        files, kept = listed(path, token)
        wrong = taken_away(path, files, before)
        if not wrong:
            break
    if wrong:
        raise ValueError("other bytes than the hub's list of files says: " + ", ".join(wrong))
    said["commit"] = os.path.basename(path)
    if not kept:
        said["files"] = files
except Exception as error:
    said = {{"error": type(error).__name__, "message": str(error), "host": host_of(error)}}
print({_MARK!r} + json.dumps(said), flush=True)
"""

# huggingface_hub, constants.py: the default of HF_ENDPOINT, and its second name.
_OFFICIAL = frozenset({"huggingface.co", "hf.co"})
_NO_ACCESS = frozenset({"RepositoryNotFoundError", "GatedRepoError", "HfHubHTTPError"})
_DISABLE_XET = "HF_HUB_DISABLE_XET"
# Where the official hub keeps large files. Mirrors that only pass requests on redirect there, too
# (https://github.com/padeoe/hf-mirror-site/issues/64, 2026-05).
_XET_HOST = re.compile(r"\b(?:[\w-]+\.)*xethub\.hf\.co\b")
_HINTS = {
    "ModuleNotFoundError": "install huggingface_hub into that environment first (llmfleet.conda.conda_pip).",
    "RevisionNotFoundError": "correct the option revision: a branch, a tag or a commit of that model.",
    "HFValidationError": "correct the option model: ORGANISATION/NAME as the hub shows it.",
}


@dataclass(frozen=True)
class Download:
    """What to download, and from which hub.

    Attributes:
        prefix: of the environment with huggingface_hub.
        model, revision: names at the hub.
        cache: directory of the cache.
        endpoint: URL of the hub; empty for the one in the host's configuration.
        token: for models that are not public. Empty: the user's own at the official hub, none elsewhere.
        timeout: seconds.
    """

    prefix: str
    model: str
    revision: str
    cache: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    endpoint: str = ""
    token: str = ""
    timeout: float = 3600.0


@dataclass(frozen=True)
class Downloaded:
    """The commit in the cache, and its files if the hub's library keeps no list of them."""

    commit: str
    files: Mapping[str, Mapping[str, Any]] | None = None


def download(wanted: Download) -> Downloaded:
    """Download the missing files.

    Raises:
        CondaModuleError: the environment has no Python or no huggingface_hub, or the download failed.
    """
    python = os.path.join(wanted.prefix, "bin", "python")
    if not os.access(python, os.X_OK):
        raise CondaModuleError(
            f"{wanted.prefix} has no Python to download models with. Nothing was changed.",
            prefix=wanted.prefix,
            hint="create the environment first (llmfleet.conda.conda_env), with the package"
            " huggingface_hub.",
        )
    volume = volume_of(wanted.cache)
    asked = {
        "model": wanted.model,
        "revision": wanted.revision,
        "cache": wanted.cache,
        "include": list(wanted.include),
        "exclude": list(wanted.exclude),
        "token": wanted.token or (None if is_official(_endpoint(wanted)) else False),
        "free": volume.free if volume else None,
        "free_inodes": volume.inodes if volume else None,
    }
    extra = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if asked["token"] is False:
        # For other requests of the library: versions before 1.0 look for the user's token themselves.
        extra["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
    if wanted.endpoint:
        extra["HF_ENDPOINT"] = wanted.endpoint
    if not is_official(_endpoint(wanted)) and _DISABLE_XET not in os.environ:
        # hf-xet asks the official hub's storage, whatever HF_ENDPOINT says
        # (https://github.com/huggingface/huggingface_hub/issues/4475, 2026-07).
        extra[_DISABLE_XET] = "1"
    try:
        done = run(
            [python, "-I", "-c", _SCRIPT],
            env=child_environment(extra),
            timeout=wanted.timeout,
            stdin=json.dumps(asked).encode(),
        )
    except OSError as error:
        raise CondaModuleError(
            f"The Python of {wanted.prefix} cannot be started: {error.strerror}.",
            prefix=wanted.prefix,
        ) from error
    if done.timed_out:
        raise CondaModuleError(
            f"The download of the model {wanted.model}{_place(wanted)} did not finish within"
            f" {wanted.timeout:g} seconds (option timeout).",
            prefix=wanted.prefix,
            hint="check whether that hub answers, or raise the option timeout; the next run resumes the"
            " download.",
        )
    return _answer(wanted, done.stdout, done.stderr)


def is_official(endpoint: str) -> bool:
    """Whether a URL is that of the official hub over HTTPS, for which the user's own token was made."""
    if not endpoint:
        return True
    try:
        parts = urlsplit(endpoint.strip())
        return (
            parts.scheme.lower() == "https"
            and (parts.hostname or "").rstrip(".") in _OFFICIAL
            and parts.port in (None, 443)
        )
    except ValueError:
        return False


def _endpoint(wanted: Download) -> str:
    return wanted.endpoint or os.environ.get("HF_ENDPOINT", "")


def _place(wanted: Download) -> str:
    """The hub of the download, if it is known here."""
    address = _endpoint(wanted)
    return f" from {address}" if address else ""


def _answer(wanted: Download, stdout: str, stderr: str) -> Downloaded:
    _before, mark, text = stdout.rpartition(_MARK)
    said: Any
    try:
        said = json_document.loads(text) if mark else {"error": "", "message": ending(stderr, 2000)}
    except ValueError:
        said = {"error": "", "message": ending(stdout, 2000)}
    if not isinstance(said, dict):
        said = {}
    size, count = said.get("size"), said.get("count")
    if isinstance(size, int) and isinstance(count, int):
        refuse_model_without_room(CachedModel(wanted.cache, wanted.model), size, count)
        # Another process has made room meanwhile.
        raise CondaModuleError(
            f"The volume of {wanted.cache} had too little room for the model {wanted.model} a moment ago."
            " Nothing was changed.",
            hint="run the task again.",
        )
    commit, files = said.get("commit"), said.get("files")
    if isinstance(commit, str) and (files is None or isinstance(files, dict)):
        return Downloaded(commit, files)
    kind = str(said.get("error", ""))
    message = str(said.get("message", ending(stdout, 2000)))
    hint = _HINTS.get(
        kind,
        "check the option endpoint, and this host's network, proxy and CA settings; without a network,"
        " set the option path.",
    )
    xet = _XET_HOST.search(f"{said.get('host', '')} {message}")
    if xet:
        hint = (
            f"let this host reach {xet[0]}, where the official hub keeps large files, or set the option"
            " endpoint to a mirror that serves large files itself; without a network, set the option path."
        )
    elif kind in _NO_ACCESS:
        hint = (
            "correct the option model, or set the option token to one that may read the model; its"
            " conditions must be accepted at the hub."
        )
        if not wanted.token and not is_official(_endpoint(wanted)):
            hint += " The user's own token is for the official hub and was not sent."
    raise CondaModuleError(
        f"Cannot download the model {wanted.model} ({wanted.revision}){_place(wanted)}.",
        prefix=wanted.prefix,
        said=": ".join(part for part in (kind, message) if part),
        hint=hint,
        kind=kind,
    )
