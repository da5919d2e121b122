# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of conda failures: what each means and what to do about it. A table without code."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.llmfleet.conda.plugins.module_utils._core.os_errors import HOST_TROUBLE


@dataclass(frozen=True)
class Kind:
    """What a kind of failure is (a clause) and what to do about it (an imperative sentence)."""

    headline: str
    hint: str


# What a full volume means for conda: its message seldom names the volume.
_VOLUMES = "make room on the volumes of the prefix, of pkgs_dirs and of temporary files (TMPDIR)."

KINDS: dict[str, Kind] = {
    **{kind: Kind(headline, hint) for kind, (headline, hint, _names) in HOST_TROUBLE.items()},
    "disk_full": Kind("the disk is full", _VOLUMES),
    "killed": Kind(
        "the kernel or an administrator killed it",
        "check the kernel log: when memory runs out, the kernel kills the largest process. Give the host more"
        " memory, or change the environment in smaller steps.",
    ),
    "compiled": Kind(
        "a compiled file (.pyc) of its Python is truncated",
        "run the task again, not in check mode: it removes such files.",
    ),
    "terms": Kind(
        "the terms of service of a channel have not been accepted",
        "use conda-forge (the default of this collection), or accept the terms of that channel explicitly"
        " (conda tos accept, or the role's variable install_miniconda_tos).",
    ),
    "forbidden": Kind(
        "a condarc forbids a channel",
        "use another channel, or change denylist_channels or allowlist_channels with conda_config;"
        " install_miniconda_tos: refuse denies Anaconda's channels.",
    ),
    "offline": Kind(
        "it may not use the network (offline), and this host lacks the index or a package",
        "set the option offline to false for one run, or serve the channel from a directory (file:///...).",
    ),
    "base_damaged": Kind(
        "a record of conda's own installation is damaged",
        "repair the installation with llmfleet.conda.conda_installation; the environment of this task is not"
        " the cause.",
    ),
    "frozen": Kind(
        "the environment is frozen",
        "change another environment, or remove the file conda-meta/frozen if the change is intended.",
    ),
    "corrupt": Kind(
        "a package is damaged, in the package cache or in the channel",
        "compare the named file with the channel's original; a proxy or mirror may alter it.",
    ),
    "index": Kind(
        "the index of a channel (repodata) is damaged",
        "compare the channel's repodata.json with the original; a proxy or mirror may alter it.",
    ),
    "environment_damaged": Kind(
        "the records of the environment are damaged",
        "set the option repair to true, or recreate the environment (conda_env with the option recreate).",
    ),
    "host_lacks": Kind(
        "a package needs something that this host lacks (see the name with two underscores)",
        "__cuda is the GPU driver, __glibc the C library, __osx and __linux the system: request a build for"
        " this host, such as a CPU build, or update the host.",
    ),
    "dependency": Kind(
        "the channels lack a dependency of a requested package",
        "add the channel that has the dependency to the option channels, or request another version; a mirror"
        " may be incomplete.",
    ),
    "not_found": Kind(
        "the channels do not have a package that the option packages requests",
        "correct the name or version in the option packages, or add a channel that has it.",
    ),
    "not_installed": Kind(
        "the environment does not have a package that the task updates or removes",
        "correct the name in the option packages; conda list shows the installed packages.",
    ),
    "unsatisfiable": Kind(
        "the specs in the option packages conflict with each other or with installed packages",
        "loosen one of the conflicting specs in the option packages, or use two environments.",
    ),
    "spec": Kind(
        "conda cannot read a spec",
        "write the spec like numpy, numpy=1.26, 'numpy>=1.26,<2' or conda-forge::numpy.",
    ),
    "platform": Kind(
        "the file describes packages for another platform",
        "use a lock or an environment file for this host's platform.",
    ),
    "file_format": Kind(
        "conda cannot use the environment file",
        "correct the file, or give its packages to conda_env and its pip lines to conda_pip.",
    ),
    "plugin": Kind(
        "a plugin or a part of conda is missing or broken",
        "repair or update conda with conda_installation, or set a solver that is installed (conda_config); a"
        " SOCKS proxy needs the package pysocks in base.",
    ),
    "outdated": Kind(
        "this conda is older than a file that it has to read",
        "update conda with conda_installation.",
    ),
    "not_cached": Kind(
        "the package cache lacks a package",
        "set the option offline to false for one run, or copy the package into the package cache.",
    ),
    "tls": Kind(
        "a channel's certificate is not trusted",
        "set ssl_verify in the condarc (conda_config) to your site's CA file, or check the host's clock.",
    ),
    "denied": Kind(
        "a channel, or a proxy, refuses access",
        "check the credentials in the channel's URL (user and password, or /t/TOKEN/) and those of the"
        " proxy.",
    ),
    "proxy": Kind(
        "the proxy settings are invalid",
        "correct proxy_servers in the condarc (conda_config), or the variables http_proxy and https_proxy.",
    ),
    "channel": Kind(
        "a channel does not exist at its URL, or lacks a file that its index lists",
        "correct the URL in the option channels (or the mirror in the condarc); a mirror may be incomplete"
        " or closed, or redirect to another host: then choose another"
        " (install_miniconda_mirror_preset).",
    ),
    "no_channels": Kind(
        "no channel is configured", "name the channels in the option channels, or in the condarc."
    ),
    "network": Kind(
        "a channel could not be reached",
        "check that this host can reach the channel's URL, and its proxy and CA settings; if a mirror is"
        " closed, or redirects to a host that does not answer, choose another"
        " (install_miniconda_mirror_preset).",
    ),
    "permission": Kind(
        "this user may not write the prefix or the package cache",
        "run the task as the user who owns the prefix and the package cache (become_user).",
    ),
    "no_base": Kind(
        "there is no conda installation at the option installation",
        "install conda there with llmfleet.conda.conda_installation, or correct the option.",
    ),
    "not_environment": Kind(
        "there is no environment", "create the environment first with llmfleet.conda.conda_env."
    ),
    "protected": Kind(
        "conda refuses the change, because it would break conda itself or a setting forbids it",
        "leave base to conda_installation and use another environment; see conda's output.",
    ),
    "not_allowed": Kind(
        "a condarc forbids the operation (override_channels_enabled or disallowed_packages)",
        "change the key with conda_config, or leave out the option channels or the package.",
    ),
    "clobber": Kind(
        "two packages claim the same file",
        "remove one of the two packages, or set path_conflict in the condarc (conda_config).",
    ),
    "prefix_length": Kind(
        "the prefix is too long for a package",
        "choose a shorter prefix, or a newer build of the package.",
    ),
    "script": Kind(
        "a package cannot be linked, or its post-link script failed",
        "run the named script by hand to see its error; the specs are correct.",
    ),
    "config": Kind(
        "a condarc contains an error",
        "correct the named file, or manage it with llmfleet.conda.conda_config.",
    ),
    "encoding": Kind(
        "a file that conda reads is not UTF-8 text",
        "correct the file: ~/.conda/environments.txt of this user (conda writes it anew), a condarc or the"
        " history of the environment.",
    ),
    "value": Kind(
        "conda refuses a value",
        "correct the value that conda names: an option of the task, or a key of a condarc (conda_config).",
    ),
    "file": Kind(
        "conda cannot read or write a file",
        "check that the named file exists and that this user may use it.",
    ),
    "locked": Kind(
        "another process holds conda's own lock",
        "wait until the other conda has finished, then run the task again.",
    ),
    "interrupted": Kind("it was interrupted", "run the task again."),
    "usage": Kind(
        "it did not accept its command line",
        "this version of conda does not support the command; report the command and the version.",
    ),
    "crash": Kind(
        "it crashed",
        "run the command by hand on the host to see the full output; another version of conda"
        " (conda_installation) or another solver (conda_config) may help.",
    ),
    "timeout": Kind(
        "it took longer than the option timeout allows",
        "raise the option timeout, or find out why conda is slow (network, disk).",
    ),
    "unknown": Kind(
        "it reported no known reason",
        "read conda's output, and run the command by hand on the host to see more.",
    ),
}
