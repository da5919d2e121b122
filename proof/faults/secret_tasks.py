"""Tasks that need secrets: addresses with tokens and passwords, where each module takes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import docker_engine, installer, paths
from proof.faults.canaries import USER, Canary
from proof.faults.mirror_site import MODEL
from proof.prepared import PREFIX

TOKENS = (
    "channel-token", "channel-token-wrong", "spec-token", "lock-token", "environment-token",
    "condarc-token", "condarc-token-wrong", "hub-token", "hub-token-wrong", "variable-token",
)  # fmt: skip
PASSWORDS = (
    "channel-password", "proxy-password", "index-password", "index-password-wrong", "extra-index-password",
    "find-links-password", "uv-index-password", "installer-password", "installer-password-wrong",
)  # fmt: skip

QUICK = (
    "an installer, refused",
    "a channel with a token",
    "a channel with a token, refused",
    "an index, refused",
)
"""The tasks of the quick run."""


@dataclass(frozen=True)
class Task:
    """One task of the playbook.

    needs: the canaries in it. fails: it is to fail, on a host where nothing stops it.
    """

    name: str
    module: str
    options: dict[str, Any]
    needs: frozenset[str]
    fails: bool = False

    def as_yaml(self) -> dict[str, Any]:
        """As an item of a play's tasks, which goes on after it: a failure not meant is counted as rescued."""
        wanted = "is failed" if self.fails else "is not failed"
        task = {
            "name": self.name,
            f"llmfleet.conda.{self.module}": self.options,
            "register": "secret_task",
            "failed_when": f"not (secret_task {wanted} or ansible_check_mode)",
        }
        return {
            "name": self.name,
            "block": [task],
            "rescue": [{"name": "Go on", "ansible.builtin.meta": "noop"}],
        }


def tasks(address: str, secrets: dict[str, Canary]) -> list[Task]:
    """The tasks, for a guarded server at that address (host and port)."""

    def token(name: str) -> str:
        return f"http://{address}/t/{secrets[name].quoted}/conda/lab"

    def basic(name: str, below: str) -> str:
        return f"http://{USER}:{secrets[name].quoted}@{address}/basic/{below}"

    def task(name: str, module: str, options: dict[str, Any], *needs: str, **more: Any) -> Task:
        return Task(name, module, options, frozenset(needs), **more)

    def env(name: str, **options: Any) -> dict[str, Any]:
        return {"installation": PREFIX, "name": name, "timeout": 600, **options}

    made = installer.current()
    checksum = "sha256:" + str(made["sha256"]).removeprefix("sha256:")
    file = f"installers/{made['filename']}"

    def install(prefix: str, name: str) -> dict[str, Any]:
        where = {"prefix": prefix, "version": made["version"], "checksum": checksum}
        return {**where, "installer_url": basic(name, file)}

    base = {"prefix": PREFIX, "trusted_hosts": [docker_engine.gateway()], "timeout": 600}
    package = "noarch/lab-rebuilt-1.0-lab_1.conda"
    digest = hashlib.md5((paths.channel_dir() / package).read_bytes(), usedforsecurity=False)
    small = ["lab-upgrade=1.1"]
    proxy = f"http://{USER}:{secrets['proxy-password'].quoted}@{address}"
    return [
        task("an installer, refused", "conda_installation",
             install("/opt/refused", "installer-password-wrong"), "installer-password-wrong", fails=True),
        task("an installer", "conda_installation",
             install("/opt/other", "installer-password"), "installer-password"),
        task("a channel with a token", "conda_env",
             env("token", packages=small, channels=[token("channel-token")]), "channel-token"),
        task("a spec that cannot be", "conda_env",
             env("bad", packages=["no-such-package"], channels=[token("channel-token")]),
             "channel-token", fails=True),
        task("a channel with a token, refused", "conda_env",
             env("refused", packages=small, channels=[token("channel-token-wrong")]),
             "channel-token-wrong", fails=True),
        task("a channel with a password", "conda_env",
             env("password", packages=small, channels=[basic("channel-password", "conda/lab")]),
             "channel-password"),
        task("a spec with a token", "conda_package",
             env("token", packages=[f"{token('spec-token')}::lab-rebuilt"],
                 channels=[token("spec-token")]), "spec-token"),
        task("a lock with a token", "conda_env",
             env("lock", lock=[f"{token('lock-token')}/{package}#{digest.hexdigest()}"]), "lock-token"),
        task("an environment file with a token", "conda_env",
             env("file", environment=f"channels:\n  - {token('environment-token')}\n"
                                     "dependencies:\n  - lab-upgrade=1.1\n"), "environment-token"),
        task("variables", "conda_env",
             env("token", variables={"HF_TOKEN": secrets["variable-token"].value}, packages=small,
                 channels=[token("channel-token")]), "variable-token", "channel-token"),
        task("a condarc", "conda_config",
             {"path": f"{PREFIX}/.condarc", "mode": "0600", "settings": {
                 "channels": [token("condarc-token")], "solver": "classic",
                 "proxy_servers": {"http": proxy}}}, "condarc-token", "proxy-password"),
        task("the condarc's channel and proxy", "conda_env", env("condarc", packages=small),
             "condarc-token", "proxy-password"),
        task("facts", "conda_info", {"installation": PREFIX}, "condarc-token", "proxy-password"),
        task("a condarc with a token that is wrong", "conda_config",
             {"path": f"{PREFIX}/.condarc", "mode": "0600", "settings": {
                 "channels": [token("condarc-token-wrong")]}},
             "condarc-token-wrong"),
        task("the condarc's channel, refused", "conda_env", env("denied", packages=small),
             "condarc-token-wrong", fails=True),
        task("an index, refused", "conda_pip",
             {**base, "requirements": ["threadpoolctl"],
              "index_url": basic("index-password-wrong", "simple/")},
             "index-password-wrong", fails=True),
        task("an index", "conda_pip",
             {**base, "requirements": ["defusedxml"], "index_url": basic("index-password", "simple/"),
              "extra_index_urls": [basic("extra-index-password", "simple/")]},
             "index-password", "extra-index-password"),
        task("find-links", "conda_pip",
             {**base, "requirements": ["uv", "huggingface_hub"], "no_index": True,
              "find_links": [basic("find-links-password", "wheels/")]}, "find-links-password"),
        task("an index for uv", "conda_pip",
             {**base, "requirements": ["joblib"], "installer": "uv",
              "uv_executable": f"{PREFIX}/bin/uv",
              "index_url": basic("uv-index-password", "simple/")}, "uv-index-password"),
        task("a model, refused", "hub_model",
             {"model": MODEL, "prefix": PREFIX, "cache_dir": "/srv/refused", "endpoint": f"http://{address}",
              "token": secrets["hub-token-wrong"].value, "timeout": 600}, "hub-token-wrong", fails=True),
        task("a model", "hub_model",
             {"model": MODEL, "prefix": PREFIX, "cache_dir": "/srv/models", "endpoint": f"http://{address}",
              "token": secrets["hub-token"].value, "timeout": 600}, "hub-token"),
    ]  # fmt: skip


ALLOWED = {
    f"{PREFIX}/.condarc": frozenset({"condarc-token", "condarc-token-wrong", "proxy-password"}),
    f"{PREFIX}/envs/token/conda-meta/state": frozenset({"variable-token"}),
}
"""The files into which the tasks were asked to write secrets."""


def playbook(chosen: list[Task], target: Path) -> Path:
    """Write a playbook of these tasks; JSON is YAML."""
    play = {
        "name": "Secrets",
        "hosts": "all",
        "gather_facts": False,
        "tasks": [one.as_yaml() for one in chosen],
    }
    target.write_text(json.dumps([play], indent=1))
    return target
