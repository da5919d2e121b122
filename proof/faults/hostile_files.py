"""Hostile contents of every kind of file that modules read, and of all that programs say to them."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass
from random import Random

from proof.faults import hostile_world as world
from proof.faults.hostile_calls import Options, Value, installer_sum
from proof.faults.hostile_values import Generator

_UPGRADE = "lab-upgrade-1.0-lab_0"
_PACKAGE = {
    "name": "lab-upgrade",
    "version": "2.0",
    "build_string": "lab_0",
    "channel": "lab",
    "dist_name": "x",
}
_ACTIONS = {
    "success": True,
    "prefix": "/x",
    "actions": {"LINK": [_PACKAGE], "UNLINK": [_PACKAGE], "FETCH": []},
}
_FAILURE = {
    "caused_by": "None", "error": "PackagesNotFoundError: x", "exception_name": "PackagesNotFoundError",
    "packages": ["six"], "channel_urls": [world.NOWHERE], "message": "not available: %(packages)s",
}  # fmt: skip
_HTTP = {
    "exception_name": "CondaHTTPError", "error": "HTTP 404", "status_code": 404, "url": f"{world.NOWHERE}/x",
    "message": "HTTP 404 NOT FOUND for url <http://127.0.0.1:9/x>", "exception_type": "<class 'x'>",
}  # fmt: skip
_REPORTED = {
    "version": "1", "pip_version": "24.0", "environment": {},
    "install": [{
        "download_info": {
            "url": f"{world.NOWHERE}/t_app-2.0-py3-none-any.whl",
            "archive_info": {"hashes": {"sha256": "0"}},
        },
        "is_direct": False, "requested": True,
        "metadata": {"name": "t-app", "version": "2.0", "requires_dist": ["t-lib"]},
    }],
}  # fmt: skip
_SMI = "0, NVIDIA H100 80GB HBM3, 81559, 9.0, GPU-5f2d9d3a-6f0c-4d0a-8a5e-2f1c3b7d9e10, 580.65.06\n"
_ROCM = "Agent 1\n  Name:                    gfx942\n  Marketing Name: AMD Instinct\n  Device Type: GPU\n"
_UV = "Resolved 2 packages in 3ms\n + t-app==2.0\n - t-lib==1.0\n ~ six==1.16.0 (from file:///x)\n"
_HUB = "llmfleet-hub-model:" + json.dumps(
    {"commit": "2" * 40, "files": {"a.json": {"size": 1, "blob_id": "c" * 40}}}
)
_PROBE = (
    '{"event": "begin", "name": "imports.numpy", "at": 1.0}\n{"event": "end", "name": "imports.numpy",'
    ' "at": 2.0, "passed": true, "detail": "x", "measured": {"a": 1.5}}\n'
)
_JOURNAL = json.dumps(
    {"operation": "create", "prefix": "/x", "pid": 1, "started": "2024-01-01T00:00:00"}
)
_NOTE = json.dumps({"pid": 1, "operation": "create", "since": "2024-01-01T00:00:00"})
_META, _INFO = "place/env/conda-meta", f"{world.SITE}/t_lib-1.0.dist-info"
_MODEL = "place/cache/models--example--ours"

KINDS: dict[str, tuple[str, str, str]] = {
    "match specs in environment.yml": ("place/environment.yml", "", "environment.yml"),
    "explicit lock": ("place/lock", "", "lock"),
    "requirements file": ("place/requirements.txt", "", "requirements"),
    "constraints file": ("place/constraints.txt", "", "requirements"),
    "condarc that is written": ("place/condarc", "", "condarc"),
    "condarc of the installation": ("base/.condarc", "", "settings"),
    "condarc of the user": ("home/.condarc", "", "settings"),
    "record in conda-meta": (f"{_META}/{_UPGRADE}.json", "", "environment"),
    "record of conda": ("base/conda-meta/conda-24.7.1-lab_0.json", "", "installation"),
    "record of Python": (f"{_META}/python-3.11.9-lab_0.json", "", "everything"),
    "history": (f"{_META}/history", "", "environment"),
    "history of the base": ("base/conda-meta/history", "", "installation"),
    "pinned": (f"{_META}/pinned", "", "environment"),
    "state with variables": (f"{_META}/state", "", "environment"),
    "frozen": (f"{_META}/frozen", '{"message": "no"}', "environment"),
    "journal inside": (f"{_META}/.llmfleet-journal", _JOURNAL, "everything"),
    "journal beside": ("place/.env.llmfleet-journal", _JOURNAL, "everything"),
    "lock inside": (f"{_META}/.llmfleet.lock", _NOTE, "environment"),
    "lock beside": ("place/.env.llmfleet.lock", _NOTE, "environment"),
    "METADATA": (f"{_INFO}/METADATA", "", "pip"),
    "RECORD": (f"{_INFO}/RECORD", "", "pip"),
    "INSTALLER": (f"{_INFO}/INSTALLER", "", "pip"),
    "direct_url.json": (f"{_INFO}/direct_url.json", "", "pip"),
    "pip.conf": ("home/.config/pip/pip.conf", "", "pip"),
    "environments.txt": ("home/.conda/environments.txt", "", "installation"),
    "terms that were accepted": ("home/.conda/tos/0123456789abcdef/1704067200.json", "", "terms"),
    "note of the installer": ("base/.installer.info", "", "installation"),
    "index in the cache": ("base/pkgs/cache/abcdef01.json", "", "conda"),
    "archive in the cache": (f"base/pkgs/{_UPGRADE}.conda", "", "conda"),
    "record in the cache": (f"base/pkgs/{_UPGRADE}/info/repodata_record.json", "", "conda"),
    "ref of a model": (f"{_MODEL}/refs/main", "", "model"),
    "list of a model's files": (f"{_MODEL}/trees/{world.COMMIT}.json", "", "model"),
    "index of a model": (f"{_MODEL}/snapshots/{world.COMMIT}/model.safetensors.index.json", "", "model"),
    "what conda prints": ("replies/conda.out", json.dumps(_ACTIONS), "conda"),
    "what conda prints when it fails": ("replies/conda.out", json.dumps(_FAILURE), "conda"),
    "what conda prints of the network": ("replies/conda.out", json.dumps(_HTTP), "conda"),
    "what pip reports": ("replies/report.json", json.dumps(_REPORTED), "pip"),
    "what pip prints": ("replies/pip.out", "t-app 1.0 requires t-lib, which is not installed.\n", "pip"),
    "what uv prints": ("replies/uv.out", _UV, "uv"),
    "what nvidia-smi prints": ("replies/nvidia-smi.out", _SMI, "gpu"),
    "what rocminfo prints": ("replies/rocminfo.out", _ROCM, "gpu"),
    "what the hub's library says": ("replies/python.out", _HUB, "hub"),
    "what the checks print": ("replies/python.out", _PROBE, "checks"),
    "what an installer prints": ("replies/installer.out", "installation finished.\n", "installer"),
}  # fmt: skip
"""Path in the world, content to begin with (empty: the world's own), and who reads it."""


def _readers(root: str) -> dict[str, list[tuple[str, Options]]]:
    env = {"installation": f"{root}/base", "prefix": f"{root}/place/env"}
    pip = {"prefix": env["prefix"], "no_index": True, "find_links": [f"{root}/wheels"]}
    model = {"model": "example/ours", "cache_dir": f"{root}/place/cache"}
    gather = ["installation", "environments", "packages", "distributions", "config"]
    info: tuple[str, Options] = ("conda_info", {**env, "gather": gather})
    upgrade: list[tuple[str, Options]] = [
        ("conda_env", {**env, "packages": ["lab-upgrade=2.0"]}),
        ("conda_env", {**env, "packages": ["lab-upgrade"], "prune": True}),
        ("conda_env", {**env, "state": "latest", "packages": ["lab-upgrade"]}),
        ("conda_package", {**env, "packages": ["lab-upgrade"], "state": "absent"}),
        ("conda_env", {"installation": env["installation"], "name": "x", "packages": ["six"]}),
    ]
    change: list[tuple[str, Options]] = [
        *upgrade,
        (
            "conda_env",
            {**env, "packages": ["lab-upgrade"], "pinned": ["six<2"], "variables": {"B": "2"}},
        ),
        ("conda_env", {**env, "state": "absent"}),
        ("conda_env", {**env, "packages": ["lab-upgrade"], "frozen": False}),
    ]
    pips: list[tuple[str, Options]] = [
        ("conda_pip", {**pip, "requirements": ["t-app==2.0"]}),
        ("conda_pip", {**pip, "requirements": ["t-lib"], "check": True}),
        ("conda_pip", {**pip, "requirements": ["t-lib"], "state": "absent", "check": False}),
        ("conda_pip", {**pip, "requirements": ["t-app"], "state": "latest"}),
    ]
    check: tuple[str, Options] = (
        "llm_check",
        {
            "prefix": env["prefix"],
            "imports": {"numpy": ""},
            "declared": {"packages": ["lab-upgrade"]},
        },
    )
    own = {"prefix": f"{root}/base", "version": "py311_24.7.1-0"}
    fresh = {
        "prefix": f"{root}/place/own", "installer_path": f"{root}/wheels/{world.INSTALLER}",
        "checksum": installer_sum(root),
    }  # fmt: skip
    installation: list[tuple[str, Options]] = [
        info,
        ("conda_installation", own),
        ("conda_installation", {**own, "state": "absent", "remove_environments": True}),
        ("conda_installation", {"prefix": own["prefix"], "conda_version": "25.1.0"}),
    ]
    condarc = f"{root}/place/condarc"
    files = [f"{root}/place/requirements.txt"]
    return {
        "environment.yml": [
            ("conda_env", {**env, "environment_file": f"{root}/place/environment.yml", "remote_src": True})
        ],
        "lock": [("conda_env", {**env, "lock_file": f"{root}/place/lock", "remote_src": True})],
        "requirements": [
            ("conda_pip", {**pip, "requirements_files": files, "remote_src": True,
                           "constraints_files": [f"{root}/place/constraints.txt"]})
        ],
        "condarc": [
            ("conda_config", {"path": condarc, "settings": {"channels": ["bioconda"]}}),
            ("conda_config", {"path": condarc, "settings": {"channels": ["bioconda"]}, "merge": True}),
            ("conda_config", {"path": condarc, "settings": {"ssl_verify": None}, "state": "absent"}),
        ],
        "settings": [info, *upgrade, ("conda_config", {"path": condarc, "settings": {}, "probe": True,
                                                       "installation": f"{root}/base"}), check],
        "environment": [info, check, *change],
        "installation": [*installation, ("conda_env", {**env, "state": "absent"})],
        "everything": [*installation, *change, *pips, check],
        "pip": [*pips, info, check],
        "uv": [(name, {**one, "installer": "uv", "uv_executable": f"{root}/bin/uv"}) for name, one in pips],
        "terms": [("conda_config", {"scope": "user", "accept_tos": [f"{world.NOWHERE}/pkgs/main"]}),
                  ("conda_config", {"scope": "user", "reject_tos": [f"{world.NOWHERE}/pkgs/main"]})],
        "conda": upgrade,
        "model": [("hub_model", {**model, "path": f"{root}/place/ours", "remote_src": True}),
                  ("hub_model", {**model, "state": "absent"}),
                  ("hub_model", {**model, "prefix": env["prefix"], "endpoint": world.NOWHERE})],
        "gpu": [("accelerator_info", {}), ("accelerator_info", {"timeout": 5})],
        "hub": [
            ("hub_model", {**model, "model": "example/new", "prefix": env["prefix"], "token": world.TOKEN})
        ],
        "checks": [check, ("llm_check", {**check[1], "checks": ["imports"]})],
        "installer": [("conda_installation", fresh)],
    }  # fmt: skip


_NO_FILES = (
    "fifo:", "socket:", "directory:", "link:/etc/passwd", "link:/dev/zero", "link:/dev/tty",
    "link:nowhere", "link:..",
)  # fmt: skip
"""What else may lie in the place of a file: none of it may be waited for or read without an end."""


@dataclass(frozen=True)
class Kind:
    """A kind of file in the world at hand."""

    name: str
    path: str
    good: str
    readers: list[tuple[str, Options]]


class OfFiles:
    """Hostile contents, every kind of file in turn."""

    def __init__(self, root: str, made: Generator) -> None:
        self._made = made
        texts, readers = world.texts(root), _readers(root)
        self.kinds = [
            Kind(name, path, good or texts.get(path, ""), readers[group])
            for name, (path, good, group) in KINDS.items()
        ]
        self._turns = itertools.cycle(self.kinds)

    def next(self) -> Value:
        """The next one."""
        kind = next(self._turns)
        random = self._made.random
        module, options = random.choice(kind.readers)
        files = {kind.path: _as_data(self._made.content(kind.good))}
        if kind.path.startswith("replies/"):
            if kind.path.endswith(".out"):
                files.update(self._end(kind.path.removesuffix(".out"), random))
        elif random.random() < 0.12:
            files[kind.path] = random.choice(_NO_FILES)
        return Value(kind.name, module, options, files, random.random() < 0.2)

    def _end(self, program: str, random: Random) -> dict[str, str]:
        """Exit code and standard error of a program, which has a secret to tell."""
        code = random.choice((b"0", b"0", b"1", b"2", b"139"))
        error = f"error: https://ada:{world.TOKEN}@127.0.0.1:9/x failed\n"
        return {
            f"{program}.rc": _as_data(code),
            f"{program}.err": _as_data(self._made.content(error)),
        }


_KNOWN_FORMS = re.compile(
    rb"https?://ada:"
    + world.TOKEN.encode()
    + rb"@127\.0\.0\.1:9(?:/t/"
    + world.TOKEN.encode()
    + rb"/)?"
)


def _as_data(content: bytes) -> str:
    """For the driver; a secret that a mutation has torn out of its URL is none that could be known as one."""
    token = world.TOKEN.encode()
    if token in _KNOWN_FORMS.sub(b"", content):
        content = content.replace(token, b"harmless")
    return "data:" + base64.b64encode(content).decode()
