# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of conda's command line, which every user of the host can read, and out of its history.

For one run, a channel whose URL contains a token or password is passed under a name, which a private condarc
maps to the URL (``custom_multichannels``; the variable CONDARC names the file). Specs with such a URL are
passed in a private file. Without secrets, the command line stays as it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import secrets_in
from ansible_collections.llmfleet.conda.plugins.module_utils._core.scratch import roomy_directory

# conda keeps the token of a channel below /conda in this place, as Anaconda Enterprise Repository requires
# (conda 24.7, models.channel); in a multichannel it would move the token to the front.
_BELOW_CONDA = re.compile(r"(?P<base>[a-z]+://[^/]+/conda/t/[^/]+)/(?P<name>.*[^/])/*")


def divided(arguments: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """The arguments without secrets, the hidden channels by the names used there, and the specs left out."""
    shown: list[str] = []
    channels: dict[str, str] = {}
    specs: list[str] = []
    for position, argument in enumerate(arguments):
        if not secrets_in(argument):
            shown.append(argument)
        elif position and arguments[position - 1] == "--channel":
            name = f"channel-with-secret-{len(channels) + 1}"
            channels[name] = argument
            shown.append(name)
        elif argument.startswith("-"):
            shown.append(argument)
        else:
            specs.append(argument)
    return shown, channels, specs


@contextmanager
def hidden(arguments: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The arguments without secrets, and the variables that conda needs; removes the files afterwards."""
    shown, channels, specs = divided(arguments)
    if not channels and not specs:
        yield list(arguments), {}
        return
    near = [os.path.dirname(to) for at, to in zip(arguments, arguments[1:]) if at == "--prefix"]
    # Only this user can read the directory.
    with roomy_directory(near) as directory:
        variables = {}
        if channels:
            # conda reads the file that this variable names if its name ends with .yml; JSON is valid YAML.
            variables["CONDARC"] = os.path.join(directory, "channels.yml")
            shown, settings = _named(shown, channels)
            with open(variables["CONDARC"], "w", encoding="utf-8") as stream:
                json.dump(settings, stream)
        if specs:
            listed = os.path.join(directory, "specs.txt")
            with open(listed, "w", encoding="utf-8") as stream:
                stream.write("".join(f"{spec}\n" for spec in specs))
            shown += ["--file", listed]
        yield shown, variables


def _named(
    shown: list[str], channels: dict[str, str]
) -> tuple[list[str], dict[str, dict[str, object]]]:
    """The arguments, and the settings that map the channel names in them to URLs."""
    shown = list(shown)
    several: dict[str, object] = {}
    custom: dict[str, object] = {}
    for name, address in channels.items():
        found = _BELOW_CONDA.fullmatch(address)
        # The last part of a custom channel's URL is its name, which must not mean another channel here.
        if found and not any(
            one == found["name"] or one.startswith((f"{found['name']}/", f"{found['name']}::"))
            for one in shown
        ):
            custom[found["name"]] = found["base"]
            shown[shown.index(name)] = found["name"]
        else:
            several[name] = [address]
    settings = {"custom_multichannels": several, "custom_channels": custom}
    return shown, {key: value for key, value in settings.items() if value}
