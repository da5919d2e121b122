# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of accepted and refused terms of service, in the format of conda's plugin conda-anaconda-tos.

The format is that of the plugin's ``path.py``, ``local.py`` and ``models.py`` (0.2, August 2026): a channel
serves its terms at ``terms.json`` below its URL. An acceptance is a copy of them with three more keys, at
``ROOT/SHA256/VERSION.json``; a refusal is the same with ``tos_accepted`` false. SHA256 is that of the
channel's location and name joined without a slash, so it depends on where conda's settings divide the URL.
VERSION is the time stamp of the terms.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    BUILT_IN_CHANNELS,
    DEFAULT_ALIAS,
    DEFAULT_CHANNELS,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core import json_document
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

SYSTEM_ROOT = "/etc/conda/tos"


def user_root() -> str:
    """The directory of the current user's records."""
    return os.path.expanduser("~/.conda/tos")


def installation_root(installation: str) -> str:
    """The directory of the records for all users of an installation."""
    return os.path.join(installation, "conda-meta", "tos")


def channel_urls(
    channels: Sequence[str], settings: Mapping[str, Any], option: str = "accept_tos"
) -> list[str]:
    """The channels as URLs without a trailing slash, each once, with ``defaults`` expanded.

    Args:
        channels: URLs, or ``defaults``.
        settings: the effective settings of the condarc files.
        option: of the module, for messages.

    Raises:
        CondaModuleError: an entry is neither, or contains credentials.
    """
    found: list[str] = []
    for channel in channels:
        if channel == "defaults":
            found.extend(settings.get("default_channels") or DEFAULT_CHANNELS)
            continue
        try:
            parts = urlsplit(channel)
        except ValueError:
            # Brackets without an IPv6 address.
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
            raise CondaModuleError(
                f"The option {option} needs channel URLs, or defaults: {channel!r}. Nothing was changed.",
                hint="write for example https://repo.anaconda.com/pkgs/main.",
            )
        if "@" in parts.netloc or "/t/" in parts.path or parts.query:
            raise CondaModuleError(
                f"The option {option} contains credentials: {channel}. Nothing was changed.",
                hint="remove them from the URL: terms of service are public.",
            )
        found.append(channel)
    return list(dict.fromkeys(url.rstrip("/") for url in found))


def channel_hash(url: str, settings: Mapping[str, Any]) -> str:
    """The name of the directory in which the plugin keeps a channel's records."""
    return hashlib.sha256("".join(_divided(url, settings)).encode()).hexdigest()


def _divided(url: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """A channel's location and name (conda, ``models.channel._read_channel_configuration``)."""
    whole = _without_scheme(url)
    for location, name in sorted(_known(settings), key=lambda known: len(known[1]), reverse=True):
        if _starts(whole, f"{location}/{name}"):
            return location, whole[len(location) :].strip("/")
    alias = _without_scheme(str(settings.get("channel_alias") or DEFAULT_ALIAS))
    if _starts(whole, alias):
        return alias, whole[len(alias) :].strip("/")
    host, _slash, path = whole.partition("/")
    if path.partition("/")[0] == "conda":
        return f"{host}/conda", path.partition("/")[2]
    return host, path


def _known(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Location and name of the channels that the settings name."""
    custom = {**BUILT_IN_CHANNELS, **(settings.get("custom_channels") or {})}
    known = [(_without_scheme(str(base)), str(name).strip("/")) for name, base in custom.items()]
    parts = list(settings.get("default_channels") or DEFAULT_CHANNELS)
    for multichannel in (settings.get("custom_multichannels") or {}).values():
        parts.extend(multichannel or ())
    alias = _without_scheme(str(settings.get("channel_alias") or DEFAULT_ALIAS))
    for part in parts:
        if "://" not in str(part):
            continue
        whole = _without_scheme(str(part))
        location = alias if _starts(whole, alias) else whole.partition("/")[0]
        known.append((location, whole[len(location) :].strip("/")))
    return known


def _without_scheme(url: str) -> str:
    return (
        url.partition("://")[2].rpartition("@")[2].rstrip("/") if "://" in url else url.strip("/")
    )


def _starts(whole: str, start: str) -> bool:
    return whole == start or whole.startswith(f"{start}/")


@dataclass(frozen=True)
class Acceptance:
    """The newest record of one channel; version and path are empty if there is none.

    If it has a version and is not accepted, the terms are refused.
    """

    channel: str
    accepted: bool = False
    version: str = ""
    path: str = ""

    @property
    def refused(self) -> bool:
        """Whether the terms are recorded as refused."""
        return bool(self.version) and not self.accepted


@dataclass(frozen=True)
class TermsStore:
    """The records below one root directory.

    Attributes:
        root: directory of the plugin's search path.
        settings: the effective settings, by which conda divides URLs.
        private: for one user only; otherwise all users may read the files.
    """

    root: str
    settings: Mapping[str, Any]
    private: bool = False

    def directory(self, channel: str) -> str:
        """The directory of a channel's records."""
        return os.path.join(self.root, channel_hash(channel, self.settings))

    def has_records(self, channel: str) -> bool:
        """Whether the channel has any record, accepted or refused."""
        return bool(self._records(channel))

    def _records(self, channel: str) -> list[str]:
        """All records of a channel, including those made under other settings, which divide URLs."""
        found = [os.path.join(self.directory(channel), name) for name in self._own_files(channel)]
        for directory in _entries(self.root):
            for name in _json_files(os.path.join(self.root, directory)):
                path = os.path.join(self.root, directory, name)
                try:
                    with open(path, encoding="utf-8", opener=only_regular) as stream:
                        known = json_document.load(stream).get("base_url") == channel
                except (OSError, ValueError, AttributeError):
                    continue
                if known and path not in found:
                    found.append(path)
        return found

    def _own_files(self, channel: str) -> list[str]:
        return _json_files(self.directory(channel))

    def recorded(self, channel: str) -> Acceptance:
        """The newest record of the channel, which is the one that counts."""
        directory = self.directory(channel)
        newest, found = -1.0, Acceptance(channel)
        for name in sorted(self._own_files(channel)):
            path = os.path.join(directory, name)
            try:
                with open(path, encoding="utf-8", opener=only_regular) as stream:
                    record = json_document.load(stream)
                stamp = time_stamp(record["version"])
                accepted = record["tos_accepted"] is True
            except (OSError, ValueError, KeyError, TypeError):
                # The plugin ignores files that it cannot read, too.
                continue
            if stamp > newest:
                newest = stamp
                found = Acceptance(channel, accepted, str(record["version"]), path)
        return found

    def accept(
        self, channel: str, terms: Mapping[str, Any], *, accepted: bool = True
    ) -> Acceptance:
        """Record that these terms of a channel are accepted or refused.

        Raises:
            CondaModuleError: the record cannot be written.
        """
        directory = self.directory(channel)
        path = os.path.join(directory, f"{time_stamp(terms['version'])}.json")
        record = {
            **terms,
            "base_url": channel,
            "tos_accepted": accepted,
            "acceptance_timestamp": datetime.now(timezone.utc).isoformat(),
        }
        try:
            for made in (self.root, directory):
                if not os.path.isdir(made):
                    os.makedirs(made)
                    if not self.private:
                        os.chmod(made, 0o755)
            _write(path, json.dumps(record), 0o600 if self.private else 0o644)
        except OSError as error:
            raise CondaModuleError(
                f"The record of terms {path} cannot be written: {error.strerror}.",
                hint="run the task as a user who may write there (become), or choose scope user.",
            ) from error
        return Acceptance(channel, accepted, str(terms["version"]), path)

    def forget(self, channel: str) -> None:
        """Remove all records of a channel, accepted and refused.

        Raises:
            CondaModuleError: a record cannot be removed.
        """
        found = self._records(channel)
        try:
            for path in found:
                os.unlink(path)
        except OSError as error:
            raise CondaModuleError(
                f"The record of terms {error.filename} cannot be removed: {error.strerror}.",
                hint="run the task as a user who may write there (become).",
            ) from error
        for left in (*(os.path.dirname(path) for path in found), self.root):
            try:
                os.rmdir(left)
            except OSError:
                # Records of other terms are there.
                continue


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _json_files(directory: str) -> list[str]:
    return [name for name in _entries(directory) if name.endswith(".json")]


def _write(path: str, text: str, mode: int) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".llmfleet-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def time_stamp(version: Any) -> float:
    """The version of terms, a date and time, as seconds since 1970.

    Raises:
        ValueError: it is not a date and time.
    """
    if isinstance(version, (int, float)) and not isinstance(version, bool):
        return float(version)
    text = str(version).strip()
    # Python before 3.11 does not parse the suffix Z.
    return datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text).timestamp()
