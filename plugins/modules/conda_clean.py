#!/usr/bin/python

# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module llmfleet.conda.conda_clean."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_clean
short_description: Remove from caches what nothing uses
version_added: 0.1.0
description:
  - Removes packages that no environment uses from conda's package caches, and cleans the caches of pip, uv
    and the Hugging Face hub.
  - In check mode, the task lists what would go, with its size, and changes nothing.
  - A package stays if an environment of the installation has it, or if a file of it has another hard link.
    The environments are the base environment, those in C(envs_dirs), and those in the C(environments.txt) of
    the user, or of all users if the task runs as root.
  - The task takes the locks of the caches, so it waits for the other modules of this collection. A conda that
    somebody types does not take these locks. O(min_age) protects what it is about to link.
options:
  installation:
    description:
      - Prefix of the conda installation. Required for V(packages), V(archives) and V(index).
    type: path
    aliases: [conda_prefix]
  caches:
    description:
      - The caches to clean.
      - V(packages) are extracted packages that no environment uses.
      - V(archives) are downloaded archives of packages that no environment uses or that are extracted as
        well. Without the archive, a damaged extracted package has to be downloaded again.
      - V(index) are the indexes of channels. conda downloads them again, so it needs the channels next time,
        except with C(--offline), which then finds only the packages in the cache.
      - V(pip) and V(uv) are the downloads and wheels of this user. Environments have copies or hard links of
        them. uv's cache stays, with a warning, if an environment has symbolic links into it.
      - V(hub) are interrupted downloads, and revisions that no branch or tag in the cache names. A model in
        whose cache no branch or tag is known keeps all revisions.
    type: list
    elements: str
    choices: [packages, archives, index, pip, uv, hub]
    default: [packages, archives]
  pip_cache_dir:
    description:
      - pip's cache. By default the one of the user that the task runs as.
    type: path
  uv_cache_dir:
    description:
      - uv's cache. By default the one of the user that the task runs as.
    type: path
  hub_cache_dir:
    description:
      - The cache of the Hugging Face hub. By default the one of the user that the task runs as.
    type: path
  keep_revisions:
    description:
      - Commits of the hub that stay although no branch or tag in the cache names them, for example those that
        M(llmfleet.conda.hub_model) downloads by O(llmfleet.conda.hub_model#module:revision).
    type: list
    elements: str
    default: []
  min_age:
    description:
      - Seconds. What was downloaded, extracted or changed later stays.
    type: int
    default: 86400
  timeout:
    description:
      - Seconds to wait for each lock.
    type: int
    default: 600
attributes:
  check_mode:
    description: Lists what would be removed, with its size.
    support: full
  diff_mode:
    description: Shows one line for each file or directory that goes.
    support: full
  idempotent:
    description: A second run finds nothing to remove, unless something has become old enough meanwhile.
    support: full
  platform:
    description: Linux and macOS.
    support: full
    platforms: posix
author:
  - llmfleet contributors (@llmfleet)
"""

EXAMPLES = r"""
- name: Remove packages that no environment uses
  llmfleet.conda.conda_clean:
    installation: /opt/miniconda3

- name: Clean all caches of a host, also what was downloaded today
  llmfleet.conda.conda_clean:
    installation: /opt/miniconda3
    caches: [packages, archives, index, pip, uv, hub]
    pip_cache_dir: /srv/cache/pip
    uv_cache_dir: /srv/cache/uv
    hub_cache_dir: /srv/models
    keep_revisions: [8f3a2b1c4d5e6f708192a3b4c5d6e7f801234567]
    min_age: 0
    timeout: 1800
"""

RETURN = r"""
removed:
  description: The files and directories that were removed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    cache:
      description: The kind of cache, as in O(caches).
      type: str
      sample: packages
    path:
      description: Path of the file or directory.
      type: str
      sample: /opt/miniconda3/pkgs/numpy-1.26.4-py312heda63a1_0
    size:
      description: Bytes of disk that this frees.
      type: int
      sample: 41943040
size:
  description: The sum of these sizes in bytes.
  returned: success
  type: int
  sample: 41943040
sizes:
  description: The same for each kind of cache that has something to remove.
  returned: success
  type: dict
  sample: {packages: 41943040}
"""

from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._clean import module as clean_module


def _change(subject: Any) -> Any:
    # Imported only if something has to change: hosts compile imported files on every run.
    from ansible_collections.llmfleet.conda.plugins.module_utils._clean.change import CleanChange

    return CleanChange(subject)


def main() -> None:
    """Entry point of the module."""
    clean_module.main(_change)


if __name__ == "__main__":
    main()
