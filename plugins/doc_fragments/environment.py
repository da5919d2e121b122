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
      - Absolute path of the conda installation (the prefix of its base environment).
      - Required with O(name), and whenever the module has to start conda.
    type: path
    aliases: [conda_prefix]
  name:
    description:
      - Name of the environment in C(envs) of O(installation).
      - V(base) is the base environment of the installation.
      - Exactly one of O(name) and O(prefix) is required.
    type: str
  prefix:
    description:
      - Absolute path of the environment.
      - At most 110 bytes long and without white space, because of the length limit of shebang lines.
      - A symbolic link, or a path through one, is resolved. The scripts in the environment and the results of
        the module name the real path, for which these limits hold, too.
    type: path
"""

    CONDA = r"""
options:
  channels:
    description:
      - Channels in order of priority, as names or URLs.
      - If set, conda uses only these channels (C(--override-channels)).
      - If empty, conda uses the channels of the host's condarc files.
    type: list
    elements: str
    default: []
  channel_priority:
    description:
      - Channel priority for this task. V(strict) takes a package only from the first channel that has it,
        V(flexible) prefers that channel, V(disabled) takes the highest version of all channels.
      - If omitted, C(channel_priority) of the host's condarc files applies, or else conda's default.
      - The priority matters only when conda solves. An installed package that satisfies its match spec is
        not changed, whatever its channel.
    type: str
    choices: [strict, flexible, disabled]
  repair:
    description:
      - Reinstall packages with missing or truncated files or with an unreadable record.
      - Compiled files (C(.pyc)) and files that grew do not count as damaged.
    type: bool
    default: true
  offline:
    description: Use only the package cache and never the network.
    type: bool
    default: false
  executable:
    description:
      - Absolute path of another conda, mamba or micromamba to start instead of the conda in
        O(installation).
      - A program whose name begins with C(micromamba), and a C(mamba) that is not a script (version 2),
        gets the command line of libmamba, with O(installation) as its root prefix.
      - Tested with conda 24.7.1, and with recorded output of conda 26.7.1 and micromamba 2.8.1. The
        recordings cover create, install, update, remove and C(env remove) of micromamba. Locks,
        C(--force-reinstall) and C(--offline) of micromamba and all of mamba follow their documentation and
        have not been run.
    type: path
  timeout:
    description:
      - Timeout in seconds for one conda command including its retries, and for waiting for each lock.
      - After the timeout the module terminates conda and its child processes, so that conda can roll back.
        It kills them five seconds later.
    type: int
    default: 3600
  pip_on_python_change:
    description:
      - What to do if conda would replace the environment's Python by another minor version, or remove it,
        and pip has installed distributions for it. Each minor version has its own C(site-packages), so the
        new Python would not find them.
      - V(fail) changes nothing and names the distributions that O(pip_requirements) does not cover.
      - V(remove) removes all of them, with the scripts and other files that their C(RECORD) lists.
      - In both cases the diff, RV(removed) and a warning name the distributions that go, also in check mode.
        Install them again with M(llmfleet.conda.conda_pip) after this task. This module does not, because it
        knows neither the indexes nor the hashes and constraints that belong to them.
      - The directory of the old Python goes too. Files in it that neither conda nor pip put there stay, and a
        warning names them.
      - If pip has installed distributions, every change of packages first runs the solver (a dry run).
    type: str
    choices: [fail, remove]
    default: fail
  pip_requirements:
    description:
      - Requirement lines that a later task of the play installs with M(llmfleet.conda.conda_pip). With
        O(pip_on_python_change=fail), the distributions that they name may go with their Python, and so may
        those that these distributions require.
      - This module installs nothing from these lines. The requirement lines of an C(environment.yml) or a
        lock, which it returns for M(llmfleet.conda.conda_pip), count without being listed here.
    type: list
    elements: str
    default: []
notes:
  - The module retries network errors that may be temporary (no connection, a broken connection, HTTP 408,
    425, 429 and 5xx) after 1 and after 4 seconds, in addition to conda's own retries. It does not retry
    after an unknown host name, a conflict, HTTP 401, 403 or 404, or an untrusted certificate.
  - A package that conda links takes over from a distribution of the same name that pip installed. The module
    removes all files of pip's distribution, and puts them back if conda fails. The diff shows it as
    C(NAME VERSION (pip)). Check mode takes the names of the distributions in a package from the package cache
    or, if the package is not there, from the name of the package.
  - If both conda and pip have metadata of a distribution, its files may be a mixture. The module then treats
    conda's package as damaged, removes pip's files and links the package again, with O(repair=true). It
    leaves out packages that pip replaced because a task said so, see
    O(llmfleet.conda.conda_pip#module:replace_conda_packages).
  - If the module removes a package that pip has replaced, pip's distribution stays.
  - If a package in the package cache is damaged, or an index is not valid JSON, the module moves it to
    C(.llmfleet-quarantine) in that cache, downloads it once more and warns where the old one is. It keeps
    the three newest of these. C(conda clean) does not remove them.
  - Tokens and passwords in channel URLs do not appear in the host's process list, except with a libmamba
    program as O(executable), or in C(conda-meta).
  - conda writes full URLs to its package cache (C(urls.txt), C(cache/*.info.json),
    C(repodata_record.json)). After each run the module removes the secrets from these files. They contain
    secrets while conda runs, and after a run that was killed or started by hand, until the next run of a
    module with a secret. Restrict read access to the package cache to protect them during that time.
  - If conda fails, the result contains C(error_kind) (for example V(not_found), V(unsatisfiable),
    V(network), V(denied), V(corrupt) or V(disk_full)), C(said) (conda's message), C(hint), C(attempts),
    C(set_aside), C(command) and C(rc).
"""

    IN_USE = r"""
options:
  in_use:
    description:
      - What to do if programs run from the prefix and the task would remove or replace files there. A
        running program can fail at its next import after its files have changed.
      - V(fail) changes nothing and lists the processes. V(wait) waits up to O(in_use_timeout) seconds for
        them to end, and then fails. V(warn) changes the files and warns.
      - A process counts if its program, a library or another file that it has mapped is in the prefix. Its
        working directory counts only if the task removes the whole directory.
      - A task that creates a new environment or only adds packages continues. If programs run and the plan
        does not show which files conda or pip would replace, the module first runs the solver (a dry run).
        A task with nothing to do does not look for processes.
      - The module's own process, its parents and its children do not count. With any value, the module
        refuses to remove or replace the Python that Ansible runs it with. Set C(ansible_python_interpreter)
        to another Python to do so.
      - In check mode V(fail) fails like the real run. V(wait) and V(warn) warn.
    type: str
    choices: [fail, wait, warn]
    default: fail
  in_use_timeout:
    description: Seconds to wait for these processes with O(in_use=wait), in addition to O(timeout).
    type: int
    default: 600
notes:
  - The module finds processes through C(maps), C(exe) and C(cwd) in C(/proc/PID). It compares directories
    by device and inode. A container's own C(/opt/conda) therefore does not count, and a bind mount of the
    prefix does. On macOS it uses C(lsof) and C(ps). That part was tested with sample output and has not
    been run on a Mac.
  - The module finds only processes that this host shows to this user. It warns if the prefix is on NFS,
    Lustre, GPFS or a similar file system, because other hosts' processes are not visible, and if it may not
    inspect a process whose command begins with the prefix.
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    support: full
    description: In check mode the module writes nothing and predicts the result of the real run.
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
