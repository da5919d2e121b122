# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and attributes that the modules of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments are named after this file: ``llmfleet.conda.environment`` and its parts."""

    DOCUMENTATION = r"""
options:
  installation:
    description:
      - Prefix of the conda installation (the base environment) to use, an absolute path.
      - Needed with O(name), and by everything that has to start conda.
    type: path
    aliases: [conda_prefix]
  name:
    description:
      - Name of the environment below C(envs) of O(installation).
      - V(base) is the installation's own environment.
      - Exactly one of O(name) and O(prefix) must be given.
    type: str
  prefix:
    description:
      - Absolute path of the environment.
      - At most 110 bytes long and without white space, because of the limits of script headers.
    type: path
"""

    CONDA = r"""
options:
  channels:
    description:
      - Channels to take packages from, in order of priority, as names or URLs.
      - When given, conda uses these channels only (C(--override-channels)).
      - When empty, the channels of the host's condarc files are used.
    type: list
    elements: str
    default: []
  channel_priority:
    description:
      - How conda weighs the channels for this task. V(strict) takes a package from the first channel that has
        one of its name, V(flexible) prefers that channel, V(disabled) takes the highest version of all.
      - When omitted, the C(channel_priority) of the host's condarc files counts, and without one conda's
        default.
      - It only counts where conda looks for packages. A package that is there and fulfils its spec stays,
        wherever it came from.
    type: str
    choices: [strict, flexible, disabled]
  repair:
    description:
      - Reinstall packages whose files are missing or truncated, or whose record cannot be read.
      - Compiled files (C(.pyc)) and files that grew are left alone.
    type: bool
    default: true
  offline:
    description: Use the package cache only, never the network.
    type: bool
    default: false
  executable:
    description:
      - Absolute path of another conda, a mamba or a micromamba to start instead of the conda in
        O(installation).
      - A program whose name begins with C(micromamba), and a C(mamba) that is no script (version 2), gets
        the command lines of libmamba, with O(installation) as its root prefix.
      - Tested with conda 24.7.1 itself, and with recorded runs of conda 26.7.1 and micromamba 2.8.1. The
        recordings hold create, install, update, remove and C(env remove) of micromamba. Locks,
        C(--force-reinstall), C(--offline) and all of mamba follow its documentation and were not run.
    type: path
  timeout:
    description:
      - Seconds that one command of conda may take together with its repetitions, and the wait for each
        lock.
      - When they have passed, conda and its children are asked to end, so that conda can roll back, and are
        killed five seconds later.
    type: int
    default: 3600
notes:
  - What the network may have done (no connection, a cut one, HTTP 408, 425, 429 and 5xx) is tried again after
    1 and after 4 seconds, on top of conda's own attempts. A wrong name, a conflict, HTTP 401, 403 or 404
    and untrusted certificates are not.
  - A package that is damaged in the package cache, or an index that is no JSON, is moved to
    C(.llmfleet-quarantine) in that cache and taken anew once, with a warning that says where it is now.
    The three newest of these stay there; C(conda clean) does not touch them.
  - Addresses with a token or a password do not show in the process list of the host (with a libmamba as
    O(executable) they do), and conda leaves the secrets out of C(conda-meta). It writes whole addresses into
    its package cache (C(urls.txt), C(cache/*.info.json), C(repodata_record.json)); after each run the module
    takes the secrets out of these files. While conda runs they are there, as they are after a run that was
    killed or made by hand, until the next run of a module with a secret. A package cache that not everybody
    may read keeps them from other users at these times, too.
  - When conda fails, the result holds C(error_kind) (for example V(not_found), V(unsatisfiable), V(network),
    V(denied), V(corrupt), V(disk_full)), C(said) (conda's words), C(hint), C(attempts), C(set_aside),
    C(command) and C(rc).
"""

    IN_USE = r"""
options:
  in_use:
    description:
      - What the task does when programs run from the prefix and it would remove or replace files there. A
        running program fails at its next import when its files have changed.
      - V(fail) refuses before anything is changed and names the processes. V(wait) waits until they have
        ended, up to O(in_use_timeout) seconds, and fails then. V(warn) changes the files and warns.
      - A process counts when its program, a library or another file that it has mapped lies in the prefix.
        Its working directory counts only when the task removes the whole directory.
      - A task that makes a new environment or only adds packages goes on. When programs run and the plan
        does not say what conda or pip would replace, the solver is asked first (a dry run). A task that
        finds nothing to do does not look for processes.
      - The module's own process, its parents and its children do not count. But the Python that Ansible
        runs the module with is never removed or replaced, whatever this option says; set
        C(ansible_python_interpreter) to another one.
      - In check mode V(fail) fails as the real run would; V(wait) and V(warn) warn.
    type: str
    choices: [fail, wait, warn]
    default: fail
  in_use_timeout:
    description: Seconds to wait for these processes with V(wait) for O(in_use), in addition to O(timeout).
    type: int
    default: 600
notes:
  - Processes are found in C(/proc/PID/maps), C(exe) and C(cwd). Their directories are compared with those
    of the prefix by device and inode, so a container's own C(/opt/conda) does not count and a bind mount of
    the prefix does. On macOS C(lsof) and C(ps) are asked; that part was tested with texts in their format
    and not run on a Mac.
  - Only what this host shows to this user can be found. A warning says so when the prefix is on NFS,
    Lustre, GPFS or the like, where programs of other hosts are not visible, and when the user may not
    inspect a process whose command begins with the prefix.
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    support: full
    description: Can run in check mode, writes nothing there, and predicts the result of the real run.
  diff_mode:
    support: full
    description: Returns what changed, or would change, as a diff.
  idempotent:
    support: full
    description: A second run with the same options changes nothing and starts no process.
  platform:
    support: full
    platforms: posix
    description: Target systems on which the module works.
"""
