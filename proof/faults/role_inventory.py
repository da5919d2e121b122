"""An inventory with secrets wherever the roles take one, and wrong ones for runs that must fail.

Every secret has a path of its own on the guarded server, so that conda and pip cannot take one address for
another and each secret has to be shown to get what it guards.
"""

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

EXPORTED = "LAB_CHANNEL_PASSWORD"
"""The variable of the host's environment that the condarc names."""

EXPORTED_IN = "/etc/ssh/sshd_config.d/exported.conf"
"""Where the lab sets that variable, readable by root only."""

LOOK = "Check whether anything has to change"
REPORTED = "planted-in-the-report-0123456789"
"""A requirement that is never there: the report of every run names it as drift."""

_INSTALL = "Check variables of install_miniconda"
_CHANNELS = "Check variables of create_conda_env"
_STACK = "Check variables of install_llm_stack"
_INSTALLER = "Install Miniconda"
_CONDARC = "Configure channels"
_ITEMS = "Create or remove environments"
_SECTIONS = "Install the pip sections of environment files"
_BY_CONDA = "Create the stack's environment"
_BY_PIP = "Install Python packages"
_MODELS = "Add models to the cache"


@dataclass(frozen=True)
class Given:
    """A secret of the inventory.

    name: of its canary. password: it is one, with characters that need quoting; a token otherwise.
    tasks: those of the roles that are given it, the checks of variables on the controller among them.
    file: where on the host it is kept because the inventory asks for that; a pattern of fnmatch.
    """

    name: str
    tasks: frozenset[str]
    password: bool = False
    file: str = ""

    @property
    def wrong(self) -> bool:
        """The server refuses it."""
        return self.name.endswith("-wrong")

    @property
    def is_variable(self) -> bool:
        """It goes into ``conda-meta/state`` and is shown to no server."""
        return "-variable" in self.name


def _given(name: str, *tasks: str, **more: Any) -> Given:
    return Given(name, frozenset(tasks), **more)


_CONDARC_FILE = f"{PREFIX}/.condarc"
_STATE = f"{PREFIX}/envs/*/conda-meta/state"

RIGHT = (
    _given("installer-password", LOOK, _INSTALL, _INSTALLER, password=True),
    _given("condarc-token", LOOK, _INSTALL, _CONDARC, file=_CONDARC_FILE),
    _given("custom-channel-token", LOOK, _INSTALL, _CONDARC, file=_CONDARC_FILE),
    _given("proxy-password", LOOK, _INSTALL, _CONDARC, password=True, file=_CONDARC_FILE),
    # The condarc holds the name of the variable only.
    _given("exported-password", LOOK, _CONDARC, _ITEMS, password=True, file=EXPORTED_IN),
    _given("environment-token", LOOK, _CHANNELS, _ITEMS),
    _given("environment-password", LOOK, _CHANNELS, _ITEMS, password=True),
    _given("environment-variable", LOOK, _CHANNELS, _ITEMS, file=_STATE),
    _given("environment-file-token", LOOK, _ITEMS),
    _given("lock-token", LOOK, _ITEMS),
    _given("pip-section-password", LOOK, _CHANNELS, _SECTIONS, password=True),
    _given("stack-token", LOOK, _STACK, _BY_CONDA),
    _given("stack-variable", LOOK, _STACK, _BY_CONDA, file=_STATE),
    _given("index-password", LOOK, _STACK, _BY_PIP, password=True),
    _given("find-links-password", LOOK, _STACK, _BY_PIP, password=True),
    _given("requirement-password", LOOK, _STACK, _BY_PIP, password=True),
    _given("hub-token", LOOK, _STACK, _MODELS),
)
"""Those of the inventory that converges."""

OF_STACK = tuple(one for one in RIGHT if _STACK in one.tasks)
"""Those that the playbook ``verify`` reads, too."""

FORESEEN = tuple(
    one
    for one in RIGHT
    if one.name not in ("environment-file-token", "lock-token", "pip-section-password", "hub-token")
)
"""Those of the variables of `foreseen`."""

MISTAKEN_ITEMS = (
    _given("environment-token-wrong", LOOK, _CHANNELS, _ITEMS),
    _given("environment-password-wrong", LOOK, _CHANNELS, _ITEMS, password=True),
    _given("environment-file-token-wrong", LOOK, _ITEMS),
    _given("lock-token-wrong", LOOK, _ITEMS),
    # What the environment would get that fails for its channel.
    _given("failing-variable", LOOK, _CHANNELS, _ITEMS),
)
MISTAKEN = (
    *MISTAKEN_ITEMS,
    _given("installer-password-wrong", _INSTALL, _INSTALLER, password=True),
    _given("stack-token-wrong", _STACK, _BY_CONDA),
    _given("index-password-wrong", _STACK, _BY_PIP, password=True),
    _given("hub-token-wrong", _STACK, _MODELS),
)
"""Those of the roles that fail."""

EVERY = (*RIGHT, *MISTAKEN)
BLOCKS = 5
"""How many roles fail in the playbook of `refused_book`."""
QUICK_BLOCKS = 2


@dataclass(frozen=True)
class Addresses:
    """What the guarded server answers to, with the secrets in it.

    server: its host and port.
    """

    server: str
    secrets: dict[str, Canary]

    def channels(self, name: str) -> str:
        """A folder of channels guarded by a token, on a path of its own."""
        return f"http://{self.server}/t/{self.secrets[name].quoted}/channels/{name}"

    def channel(self, name: str) -> str:
        """The channel in that folder."""
        return f"{self.channels(name)}/lab"

    def basic(self, name: str, below: str) -> str:
        """An address guarded by a password."""
        return f"http://{USER}:{self.secrets[name].quoted}@{self.server}/basic/{below}"


def make_channels(site: Path) -> None:
    """Give each token a path of its own to the lab's channel, below the folder that is served."""
    for one in EVERY:
        place = site / "channels" / one.name
        place.mkdir(parents=True)
        # The second is the name of the channel that `install_miniconda_custom_channels` declares.
        for name in ("lab", "labs"):
            (place / name).symlink_to(paths.channel_dir())


def variables(at: Addresses, folder: Path) -> dict[str, Any]:
    """Variables of the host that converges; the files that they name are written to the folder."""
    made = installer.current()
    address = at.server
    wheel = f"wheels/{_wheel('threadpoolctl')}"
    value = {name: one.value for name, one in at.secrets.items()}
    return {
        "install_miniconda_installer_url": at.basic(
            "installer-password", f"installers/{made['filename']}"
        ),
        "install_miniconda_channels": [
            at.channel("condarc-token"),
            f"http://{USER}:${{{EXPORTED}}}@{address}/basic/channels/exported-password/lab",
            "labs",
        ],
        "install_miniconda_custom_channels": {"labs": at.channels("custom-channel-token")},
        "install_miniconda_channel_alias": "",
        "install_miniconda_proxy_servers": {
            "http": f"http://{USER}:{at.secrets['proxy-password'].quoted}@{address}"
        },
        "create_conda_env_environments": [
            *foreseen_items(at),
            {
                "name": "file",
                "environment_file": _environment(
                    folder / "environment.yml", at.channel("environment-file-token"), ["joblib"]
                ),
            },
            {"name": "lock", "lock_file": _lock(folder / "lock.txt", at.channel("lock-token"))},
        ],
        "create_conda_env_index_url": at.basic("pip-section-password", "simple/"),
        "create_conda_env_trusted_hosts": [docker_engine.gateway()],
        "install_llm_stack_environment": "llm",
        "install_llm_stack_channels": [at.channel("stack-token")],
        "install_llm_stack_profiles": ["small"],
        "install_llm_stack_profile_overrides": {
            "small": {"pip": ["huggingface_hub", "defusedxml"]}
        },
        "install_llm_stack_requirements": [
            f"threadpoolctl @ {at.basic('requirement-password', wheel)}"
        ],
        "install_llm_stack_variables": {"HF_TOKEN": value["stack-variable"]},
        "install_llm_stack_no_index": False,
        "install_llm_stack_index_url": at.basic("index-password", "simple/"),
        "install_llm_stack_find_links": [at.basic("find-links-password", "wheels/")],
        "install_llm_stack_trusted_hosts": [docker_engine.gateway()],
        "install_llm_stack_models": [{"name": MODEL}],
        "install_llm_stack_model_hub": f"http://{address}",
        "install_llm_stack_model_cache": "/srv/models",
        "install_llm_stack_model_token": value["hub-token"],
        "verify_imports": {"huggingface_hub": ""},
        "verify_skip_checks": ["host", "framework", "kernel", "workload"],
        "verify_model": "",
        "verify_requirements": f"{{{{ verify__declared_requirements + ['{REPORTED}'] }}}}",
        "verify_drift_fails": False,
    }


def foreseen_items(at: Addresses) -> list[dict[str, Any]]:
    """The environments that are not made of a file."""
    return [
        # The channels of the condarc.
        {"name": "plain", "packages": ["lab-versions"]},
        {
            "name": "token",
            "packages": ["lab-upgrade=1.0"],
            "channels": [at.channel("environment-token")],
            "variables": {"HF_TOKEN": at.secrets["environment-variable"].value},
        },
        {
            "name": "password",
            "packages": ["lab-upgrade=1.1"],
            "channels": [at.basic("environment-password", "channels/environment-password/lab")],
        },
    ]


def foreseen(at: Addresses) -> dict[str, Any]:
    """Variables with which ``look_ahead`` asks the host: no files on the controller, no models."""
    return {"create_conda_env_environments": foreseen_items(at), "install_llm_stack_models": []}


def mistaken_items(at: Addresses, folder: Path) -> list[dict[str, Any]]:
    """Environments that all fail, since the server refuses their secrets."""
    return [
        {
            "name": "refused",
            "packages": ["lab-upgrade"],
            "channels": [at.channel("environment-token-wrong")],
            "variables": {"HF_TOKEN": at.secrets["failing-variable"].value},
        },
        {
            "name": "denied",
            "packages": ["lab-upgrade"],
            "channels": [
                at.basic("environment-password-wrong", "channels/environment-password-wrong/lab")
            ],
        },
        {
            "name": "turned",
            "environment_file": _environment(
                folder / "mistaken.yml", at.channel("environment-file-token-wrong"), []
            ),
        },
        {
            "name": "away",
            "lock_file": _lock(folder / "mistaken.txt", at.channel("lock-token-wrong")),
        },
    ]


def refused_book(at: Addresses, folder: Path, *, quick: bool) -> Path:
    """A playbook of roles that each fail for a wrong secret, the next one goes on all the same.

    quick: those only that need no environment to be there.
    """
    made = installer.current()
    stack: dict[str, Any] = {"install_llm_stack_find_links": [], "install_llm_stack_models": []}
    blocks = [
        _refused(
            "install_miniconda",
            install_miniconda_prefix="/opt/refused",
            install_miniconda_installer_url=at.basic(
                "installer-password-wrong", f"installers/{made['filename']}"
            ),
        ),
        _refused("create_conda_env", create_conda_env_environments=mistaken_items(at, folder)),
        _refused(
            "install_llm_stack",
            install_llm_stack_environment="unmade",
            install_llm_stack_channels=[at.channel("stack-token-wrong")],
        ),
        _refused(
            "install_llm_stack",
            **stack,
            install_llm_stack_requirements=["markupsafe"],
            install_llm_stack_index_url=at.basic("index-password-wrong", "simple/"),
        ),
        _refused(
            "install_llm_stack",
            install_llm_stack_models=[{"name": MODEL, "cache_dir": "/srv/refused"}],
            install_llm_stack_model_token=at.secrets["hub-token-wrong"].value,
        ),
    ]
    assert len(blocks) == BLOCKS
    book = folder / "refused.json"
    # JSON is YAML.
    chosen = blocks[: QUICK_BLOCKS if quick else None]
    book.write_text(json.dumps([play_of("Roles that fail", chosen)], indent=1))
    return book


def play_of(name: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """A play of a playbook."""
    return {"name": name, "hosts": "all", "gather_facts": False, "tasks": tasks}


def _refused(role: str, **changed: Any) -> dict[str, Any]:
    include = {"name": f"llmfleet.conda.{role}"}
    return {
        "name": f"Fail in {role}",
        "block": [
            {"name": f"Run {role}", "ansible.builtin.include_role": include, "vars": changed}
        ],
        "rescue": [{"name": "Go on", "ansible.builtin.meta": "noop"}],
    }


def _environment(target: Path, channel: str, distributions: list[str]) -> str:
    lines = ["channels:", f"  - {channel}", "dependencies:", "  - lab-rebuilt"]
    if distributions:
        lines += [
            "  - python=3.11",
            "  - pip",
            "  - pip:",
            *(f"    - {one}" for one in distributions),
        ]
    target.write_text("\n".join(lines) + "\n")
    return str(target)


def _lock(target: Path, channel: str) -> str:
    package = "noarch/lab-upgrade-2.0-lab_0.conda"
    content = (paths.channel_dir() / package).read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    target.write_text(f"@EXPLICIT\n{channel}/{package}#{digest}\n")
    return str(target)


def _wheel(name: str) -> str:
    """The file name of the lab's wheel of that distribution."""
    return next(path.name for path in sorted((paths.site_dir() / "wheels").glob(f"{name}-*.whl")))
