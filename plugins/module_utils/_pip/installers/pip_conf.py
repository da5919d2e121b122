# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the host's pip configuration for uv, which does not read it. Starts no process.

With either installer, a host must use the same sources. So the sources, certificates and proxies in pip's
configuration are passed to uv.
Names and order: "Configuration" in pip's documentation, and `pip._internal.configuration`.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular

_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


@dataclass(frozen=True)
class PipConfiguration:
    """The settings for uv; the names are those of pip's options."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    proxy: str | None = None
    compiles: bool = True


def configuration_files(
    prefix: str, environment: Mapping[str, str], platform: str = sys.platform
) -> list[str]:
    """pip's configuration files of a host and an environment, in ascending priority."""
    home = environment.get("HOME") or os.path.expanduser("~")
    config_home = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    if platform == "darwin":
        site = ["/Library/Application Support/pip"]
        user = os.path.join(home, "Library", "Application Support", "pip")
        if not os.path.isdir(user):
            user = os.path.join(home, ".config", "pip")
    else:
        listed = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        site = [os.path.join(path, "pip") for path in listed.split(os.pathsep) if path]
        site.append("/etc")
        user = os.path.join(config_home, "pip")
    directories = [*site, os.path.join(home, ".pip"), user, prefix]
    return [os.path.join(directory, "pip.conf") for directory in directories]


def read_configuration(
    prefix: str, environment: Mapping[str, str] | None = None
) -> PipConfiguration:
    """The settings of `pip install` in this environment, without its variables (PIP_...).

    Raises:
        CondaModuleError: pip would fail on one of the files. Without its settings, distributions could come
            from the wrong source.
    """
    environment = os.environ if environment is None else environment
    general: dict[str, str] = {}
    install: dict[str, str] = {}
    for path in configuration_files(prefix, environment):
        parser = configparser.RawConfigParser()
        try:
            with open(path, encoding="utf-8", opener=only_regular) as stream:
                parser.read_file(stream)
        except OSError:
            continue  # as pip does
        except (UnicodeDecodeError, configparser.Error) as error:
            raise CondaModuleError(
                f"pip's configuration file {path} cannot be parsed: {error}. Nothing was changed.",
                prefix=prefix,
                hint="correct the file, or remove it.",
            ) from error
        for section, values in (("global", general), ("install", install)):
            if parser.has_section(section):
                values.update((_key(name), value) for name, value in parser.items(section))
    found = {name: value for name, value in {**general, **install}.items() if value}
    return PipConfiguration(
        index_url=found.get("index-url"),
        extra_index_urls=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
        no_index=found.get("no-index", "").lower() in _TRUE,
        pre=found.get("pre", "").lower() in _TRUE,
        trusted_hosts=tuple(found.get("trusted-host", "").split()),
        cert=found.get("cert"),
        proxy=found.get("proxy"),
        # `no-compile = no` disables compilation ("Boolean options" in pip's documentation).
        compiles=found.get("no-compile", found.get("compile", "yes")).lower() in _TRUE,
    )


def _key(name: str) -> str:
    name = name.lower().replace("_", "-")
    return name[2:] if name.startswith("--") else name
