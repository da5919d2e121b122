# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches one file over HTTP: resumed, retried a bounded number of times, and checked by SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import socket
import time
from urllib.error import HTTPError, URLError

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import (
    CondaModuleError,
    hint_for,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_CHUNK_BYTES = 1 << 20
# Seconds to wait before each further attempt.
_DELAYS = (0.5, 2.0, 5.0)
_TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
    """The transfer broke off or the server is in trouble: the next attempt may do better."""


class _TooSlow(Exception):
    """All the time that there was has passed."""


def sha256_of(path: str) -> str:
    """SHA-256 of a file's bytes, lower case hexadecimal.

    Raises:
        OSError: it cannot be read.
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
        path: where to write; a part that an earlier attempt left there is continued.
        sha256: the sum that the whole file must have.
        timeout: seconds without any progress after which an attempt is given up.
        option: the module option that named the address, for messages.
        within: seconds for all of it: a server may make progress for ever, a few bytes at a time.

    Raises:
        CondaModuleError: refused by the server, broken off too often, too slow, other bytes than expected, or
            no room.
    """
    deadline = time.monotonic() + within
    for attempt, delay in enumerate((*_DELAYS, None), start=1):
        try:
            _transfer(url, path, timeout, deadline)
        except _Interrupted as error:
            if delay is None or time.monotonic() + delay >= deadline:
                attempts = f"{attempt} attempt{'s' if attempt > 1 else ''}"
                raise _failed(url, option, f"{error} ({attempts})") from error
            time.sleep(delay)
        except ValueError as error:
            raise _failed(url, option, f"it is no address ({error})") from error
        except _TooSlow as error:
            raise CondaModuleError(
                f"The installer was not there after {within:g} seconds (option timeout), from {redact(url)}."
                " Nothing was changed.",
                hint=f"look at what slows that server or this host's network down, choose a mirror nearer by"
                f" (option {option}), or set the option timeout higher.",
            ) from error
        except HTTPError as error:
            raise _failed(
                url, option, f"the server answered {error.code} {error.reason}"
            ) from error
        except OSError as error:
            raise CondaModuleError(
                f"The installer cannot be written to {path}: {error.strerror or error}.",
                hint=hint_for(error, "run the task as a user who may write there (become)."),
            ) from error
        else:
            break
    found = sha256_of(path)
    if found != sha256:
        raise CondaModuleError(
            f"The bytes of {redact(url)} have the SHA-256 sum {found}, expected was {sha256}"
            " (option checksum, or the catalogue). Nothing was changed.",
            hint="compare the option checksum with its publisher's; a mirror may serve an altered file.",
        )


def _failed(url: str, option: str, reason: str) -> CondaModuleError:
    return CondaModuleError(
        f"The installer cannot be downloaded from {redact(url)}: {reason}. Nothing was changed.",
        hint=f"correct the option {option}, or check this host's network, proxy and CA settings.",
    )


def _transfer(url: str, path: str, timeout: float, deadline: float) -> None:
    """One attempt.

    Raises:
        _TooSlow: the deadline has passed.
        _Interrupted: worth another attempt.
        HTTPError: the server refused.
        OSError: the file cannot be written.
    """
    # Only here: it is slow to import, and a host that is as asked needs no network.
    from ansible.module_utils.urls import open_url

    start = os.path.getsize(path) if os.path.exists(path) else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    timeout = min(timeout, max(0.1, deadline - time.monotonic()))
    try:
        response = open_url(url, headers=headers, timeout=timeout, follow_redirects="safe")
    except HTTPError as error:
        if error.code == 416 and start:
            # The part on disk is as long as the file or longer: start over rather than guess.
            os.unlink(path)
            raise _Interrupted("the server does not continue the partial file") from error
        if error.code in _TEMPORARY_STATUS:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
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
        # read1 returns with what has come; read would wait for a whole chunk, however slowly it comes.
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
