# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the options of conda_pip into a request and refuses options that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.guards import environment_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.request import Desired, Request
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    FileLines,
    RequirementsFileError,
    read_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    Requirement,
    parse_lines,
)


def file_lines(params: Mapping[str, Any], prefix: str) -> FileLines:
    """The requirement and constraint lines of a task: first those of its options, then those of its files.

    Raises:
        CondaModuleError: a file cannot be read or used; the message names option, file and line.
    """
    for option in ("requirements_files", "constraints_files"):
        for path in params[option] or ():
            if not os.path.isabs(path):
                raise CondaModuleError(
                    f"The option {option} requires absolute paths on the managed host, not {path!r}. "
                    "Nothing was changed.",
                    prefix=prefix,
                )
    try:
        read = read_files(params["requirements_files"] or (), params["constraints_files"], _text_of)
    except RequirementsFileError as error:
        raise CondaModuleError(
            f"{error}. Nothing was changed.",
            prefix=prefix,
            hint="correct the line, or use the module's options instead.",
        ) from error
    return FileLines(
        [*(params["requirements"] or []), *read.requirements],
        [*params["constraints"], *read.constraints],
    )


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", opener=only_regular) as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CondaModuleError(
            f"The requirements file {path} cannot be read: {reason}. Nothing was changed.",
            hint="copy the file to the host first and make it readable for this user, or leave out "
            "remote_src to use a file on the controller.",
        ) from error


def uv_executable(params: Mapping[str, Any], prefix: str) -> str | None:
    """Check the option of this name.

    Raises:
        CondaModuleError: it is not an absolute path, or the installer is pip.
    """
    path: str | None = params["uv_executable"]
    problem = None
    if path is not None and params["installer"] == "pip":
        problem = "cannot be used with installer: pip"
    elif path is not None and not os.path.isabs(path):
        problem = f"requires an absolute path, not {path!r}"
    if problem:
        raise CondaModuleError(
            f"The option uv_executable {problem}. Nothing was changed.",
            prefix=prefix,
            hint="set installer: uv, and uv_executable to the absolute path of uv.",
        )
    return path


def parsed_option(option: str, lines: Sequence[str], prefix: str) -> tuple[Requirement, ...]:
    """The parsed lines of the option ``requirements``, ``constraints`` or ``constraints_for_pip``.

    Raises:
        CondaModuleError: a line cannot be used; the message names option and line.
    """
    try:
        found = parse_lines(lines, option)
    except InvalidRequirement as error:
        raise CondaModuleError(
            f"The option {error}. Nothing was changed.",
            prefix=prefix,
            asked=list(lines),
            hint="write lines such as numpy, 'numpy>=2,<3', 'uvicorn[standard]' or 'name @ https://...'.",
        ) from error
    with_extras = [line.text for line in found if option != "requirements" and line.extras]
    if with_extras:
        raise CondaModuleError(
            f"The option {option}: extras are not allowed in {with_extras[0]!r}. Nothing was changed.",
            prefix=prefix,
            hint="name the extras in requirements.",
        )
    return tuple(found)


def checked_sources(params: Mapping[str, Any], prefix: str) -> Sources:
    """Check the options for the sources of distributions.

    Raises:
        CondaModuleError: a URL or a path cannot be used; the message names the option.
    """
    urls = [("index_url", params["index_url"])] if params["index_url"] is not None else []
    urls += [("extra_index_urls", url) for url in params["extra_index_urls"]]
    problem = None
    for option, url in urls:
        if "://" not in url or url != url.strip() or len(url.split()) != 1:
            problem = f"The option {option} requires a URL such as https://host/simple, not {url!r}"
    for link in params["find_links"]:
        if (not os.path.isabs(link) and "://" not in link) or "\n" in link:
            problem = f"The option find_links requires absolute paths or URLs, not {link!r}"
    for host in params["trusted_hosts"]:
        if "/" in host or len(host.split()) != 1:
            problem = f"The option trusted_hosts requires host names, not {host!r}"
    if params["no_index"] and urls:
        problem = f"The options no_index and {urls[0][0]} are mutually exclusive"
    if params["no_index"] and not params["find_links"] and params["state"] != "absent":
        problem = "The option no_index requires find_links as the source of distributions"
    if problem:
        raise CondaModuleError(f"{problem}. Nothing was changed.", prefix=prefix)
    return Sources(
        index_url=params["index_url"],
        extra_index_urls=tuple(params["extra_index_urls"]),
        find_links=tuple(params["find_links"]),
        no_index=params["no_index"],
        trusted_hosts=tuple(params["trusted_hosts"]),
        cache_dir=params["cache_dir"],
    )


def request_from(params: Mapping[str, Any]) -> Request:
    """Convert the module's validated options into a request.

    Raises:
        CondaModuleError: an option cannot be used; the message names it.
    """
    prefix = environment_prefix(params["installation"], params["name"], params["prefix"])
    lines = file_lines(params, prefix)
    if params["exact"] and params["state"] == "absent":
        raise CondaModuleError(
            "The option exact cannot be used with state: absent, whose requirements name what to remove."
            " Nothing was changed.",
            prefix=prefix,
            hint="remove exact from the task.",
        )
    return Request(
        prefix=prefix,
        desired=Desired(
            requirements=parsed_option("requirements", lines.requirements, prefix),
            constraints=parsed_option("constraints", lines.constraints, prefix),
            state=params["state"],
            replace_conda_packages=params["replace_conda_packages"],
            constraints_for_pip=parsed_option(
                "constraints_for_pip", params["constraints_for_pip"], prefix
            ),
            repair=params["repair"],
            check=params["check"],
            exact=params["exact"],
        ),
        sources=checked_sources(params, prefix),
        timeout=params["timeout"],
        installer=params["installer"],
        uv_executable=uv_executable(params, prefix),
        installation=params["installation"],
        in_use=params["in_use"],
        in_use_timeout=params["in_use_timeout"],
    )
