# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the results of the checks inside the interpreter depend on, as digests by part.

The checks run again if one of the parts differs from that of their last pass. A part is read from the status
of files and from small files of the kernel; no content of a package's file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.llmfleet.conda.plugins.module_utils._check import inside, inside_checks
from ansible_collections.llmfleet.conda.plugins.module_utils._check.footprint import Footprint
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import Step, source_of
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._check.steps import model_files
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.python_packages import CONDA

# What a report says of each part; in the order in which people look for a cause.
PARTS = {
    "records": "the package records changed",
    "distributions": "the Python distributions changed",
    "interpreter": "the interpreter changed",
    "driver": "the driver, the GPUs or the kernel changed",
    "files": "files of packages changed",
    "loaded": "files that the checks had loaded changed",
    "model": "the files of the model changed",
}
# Files and directories of the kernel that tell driver, GPUs and kernel, and the loader's list of libraries.
_KERNEL = (
    "/proc/driver/nvidia/version",
    "/sys/module/nvidia/version",
    "/sys/module/amdgpu/version",
    "/sys/module/amdgpu/srcversion",
)
_DEVICES = ("/proc/driver/nvidia/gpus", "/sys/class/kfd/kfd/topology/nodes", "/dev/dri")
_LOADER = ("/etc/ld.so.cache", "/etc/ld.so.preload")
# Variables that change what the libraries load or compute with begin so. Others differ for every session.
_VARIABLES = (
    "CUDA",
    "NVIDIA",
    "HIP",
    "ROCR",
    "HSA",
    "GPU",
    "OMP",
    "MKL",
    "OPENBLAS",
    "BLIS",
    "VECLIB",
    "TORCH",
    "PYTORCH",
    "HF_",
    "TRANSFORMERS",
    "MPL",
    "LD_",
    "DYLD_",
)


def checks_digest(steps: Sequence[Step], request: Request) -> str:
    """The digest of what is asked: the steps with their limits, the code of the checks, who runs them."""
    asked = {
        "steps": [step.as_dict() for step in steps],
        "imports": dict(request.imports),
        "code": [source_of(inside), source_of(inside_checks)],
        "user": os.geteuid(),
        "variables": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_VARIABLES) or name == "PATH"
        },
        "model_cache": request.model_cache,
    }
    return _digest(asked)


def state_digests(
    observed: Observed, request: Request, watched: Iterable[str], root: str = ""
) -> tuple[dict[str, str], int]:
    """The digests by part, and the newest time of change of a file (nanoseconds of its file system).

    Args:
        observed: the environment, read thoroughly.
        request: the request.
        watched: the files that the interpreter had loaded.
        root: directory in front of the paths of the kernel, for tests.
    """
    parts = {
        "records": _records(observed),
        "distributions": _distributions(observed),
        "interpreter": _of_paths([observed.state.python, os.path.realpath(observed.state.python)]),
        "files": _files(observed),
        "loaded": _of_paths([*sorted(watched), *(root + path for path in _LOADER)]),
        "model": _of_paths(model_files(request.model, request.model_cache)),
    }
    digests = {name: _digest([names, seen.digest()]) for name, (names, seen) in parts.items()}
    digests["driver"] = _digest(_machine(root))
    return digests, max(seen.newest for _names, seen in parts.values())


def changed_part(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What a person is told about the first part that differs; empty if none does."""
    for name, words in PARTS.items():
        if before.get(name) != after.get(name):
            return words
    return ""


_Part = tuple[Sequence[str], Footprint]


def _of_paths(paths: Sequence[str]) -> _Part:
    seen = Footprint()
    seen.see_paths(paths)
    return paths, seen


def _records(observed: Observed) -> _Part:
    meta = os.path.join(observed.state.path, "conda-meta")
    names = sorted(name for name in os.listdir(meta) if name.endswith(".json"))
    return _of_paths([os.path.join(meta, name) for name in names])


def _distributions(observed: Observed) -> _Part:
    """Name, version and owner of each distribution, and the top of site-packages with its .pth files."""
    seen = Footprint()
    names = [one.label for _name, one in sorted(observed.packages.by_name.items())]
    for _name, one in sorted(observed.packages.by_name.items()):
        if one.owner != CONDA:
            seen.see_paths([one.path, os.path.join(one.path, "RECORD")])
    site = observed.state.site_packages
    if site is not None and os.path.isdir(site):
        with os.scandir(site) as entries:
            found = sorted((entry.name, entry) for entry in entries)
        names += [name for name, _entry in found]
        seen.see_paths([site, *(entry.path for _name, entry in found if entry.is_file())])
    return names, seen


def _files(observed: Observed) -> _Part:
    # Both inspect the files on first use; the checks of the layer environment have done that already.
    damaged = [*observed.conda_damage, *observed.pip_damage]
    seen = Footprint()
    seen.newest = max(observed.of_conda.newest, observed.of_pip.newest)
    return [*damaged, observed.of_conda.digest(), observed.of_pip.digest()], seen


def _machine(root: str) -> list[Any]:
    kernel = os.uname()
    found: list[Any] = [kernel.sysname, kernel.release, kernel.version, kernel.machine]
    for path in _KERNEL:
        try:
            with open(root + path, "rb") as stream:
                found.append(stream.read(4096).decode("utf-8", "replace"))
        except OSError:
            found.append(None)
    for path in _DEVICES:
        try:
            found.append(sorted(os.listdir(root + path)))
        except OSError:
            found.append(None)
    return found


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
