# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses a channel that the condarc denies, in any notation, before conda is started.

conda (24.9 and later, reliably from 24.11.1 on) compares the URLs in ``denylist_channels`` as text, and does
not check the URLs of a lock file. This module also recognises a denied channel by HTTP, with a token, under
another name, in a match spec and in the URL of a package. If ``pkgs/main`` is denied, so are all channels
under its terms of service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channel_terms import (
    channel_of_spec,
    has_terms,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.channels import (
    channel_addresses,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.settings import (
    combined,
    read_condarcs,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import is_subdir

_ENDINGS = (".conda", ".tar.bz2")


def refuse_denied(
    installation: str, channels: Sequence[str], specs: Iterable[str], packages: Iterable[str] = ()
) -> None:
    """Fail if the task would use a denied channel.

    Args:
        installation: its condarc counts, together with those of the user and of the system.
        channels: of the task; if empty, those of the condarc.
        specs: match specs.
        packages: package URLs of a lock file.

    Raises:
        CondaModuleError: a channel is denied; the message names the channel, spec or URL.
    """
    settings = combined(read_condarcs(installation))
    denied = settings.get("denylist_channels") or ()
    if not denied:
        return
    listed = {_key(url) for one in denied for url in channel_addresses(str(one), settings)}
    with_terms = any(key.endswith("/pkgs/main") for key in listed)
    packages = list(packages)
    # Packages with a URL of their own need no channel.
    configured = [] if packages else settings.get("channels") or ["defaults"]
    named = {str(channel): f"the channel {channel}" for channel in channels or configured}
    for spec in specs:
        named.setdefault(channel_of_spec(spec), spec)
    named.update((url, url) for url in packages)
    named.pop("", None)
    for channel, text in named.items():
        addresses = channel_addresses(channel, settings)
        # Check the name as well, as the roles do, because an alias may be a mirror. defaults may be
        # redefined.
        known_as = addresses if channel.partition("/")[0] == "defaults" else [channel, *addresses]
        if {_key(url) for url in addresses} & listed or (
            with_terms and any(map(has_terms, known_as))
        ):
            raise CondaModuleError(
                f"The condarc of this host denies {text} (denylist_channels). Nothing was changed.",
                asked=[text],
                hint="use another channel. The role install_miniconda denies the channels of defaults if"
                " install_miniconda_tos is refuse.",
                error_kind="forbidden",
            )


def _key(address: str) -> str:
    """The key by which two channel URLs are compared: host and path, without token and platform."""
    text = unquote(re.split(r"[?#]", address)[0])
    _scheme, _separator, rest = text.rpartition("://")
    host, _slash, path = rest.partition("/")
    host = re.sub(r":(?:80|443)$", "", host.rpartition("@")[2].lower()).rstrip(".")
    words = [word for word in re.sub(r"(?:^|/)t/[^/]+", "", f"/{path}").split("/") if word]
    if words and words[-1].endswith(_ENDINGS):
        words.pop()
    if words and is_subdir(words[-1]):
        words.pop()
    if words[:1] == ["pkgs"] and host == "conda.anaconda.org":
        # These channels are served by another host (conda, base.constants.DEFAULT_CHANNELS).
        host = "repo.anaconda.com"
    return "/".join([host, *words])
