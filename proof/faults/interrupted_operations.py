"""The operations that are cut off: what is run, on which host, and what a host is like afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proof.faults import moments
from proof.faults.cases import NotSurvived
from proof.host import Host, answer
from proof.prepared import PREFIX, installation_options
from proof.runner import Lab
from scripts.layout import VENV_BIN

ENVIRONMENT = "/srv/envs/app"
UV = "/usr/local/bin/uv"
MOUNTS = ("-v", f"{VENV_BIN / 'uv'}:{UV}:ro")

_STATE = Path(__file__).with_name("host_state.py")
_PACKAGED = Path(__file__).with_name("packaged_files.py")
_ROOTS = ("/opt", "/srv", "/root")

# What conda itself says of an environment, and the wishes that it keeps for later solves.
_CONDA_SAYS = """
import json, sys
from conda.cli.python_api import Commands, run_command
from conda.history import History
told = {}
for prefix in sys.argv[1:]:
    listed, errors, code = run_command(Commands.LIST, "--prefix", prefix, "--json")
    wishes = History(prefix).get_requested_specs_map()
    told[prefix] = [code, json.loads(listed), sorted(str(spec) for spec in wishes.values())]
print(json.dumps(told))
"""

# The environment's own Python: what is to be imported, and pip's opinion.
_PYTHON_SAYS = """
import importlib, importlib.metadata, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    print(name, importlib.metadata.version(name) if name != "ssl" else sys.version)
from pip._internal.cli.main import main
sys.exit(main(["check", "--disable-pip-version-check"]))
"""


@dataclass(frozen=True)
class Operation:
    """Something that a module does to a host, small enough to be done a hundred times.

    starts_from: the operation that makes the host that it begins with; empty for a bare host.
    environments: those that conda and Python are asked about afterwards, with what is to be imported.
    """

    name: str
    module: str
    options: Mapping[str, Any]
    starts_from: str = ""
    environments: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Likeness:
    """What a host is like: its files, what conda lists and remembers, what Python imports."""

    files: Mapping[str, str]
    conda: Mapping[str, Any]
    python: Mapping[str, str]

    def unlike(self, other: Likeness) -> list[str]:
        """How ``self`` differs from ``other``, a line each."""
        found = [
            f"{what} {name}: {mine.get(name, 'not there')} instead of {theirs.get(name, 'nothing')}"
            for what, mine, theirs in (
                ("Python of", self.python, other.python),
                ("conda of", self.conda, other.conda),
                ("file", self.files, other.files),
            )
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        ]
        return [line if len(line) < 400 else f"{line[:400]}..." for line in found]


def all_of(lab: Lab) -> list[Operation]:
    """Every operation, those that others begin with first."""
    base = {"installation": PREFIX, "prefix": ENVIRONMENT}
    app = ("python=3.11", "tqdm=4.66.5", "lab-upgrade=1.0", "lab-post-link", "wheel")
    names = ("ssl", "pip", "tqdm")
    upgraded = (
        "python=3.11",
        "tqdm=4.70.1",
        "lab-upgrade=2.0",
        "lab-post-link",
        "six",
        "packaging",
    )
    # What the task does not name stays: conda has to link wheel anew for another Python.
    other_python = ("python=3.12", "tqdm", "lab-upgrade")
    index = {"index_url": f"{lab.mirror_url}/simple/", "trusted_hosts": [_host_of(lab.mirror_url)]}
    old = {**base, **index, "requirements": ["setuptools==80.9.0", "requests==2.31.0"]}
    new = {
        **base,
        **index,
        "requirements": ["setuptools==84.2.1", "requests==2.34.2", "rich==15.0.0"],
    }
    by_uv = {"installer": "uv", "uv_executable": UV}
    pip_names = ("setuptools", "requests", "rich", "ssl")
    return [
        Operation("install", "conda_installation", installation_options(lab), "", {PREFIX: ["conda"]}),
        Operation("create", "conda_env", {**base, "packages": app}, "install", {ENVIRONMENT: names}),
        Operation("pip old", "conda_pip", old, "create", {ENVIRONMENT: ("setuptools", "requests")}),
        Operation("update", "conda_env", {**base, "packages": upgraded}, "create", {ENVIRONMENT: names}),
        Operation("other Python", "conda_env", {**base, "packages": other_python}, "create",
                  {ENVIRONMENT: names}),
        Operation("add", "conda_package", {**base, "packages": ["numpy"]}, "create",
                  {ENVIRONMENT: (*names, "numpy")}),
        Operation("remove packages", "conda_package",
                  {**base, "packages": ["tqdm", "lab-post-link", "lab-upgrade"], "state": "absent"},
                  "create", {ENVIRONMENT: ("ssl", "pip")}),
        Operation("remove environment", "conda_env", {**base, "state": "absent"}, "create",
                  {PREFIX: ["conda"]}),
        Operation("remove installation", "conda_installation",
                  {"prefix": PREFIX, "state": "absent"}, "install"),
        Operation("pip", "conda_pip", new, "pip old", {ENVIRONMENT: pip_names}),
        Operation("uv", "conda_pip", {**new, **by_uv}, "pip old", {ENVIRONMENT: pip_names}),
    ]  # fmt: skip


def _host_of(url: str) -> str:
    return url.split("//", 1)[1].split("/", 1)[0]


def begin(host: Host, operation: Operation) -> subprocess.Popen[str]:
    """Start the operation's module in a host."""
    return subprocess.Popen(
        host.argv(operation.module, dict(operation.options)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )


def undisturbed(host: Host, operation: Operation) -> tuple[moments.Windows, Likeness]:
    """Run the operation to its end; when each kind of process was there, and what the host is like then.

    Raises NotSurvived when it fails, or linked something else than its packages hold.
    """
    running = begin(host, operation)
    windows = moments.measure(host.container.pid(), running)
    found = answer(running.returncode, *running.communicate())
    if found.failed or not found.changed:
        raise NotSurvived(f"{operation.name} does not work undisturbed: {found.message}")
    _as_packaged(host, list(operation.environments))
    return windows, likeness(host, operation)


def _as_packaged(host: Host, prefixes: Sequence[str]) -> None:
    """Raise NotSurvived where a linked file has other bytes than its package lists, or nothing is listed."""
    if prefixes:
        script = _PACKAGED.read_text(encoding="utf-8")
        *wrong, compared = host.container.python(script, *prefixes).splitlines()
        if wrong or not int(compared):
            raise NotSurvived(f"{len(wrong)} of {compared} files: {'; '.join(wrong[:5])}")


def likeness(host: Host, operation: Operation) -> Likeness:
    """What a host is like, as far as an operation is about it.

    Raises NotSurvived when conda or a Python does not answer.
    """
    files = json.loads(host.container.python(_STATE.read_text(encoding="utf-8"), *_ROOTS))
    conda: dict[str, Any] = {}
    python: dict[str, str] = {}
    if operation.environments:
        told = _said(host, PREFIX, _CONDA_SAYS, list(operation.environments))
        conda = json.loads(told)
    for prefix, names in operation.environments.items():
        if prefix != PREFIX:  # conda itself has just shown that the base's Python works
            python[prefix] = _said(host, prefix, _PYTHON_SAYS, names)
    return Likeness(files, conda, python)


def _said(host: Host, prefix: str, script: str, arguments: Sequence[str]) -> str:
    done = host.container.run(
        [f"{prefix}/bin/python", "-I", "-B", "-c", script, *arguments], check=False
    )
    if done.returncode:
        raise NotSurvived(f"{prefix}: {(done.stdout + done.stderr).strip()[-600:]}")
    return done.stdout
