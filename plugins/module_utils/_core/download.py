# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads one file over HTTP: resumes it, retries a bounded number of times, and checks the SHA-256 sum."""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_CHUNK_BYTES = 1 << 20
# Seconds to wait before each retry.
_DELAYS = (0.5, 2.0, 5.0)
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(CondaModuleError):
    """One source does not serve the file: another may.

    Attributes:
        reason: a clause that names the URL and the cause.
    """

    def __init__(self, message: str, reason: str, hint: str) -> None:
        super().__init__(f"{message} Nothing was changed.", hint=hint)
        self.reason = reason


class _Interrupted(Exception):
    """The transfer broke off or the server reported a temporary error: another attempt may succeed."""


class _TooSlow(Exception):
    """The deadline for the whole download has passed."""


def sha256_of(path: str) -> str:
    """SHA-256 of a file's bytes, lower case hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb", opener=only_regular) as stream:
        for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(
    url: str, path: str, sha256: str, *, timeout: float, option: str, within: float = math.inf
) -> None:
    """Download ``url`` to ``path`` and check its bytes.

    Args:
        url: ``http``, ``https``, ``ftp`` or ``file``.
        path: the file to write; a partial file of an earlier attempt is resumed.
        sha256: the expected sum of the whole file.
        timeout: seconds without progress after which an attempt fails.
        option: the module option that named the address, for messages.
        within: seconds for the whole download: a server may send a few bytes at a time for ever.

    Raises:
        DownloadError: the server refused, the transfer broke off too often or took too long, or the sum
            differs.
        CondaModuleError: the file cannot be written, for example because the disk is full.
    """
    deadline = time.monotonic() + within
    for attempt, delay in enumerate((*_DELAYS, None), start=1):
        try:
            _transfer(url, path, timeout, deadline)
        except _Interrupted as error:
            if delay is None or time.monotonic() + delay >= deadline:
                attempts = f"{attempt} attempt{'s' if attempt > 1 else ''}"
                raise _download_error(url, option, f"{error} ({attempts})") from error
            time.sleep(delay)
        except ValueError as error:
            raise _download_error(url, option, f"the URL is not valid ({error})") from error
        except _TooSlow as error:
            late = f"did not finish within {within:g} seconds"
            raise DownloadError(
                f"The download of the installer from {redact(url)} {late} (option timeout).",
                f"{redact(url)}: it {late}",
                f"check the server and this host's network, choose a closer mirror (option {option}),"
                " or raise the option timeout.",
            ) from error
        except HTTPError as error:
            raise _download_error(url, option, _answer(url, error)) from error
        except OSError as error:
            raise CondaModuleError(
                f"Cannot write the installer to {path}: {error.strerror or error}.",
                hint=hint_for(error, "run the task as a user who may write there (become)."),
            ) from error
        else:
            break
    found = sha256_of(path)
    if found != sha256:
        raise DownloadError(
            f"The file at {redact(url)} has the SHA-256 sum {found}; expected {sha256} (option checksum,"
            " or the catalogue).",
            f"{redact(url)}: the file has the SHA-256 sum {found}, not {sha256}",
            "compare the option checksum with the one that the publisher lists; the mirror may serve"
            " an altered file.",
        )


def fetch_first(
    urls: Sequence[str], path: str, sha256: str, *, timeout: float, option: str, within: float
) -> None:
    """Download the file from the first of ``urls`` that serves it; see :func:`fetch`.

    Args:
        urls: at least one, in the order in which they are tried.
        within: seconds for all of them. Each gets an equal part of what is left, so that a slow server does
            not use up the time of the others.

    Raises:
        DownloadError: none serves the file; the message names each URL and the cause.
        CondaModuleError: the file cannot be written.
    """
    deadline = time.monotonic() + within
    failures: list[DownloadError] = []
    for left, url in zip(range(len(urls), 0, -1), urls):
        share = within if len(urls) == 1 else max(0.0, deadline - time.monotonic()) / left
        try:
            return fetch(url, path, sha256, timeout=timeout, option=option, within=share)
        except DownloadError as error:
            failures.append(error)
            # What another mirror sent may be another file.
            with suppress(FileNotFoundError):
                os.unlink(path)
    if len(failures) == 1:
        raise failures[0]
    reasons = "; ".join(error.reason for error in failures)
    raise DownloadError(
        f"Cannot download the installer from any of the {len(urls)} addresses: {reasons}.",
        reasons,
        f"add an address that has it (option {option}; a mirror may keep only the newest release), or check"
        " this host's network, proxy and CA settings.",
    )


def _answer(url: str, error: HTTPError) -> str:
    """What the server answered, with its host if a redirect led to another one."""
    reason = str(error.reason)
    if "infinite loop" in reason:
        return "it redirects in a circle"
    if "is not allowed" in reason:
        return f"it redirects to {redact(error.geturl())}, which is not allowed"
    answered = f"the server answered {error.code} {reason}"
    host = urlsplit(error.geturl() or url).hostname
    return answered if host == urlsplit(url).hostname else f"it redirects to {host}: {answered}"


def _download_error(url: str, option: str, reason: str) -> DownloadError:
    return DownloadError(
        f"Cannot download the installer from {redact(url)}: {reason}.",
        f"{redact(url)}: {reason}",
        f"correct the option {option}, or check this host's network, proxy and CA settings.",
    )


def _transfer(url: str, path: str, timeout: float, deadline: float) -> None:
    """Make one attempt.

    Raises:
        _TooSlow: the deadline has passed.
        _Interrupted: another attempt may succeed.
        HTTPError: the server refused.
        OSError: the file cannot be written.
    """
    # Imported here because the import is slow, and a host that needs no change needs no network.
    from ansible.module_utils.urls import open_url

    start = os.path.getsize(path) if os.path.exists(path) else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    timeout = min(timeout, max(0.1, deadline - time.monotonic()))
    try:
        response = open_url(url, headers=headers, timeout=timeout, follow_redirects="safe")
    except HTTPError as error:
        if error.code == 416 and start:
            # The partial file is as long as the remote file or longer: start over.
            os.unlink(path)
            raise _Interrupted("the server does not resume the partial file") from error
        if error.code in _TEMPORARY_STATUS:
            raise _Interrupted(_answer(url, error)) from error
        raise
    except (URLError, http.client.HTTPException, socket.timeout) as error:
        if time.monotonic() >= deadline:
            raise _TooSlow from error
        raise _Interrupted(str(getattr(error, "reason", error))) from error
    except OSError as error:
        raise _Interrupted(str(error)) from error
    with response:
        continued = start > 0 and response.getcode() == 206
        expected = response.headers.get("Content-Length")
        received = 0
        # read1 returns the bytes that have arrived; read would wait for a whole chunk.
        read = getattr(response, "read1", response.read)
        with open(path, "ab" if continued else "wb") as stream:
            while True:
                if time.monotonic() >= deadline:
                    raise _TooSlow
                try:
                    chunk = read(_CHUNK_BYTES)
                except (http.client.HTTPException, OSError) as error:
                    if time.monotonic() >= deadline:
                        raise _TooSlow from error
                    raise _Interrupted(f"the transfer broke off: {error}") from error
                if not chunk:
                    break
                stream.write(chunk)
                received += len(chunk)
    if expected is not None and received < int(expected):
        raise _Interrupted(f"the transfer broke off after {start + received} bytes")
