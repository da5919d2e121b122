"""The kinds of things that a host gets from a mirror: how each is asked for, and how it is judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab import docker_engine, installer
from lab.mirror import Mirror
from proof.faults import mirror_site, true_bytes
from proof.faults.cases import NotSurvived
from proof.host import Host
from proof.prepared import PREFIX, settings

SECOND = "/opt/second"
ENVIRONMENT = f"{PREFIX}/envs/case"
APP = "/srv/app"
MODELS = "/srv/models"
PASSWORD = "mirror-canary-5Wq"
"""In addresses that messages have to name without it."""

_ROOTS = ("/opt", "/srv", "~", "/tmp", "/var/tmp", "/etc")
# Caches, which keep what was fetched well; they are judged by content.
_PASSED_BY = (f"{PREFIX}/pkgs", "/srv/llmfleet", MODELS, "~/.cache", "~/.conda")
_SITE_PACKAGES = f"{APP}/lib/python3.11/site-packages"
_WHEEL = "six-1.17.0-py2.py3-none-any.whl"
_CLEAN = (
    f"rm -rf {SECOND} {ENVIRONMENT} {MODELS} {_SITE_PACKAGES}/six* {_SITE_PACKAGES}/__pycache__/six*"
    f" {PREFIX}/pkgs/cache {PREFIX}/pkgs/lab-upgrade* {PREFIX}/pkgs/.llmfleet-quarantine"
    f" ~/.cache /opt/.*.llmfleet* {PREFIX}/envs/.*.llmfleet* /srv/.*.llmfleet*"
    f"; mkdir -p {PREFIX}/pkgs/cache"
)


@dataclass(frozen=True)
class Worker:
    """A host, and a mirror that serves nobody else."""

    host: Host
    mirror: Mirror

    @property
    def address(self) -> str:
        """Host and port of the mirror."""
        return self.mirror.url.partition("://")[2]

    @property
    def with_password(self) -> str:
        """The mirror's address with a password, which it does not ask for."""
        return f"http://fleet:{PASSWORD}@{self.address}"

    def clean(self) -> None:
        """Take away what the cases make, whichever they were."""
        self.host.container.run(["bash", "-c", _CLEAN])

    def snapshot(self) -> true_bytes.Snapshot:
        """All that must not change when something fails."""
        return true_bytes.snapshot(self.host.container, _ROOTS, _PASSED_BY)


@dataclass(frozen=True)
class Mirrored:
    """One kind of thing that comes from a mirror.

    name: as a person would say it.
    pattern: of the paths at the mirror.
    module, options: what asks for it; options gets the seconds that it may take.
    judge: raises NotSurvived unless it is there with the bytes that were published.
    """

    name: str
    pattern: str
    module: str
    options: Callable[[Worker, int], dict[str, Any]]
    judge: Callable[[Worker], None]


def _installer(worker: Worker, seconds: int) -> dict[str, Any]:
    made = installer.current()
    return {
        "prefix": SECOND,
        "version": made["version"],
        "installer_url": f"{worker.with_password}/installers/{made['filename']}",
        "checksum": "sha256:" + str(made["sha256"]).removeprefix("sha256:"),
        "timeout": seconds,
    }


def _judge_installer(worker: Worker) -> None:
    true_bytes.check_environment(worker.host.container, SECOND)
    worker.host.conda(SECOND, "list", "--json")


def _environment(worker: Worker, seconds: int) -> dict[str, Any]:
    return {
        "installation": PREFIX,
        "prefix": ENVIRONMENT,
        "packages": ["lab-upgrade=1.1"],
        "timeout": seconds,
    }


def _judge_environment(worker: Worker) -> None:
    true_bytes.check_environment(worker.host.container, ENVIRONMENT)
    true_bytes.check_archives(worker.host.container, f"{PREFIX}/pkgs")
    listed = worker.host.conda(PREFIX, "list", "--prefix", ENVIRONMENT, "--json")
    if [(one["name"], one["version"]) for one in listed] != [("lab-upgrade", "1.1")]:
        raise NotSurvived(f"conda lists {listed} in {ENVIRONMENT}")


def _pip(program: str) -> Callable[[Worker, int], dict[str, Any]]:
    def options(worker: Worker, seconds: int) -> dict[str, Any]:
        return {
            "prefix": APP,
            "requirements": ["six==1.17.0"],
            "installer": program,
            "index_url": f"{worker.with_password}/simple/",
            "trusted_hosts": [docker_engine.gateway()],
            "timeout": seconds,
        }

    return options


def _judge_wheel(worker: Worker) -> None:
    true_bytes.check_wheel(worker.host.container, _SITE_PACKAGES, _WHEEL)
    said = worker.host.container.run(
        [f"{APP}/bin/python", "-c", "import six; print(six.__version__)"]
    )
    if said.stdout.strip() != "1.17.0":
        raise NotSurvived(f"six says {said.stdout!r}")


def _model(worker: Worker, seconds: int) -> dict[str, Any]:
    return {
        "model": mirror_site.MODEL,
        "prefix": APP,
        "cache_dir": MODELS,
        "endpoint": worker.mirror.url,
        "timeout": seconds,
    }


def check_caches(worker: Worker) -> None:
    """Compare what a failed run has left in caches with what was published.

    Raises NotSurvived: something of it has other bytes.
    """
    host = worker.host.container
    true_bytes.check_archives(host, f"{PREFIX}/pkgs")
    known = {true_bytes.sha256(path) for path in mirror_site.model_files().values()}
    for path, (mode, _uid, _gid, digest) in true_bytes.snapshot(host, [MODELS]).items():
        # huggingface_hub's own notes: locks, what is on its way, which revision is which, "this is a cache".
        own = (".lock", ".incomplete", "/CACHEDIR.TAG")
        part = path.endswith(own) or "/trees/" in path or "/refs/" in path
        if mode.startswith("0o10") and not part and digest not in known:
            raise NotSurvived(f"{path} stayed, with other bytes than the model's")


def _judge_model(worker: Worker) -> None:
    seen = {
        name: worker.host.container.run(
            ["sha256sum", f"{MODELS}/models--lab--tiny/snapshots/{mirror_site.COMMIT}/{name}"],
            check=False,
        ).stdout[:64]
        for name in mirror_site.model_files()
    }
    wrong = [
        name
        for name, path in mirror_site.model_files().items()
        if seen[name] != true_bytes.sha256(path)
    ]
    if wrong:
        raise NotSurvived(f"of the model, missing or with other bytes: {', '.join(wrong)}")


INSTALLER = Mirrored(
    "the installer", "/installers/*.sh", "conda_installation", _installer, _judge_installer
)
INDEX = Mirrored(
    "repodata", "/conda/lab/*/*repodata.json*", "conda_env", _environment, _judge_environment
)
PACKAGE = Mirrored(
    "a conda package", "/conda/lab/noarch/lab-upgrade-1.1-*.conda", "conda_env", _environment,
    _judge_environment,
)  # fmt: skip
PIP_INDEX = Mirrored("an index (pip)", "/simple/six/", "conda_pip", _pip("pip"), _judge_wheel)
PIP_WHEEL = Mirrored("a wheel (pip)", f"/wheels/{_WHEEL}", "conda_pip", _pip("pip"), _judge_wheel)
UV_INDEX = Mirrored("an index (uv)", "/simple/six/", "conda_pip", _pip("uv"), _judge_wheel)
UV_WHEEL = Mirrored("a wheel (uv)", f"/wheels/{_WHEEL}", "conda_pip", _pip("uv"), _judge_wheel)
MODEL = Mirrored(
    "a model file", f"/{mirror_site.MODEL}/resolve/*/vocab.txt", "hub_model", _model, _judge_model
)

ALL = (INSTALLER, INDEX, PACKAGE, PIP_INDEX, PIP_WHEEL, UV_INDEX, UV_WHEEL, MODEL)


def condarc(worker: Worker) -> dict[str, Any]:
    """Settings of conda for a worker: its own mirror, and patience that fits tests."""
    return {
        **settings(worker.mirror.url),
        "remote_max_retries": 1,
        "remote_backoff_factor": 0,
        "remote_connect_timeout_secs": 3.0,
        "remote_read_timeout_secs": 5.0,
    }


def prepare(worker: Worker) -> None:
    """Bring an environment with pip, uv and huggingface_hub to a host with conda."""
    place = {"prefix": APP, "installation": PREFIX}
    worker.host.must("conda_env", {**place, "packages": ["python=3.11", "pip"]})
    sources = {
        "find_links": [f"{worker.mirror.url}/wheels/"],
        "no_index": True,
        "trusted_hosts": [docker_engine.gateway()],
    }
    asked = {"requirements": ["huggingface_hub", "uv"]}
    worker.host.must("conda_pip", {**place, **sources, **asked})


def altered_indexes(worker: Worker) -> dict[str, str]:
    """Repodata for noarch as it could be a moment before or after: by what is different about it."""
    path = worker.mirror.root / "conda" / "lab" / "noarch" / "repodata.json"
    name = "lab-upgrade-1.1-lab_0.conda"
    found = {}
    for text in ("another checksum", "gone", "another name", "another size"):
        content = json.loads(path.read_text())
        packages = content["packages.conda"]
        entry = packages[name]
        if text == "another checksum":
            entry["sha256"], entry["md5"] = "0" * 64, "0" * 32
        elif text == "gone":
            del packages[name]
        elif text == "another name":
            packages["lab-upgrade-1.1-lab_7.conda"] = {
                **packages.pop(name), "build": "lab_7", "build_number": 7
            }  # fmt: skip
        else:
            entry["size"] += 1
        found[text] = json.dumps(content)
    return found
