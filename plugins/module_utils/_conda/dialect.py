# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines of conda and of libmamba (micromamba, and mamba from version 2), which reimplements it.

The rest of the collection uses conda's options; only this file knows where libmamba differs. The differences
are taken from recorded runs of micromamba 2.8.1 and its documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext

from ansible_collections.llmfleet.conda.plugins.module_utils._conda.hidden_arguments import hidden
from ansible_collections.llmfleet.conda.plugins.module_utils._core.safe_files import only_regular
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)

COMMON = ("--yes", "--quiet", "--json")


class CondaDialect:
    """conda itself, and mamba 1, which passes its command line to conda's parser."""

    #: ``conda create --yes`` uses a directory that is not an environment (tried with conda 24.7.1).
    creates_in_directories = True

    #: With ``path_conflict: prevent``, conda lists the files that it would overwrite.
    tells_collisions = True

    def commands(
        self,
        command: str,
        prefix: str,
        specs: Sequence[str],
        options: Sequence[str],
        installed: Collection[str],
    ) -> list[list[str]]:
        """Return the command lines, in the order in which to run them.

        Args:
            command: ``create``, ``install`` or ``remove``, as conda calls it.
            prefix: the environment.
            specs: match specs or package names.
            options: as conda names them.
            installed: names of the packages that are in the environment now.
        """
        del installed
        return [[command, "--prefix", prefix, *COMMON, *options, *specs]]

    def environment(self, installation: str) -> dict[str, str]:
        """Environment variables in addition to those for every conda."""
        del installation
        return {}

    def caches(self) -> list[str]:
        """Package caches in addition to conda's own."""
        return []

    def hidden(
        self, arguments: Sequence[str]
    ) -> AbstractContextManager[tuple[list[str], dict[str, str]]]:
        """The arguments without secrets, and the variables that pass these secrets to conda."""
        return hidden(arguments)


class LibmambaDialect(CondaDialect):
    """micromamba, and mamba from version 2."""

    #: libmamba refuses ("Non-conda folder exists at prefix").
    creates_in_directories = False

    tells_collisions = False

    def commands(
        self,
        command: str,
        prefix: str,
        specs: Sequence[str],
        options: Sequence[str],
        installed: Collection[str],
    ) -> list[list[str]]:
        """As in the base class; ``install`` never changes a package that fulfils its spec already.

        libmamba has no ``--update-specs``. ``update`` changes such packages, but ignores those that are not
        installed.
        """
        if "--update-specs" not in options:
            return super().commands(command, prefix, specs, options, installed)
        rest = [option for option in options if option != "--update-specs"]
        known = [spec for spec in specs if _name(spec) in installed]
        new = [spec for spec in specs if spec not in known]
        return [
            [verb, "--prefix", prefix, *COMMON, *rest, *chosen]
            for verb, chosen in (("install", new), ("update", known))
            if chosen
        ]

    def environment(self, installation: str) -> dict[str, str]:
        """The root prefix is the installation, so that both share the package cache and the condarc."""
        return {"MAMBA_ROOT_PREFIX": installation}

    def hidden(
        self, arguments: Sequence[str]
    ) -> AbstractContextManager[tuple[list[str], dict[str, str]]]:
        """Pass the arguments unchanged: it is unknown whether libmamba accepts them the other way."""
        return nullcontext((list(arguments), {}))

    def caches(self) -> list[str]:
        """libmamba also uses a cache in the home directory."""
        return [os.path.expanduser("~/.mamba/pkgs")]


def dialect_of(executable: str | None) -> CondaDialect:
    """The dialect of the program ``executable`` (None: the installation's own conda).

    micromamba is recognised by its name. mamba 1 is a script and mamba 2 is a binary, so no program has to be
    started.
    """
    name = os.path.basename(executable or "")
    if name.startswith("micromamba"):
        return LibmambaDialect()
    if executable and name.startswith("mamba") and not _is_script(executable):
        return LibmambaDialect()
    return CondaDialect()


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb", opener=only_regular) as stream:
            return stream.read(2) == b"#!"
    except (OSError, ValueError):
        # The file does not exist, or cannot: its path contains a null character.
        return True


def _name(spec: str) -> str:
    try:
        return parse_match_spec(spec).name
    except (InvalidSpecError, UnsupportedSpecError):
        return re.split(r"[\s=<>!~\[]", spec.rpartition("::")[2].strip(), maxsplit=1)[0]
