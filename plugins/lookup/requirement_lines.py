# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup llmfleet.conda.requirement_lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.requirements_file import (
    RequirementsFileError,
    read_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_marker import (
    InvalidMarker,
    environment_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    InvalidRequirement,
    logical_lines,
    parse_line,
)

DOCUMENTATION = r"""
name: requirement_lines
short_description: List the Python requirements that apply on a platform
version_added: 0.1.0
author:
  - llmfleet contributors (@llmfleet)
description:
  - Lists requirement lines, and those of requirements files with the files that they include, as
    M(llmfleet.conda.conda_pip) reads them. Comments and lines whose marker is false are left out.
  - Files that cannot be used are left out. M(llmfleet.conda.conda_pip) reports them.
options:
  _terms:
    description:
      - Requirements files on the controller. Ansible looks for them in C(files) beside the playbook, or they
        have absolute paths.
    type: list
    elements: str
    required: true
  lines:
    description:
      - Further requirement lines. They come first.
    type: list
    elements: str
    default: []
  platforms:
    description:
      - Conda's names of the platforms, such as V(linux-64). A line is listed if it applies on all of them.
    type: list
    elements: str
    required: true
  python:
    description:
      - The version of Python for markers.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what a requirements file installs on Linux
  ansible.builtin.debug:
    msg: "{{ query('llmfleet.conda.requirement_lines', 'stack.txt', platforms=['linux-64'], python='3.12') }}"
"""

RETURN = r"""
_raw:
  description: The lines, without comments and with continued lines joined.
  type: list
  elements: str
  sample: ["tensorflow[and-cuda]>=2.20"]
"""


class LookupModule(LookupBase):
    """Reads requirements on the controller."""

    def run(
        self, terms: Iterable[str], variables: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        """Return the lines that apply."""
        self.set_options(var_options=variables, direct=kwargs)
        python = self.get_option("python")
        environments = [environment_of(python, name) for name in self.get_option("platforms")]
        lines = [str(line) for line in self.get_option("lines")]
        for term in terms:
            lines += self._lines_of(str(term), variables)
        return list(_applying(lines, environments))

    def _lines_of(self, name: str, variables: Mapping[str, Any] | None) -> list[str]:
        path = self.find_file_in_search_path(variables, "files", name, ignore_missing=True)
        if not path:
            return []
        try:
            return read_files([path], [], self._text).requirements
        except (AnsibleError, RequirementsFileError, UnicodeDecodeError):
            return []

    def _text(self, path: str) -> str:
        return str(self._loader.get_text_file_contents(path))


def _applying(lines: Iterable[str], environments: Iterable[Mapping[str, str]]) -> Iterator[str]:
    for _number, text in logical_lines("\n".join(lines)):
        try:
            requirement = parse_line(text)
            applies = all(requirement.applies(environment) for environment in environments)
        except (InvalidRequirement, InvalidMarker):
            # The module names what is wrong with it.
            continue
        if applies:
            yield requirement.text
