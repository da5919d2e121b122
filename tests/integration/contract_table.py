"""The calls over which the contract of check mode is shown: data only, so that other tests can read it.

Every row stands alone: it begins in a copy of a prepared state (``GIVEN``), in the same place each time.
``{place}`` is that place, ``{env}`` the environment in it, ``{own}`` an installation in it, ``{base}`` the
shared installation, which no row changes. The other words are those of ``contract.Words``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CHANGES, SAME, FAILS = "changes", "same", "fails"

Damage = tuple[str, str] | tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """One call of a module, and what must come of it.

    Attributes:
        name: what the row shows, in words.
        module, options: the call.
        expect: ``CHANGES``, ``SAME`` or ``FAILS``.
        given: the state it begins in, a key of ``GIVEN``.
        but: what is done to that state first: ("delete" | "halve", path) or ("write", path, text). The
            path is below the place and may be a pattern, the text may have words.
        asks: conda or pip has to be asked every time, so an index cache may be written.
        home: a home directory of its own, below the place.
    """

    name: str
    module: str
    options: dict[str, Any]
    expect: str = CHANGES
    given: str = "nothing"
    but: tuple[Damage, ...] = ()
    asks: bool = False
    home: str = ""


@dataclass(frozen=True)
class Given:
    """A prepared state: calls that make it, and files (text by path below the place)."""

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    files: dict[str, str] = field(default_factory=dict)


_PLACE = {"installation": "{base}", "prefix": "{env}"}


def _made(*packages: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "conda_env", {**_PLACE, "packages": list(packages), **more}


_CONDARC = """\
# Ours.
channels:  # in this order
  - lab
  - conda-forge
ssl_verify: false
proxy_servers:
  http: http://proxy.example.org:3128
"""
_WHEELS = {"prefix": "{env}", "no_index": True, "find_links": ["{wheels}"]}
INSTALLER = {
    "version": "{installer_version}",
    "installer_url": "{installer_url}",
    "checksum": "{checksum}",
}
_SIX = ("python=3.11", "pip", "six=1.16")
_OURS = {"model": "example/ours", "cache_dir": "{place}/cache"}
_FILES = {"ours/config.json": '{"a": 1}\n', "ours/vocab.txt": "a\nb\n", "ours/.git/HEAD": "x\n"}
_FROM_OURS = {**_OURS, "path": "{place}/ours", "remote_src": True}

_GENERATIONS = {**_PLACE, "environment": {"packages": ["lab-upgrade=1.0"]}}
GIVEN: dict[str, Given] = {
    "nothing": Given(),
    # Nothing in the place, and the packages in the cache.
    "cached": Given((_made("lab-upgrade=1.0"), _made(state="absent"))),
    "empty": Given((_made(),)),
    "small": Given((_made("lab-upgrade=1.0", "lab-needs-glibc"),)),
    "newest": Given((_made("lab-upgrade=2.0", "lab-rebuilt"),)),
    # The newest, and an older one in the package cache.
    "upgraded": Given((_made("lab-upgrade=1.0"), _made("lab-upgrade=2.0", "lab-rebuilt"))),
    "rebuilt": Given((_made("lab-rebuilt=1.0=lab_0"),)),
    "more": Given((_made("lab-conflict-a", "lab-needs-glibc", "lab-post-link"),)),
    "frozen": Given((_made("lab-upgrade=1.0", frozen=True),)),
    "pinned": Given((_made("lab-upgrade", pinned=["lab-upgrade<2"]),)),
    "python": Given((_made(*_SIX),)),
    "entry point": Given((_made("python=3.11", "lab-entrypoint"),)),
    "pip": Given(
        (
            _made(*_SIX),
            ("conda_pip", {**_WHEELS, "requirements": ["t-app==1.0", "t-lib==1.0"]}),
        )
    ),
    "caches": Given(
        files={
            "pip/wheels/ab/x.whl": "wheel\n",
            "pip/notes.txt": "mine\n",
            "uv/archive-v0/ab/x.py": "x = 1\n",
            "hub/models--a--b/refs/main": "a" * 40,
            f"hub/models--a--b/snapshots/{'a' * 40}/config.json": "{}\n",
            f"hub/models--a--b/snapshots/{'b' * 40}/config.json": "{}\n",
            "hub/models--a--b/blobs/cd.incomplete": "half",
        }
    ),
    "stranger": Given(files={"env/notes.txt": "mine\n"}),
    "generation": Given((("conda_generations", _GENERATIONS),)),
    "two generations": Given(
        (
            ("conda_generations", _GENERATIONS),
            (
                "conda_generations",
                {**_PLACE, "environment": {"packages": ["lab-upgrade=2.0"]}},
            ),
        )
    ),
    "condarc": Given(files={"condarc": _CONDARC}),
    "odd condarc": Given(files={"condarc": "channels: &ours [lab]\nold: *ours\n"}),
    "model directory": Given(files=_FILES),
    "model": Given((("hub_model", _FROM_OURS),), files=_FILES),
    "hub library": Given(
        (
            _made(*_SIX),
            (
                "conda_pip",
                {**_WHEELS, "find_links": ["{lab_wheels}"], "requirements": ["huggingface_hub"]},
            ),
        )
    ),
    "installation": Given((("conda_installation", {"prefix": "{own}", **INSTALLER}),)),
}


def env(name: str, /, *packages: str, given: str = "nothing", **more: Any) -> Row:
    """A row of conda_env; keywords that a row has are the row's, all others are options."""
    return _row(name, "conda_env", {**_PLACE, "packages": list(packages)}, given, more)


def package(name: str, /, *packages: str, given: str = "small", **more: Any) -> Row:
    """A row of conda_package."""
    return _row(name, "conda_package", {**_PLACE, "packages": list(packages)}, given, more)


def pip(name: str, /, *requirements: str, given: str = "python", **more: Any) -> Row:
    """A row of conda_pip that installs from the wheelhouse of the tests."""
    return _row(name, "conda_pip", {**_WHEELS, "requirements": list(requirements)}, given, more)


def config(name: str, settings: dict[str, Any], /, *, given: str = "condarc", **more: Any) -> Row:
    """A row of conda_config."""
    options = {"path": "{place}/condarc", "settings": settings}
    return _row(name, "conda_config", options, given, more)


def installation(name: str, /, *, given: str = "installation", **more: Any) -> Row:
    """A row of conda_installation."""
    return _row(name, "conda_installation", {"prefix": "{own}"}, given, more)


def model(name: str, /, *, given: str = "model", **more: Any) -> Row:
    """A row of hub_model with a directory in the place of the hub."""
    return _row(name, "hub_model", dict(_FROM_OURS), given, more)


def clean(name: str, /, *, given: str = "caches", **more: Any) -> Row:
    """A row of conda_clean, for caches in the place and nowhere else."""
    options = {
        "caches": ["pip", "uv", "hub"],
        "pip_cache_dir": "{place}/pip",
        "uv_cache_dir": "{place}/uv",
        "hub_cache_dir": "{place}/hub",
        "min_age": 0,
    }
    return _row(name, "conda_clean", options, given, more)


def reads(name: str, module: str, /, *, given: str = "small", **options: Any) -> Row:
    """A row of a module that never changes anything."""
    return _row(name, module, {}, given, {"expect": SAME, **options})


def _row(name: str, module: str, options: dict[str, Any], given: str, more: dict[str, Any]) -> Row:
    own = {key: more[key] for key in ("expect", "but", "asks", "home") if key in more}
    options = {**options, **{key: value for key, value in more.items() if key not in own}}
    return Row(name, module, options, given=given, **own)


_ENV_YML = """\
name: elsewhere
channels:
  - lab
dependencies:
  - lab-upgrade=1.1
  - lab-needs-glibc
  - pip:
      - requests
"""
_UPGRADE_10 = "lab-upgrade-1.0-lab_0"
_UPGRADE_20 = "lab-upgrade-2.0-lab_0"
_GLIBC = "lab-needs-glibc-1.0-lab_0"
_FILE = "env/share/lab-upgrade.txt"
_RECORD = "env/conda-meta/lab-upgrade-*.json"

CONDA_ENV = (
    env("an environment without packages"),
    env("an environment with packages", "lab-upgrade=1.1", "lab-post-link", timeout=600),
    env("below a directory that is not there", "lab-rebuilt", prefix="{place}/a/b/env"),
    env("by name", "lab-rebuilt", prefix=None, name="contract"),
    env("from a channel by address", "lab::lab-upgrade=1.1", channels=["{channel}"]),
    env("a version with an epoch", "lab-versions>=1!0"),
    env("from the package cache alone", "lab-upgrade=1.0", given="cached", offline=True),
    env("with another conda", "lab-rebuilt", executable="{base}/bin/conda"),
    env(
        "an environment.yml as mapping",
        environment={"channels": ["lab", "nodefaults"], "dependencies": ["lab-upgrade<2"]},
    ),
    env("an environment.yml as text", environment=_ENV_YML),
    env(
        "an environment.yml on the host and one package more",
        "lab-rebuilt",
        given="small",
        but=(("write", "environment.yml", _ENV_YML),),
        environment_file="{place}/environment.yml",
        remote_src=True,
        prune=True,
    ),
    env(
        "a lock with MD5 sums",
        packages=None,
        lock=["@EXPLICIT", f"{{url[{_UPGRADE_10}]}}#{{md5[{_UPGRADE_10}]}}"],
    ),
    env(
        "a lock with SHA-256 sums as text",
        packages=None,
        lock=f"{{url[{_UPGRADE_10}]}}#sha256:{{sha256[{_UPGRADE_10}]}}\n{{url[{_GLIBC}]}}\n",
    ),
    env(
        "another lock than before, on the host",
        given="small",
        packages=None,
        but=(("write", "lock", f"@EXPLICIT\n{{url[{_UPGRADE_20}]}}\n"),),
        lock_file="{place}/lock",
        remote_src=True,
    ),
    env(
        "the same lock again",
        given="small",
        packages=None,
        lock=[f"{{url[{_UPGRADE_10}]}}", f"{{url[{_GLIBC}]}}"],
        expect=SAME,
    ),
    env(
        "a lock over a damaged package",
        given="small",
        packages=None,
        lock=[f"{{url[{_UPGRADE_10}]}}", f"{{url[{_GLIBC}]}}"],
        but=(("delete", _FILE),),
    ),
    env("all is there", "lab-upgrade", given="small", expect=SAME),
    env("one package more", "lab-upgrade", "lab-rebuilt", given="small"),
    env("a newer version", "lab-upgrade>=1.1", given="small"),
    env("an older version", "lab-upgrade<2", given="newest"),
    env("what nobody names goes", "lab-conflict-a", given="more", prune=True),
    env("change and prune at once", "lab-upgrade=2.0", "lab-rebuilt", given="small", prune=True),
    env(
        "nothing to prune", "lab-upgrade=2", "lab-rebuilt", given="newest", prune=True, expect=SAME
    ),
    env("latest", "lab-upgrade", "lab-needs-glibc", given="small", state="latest", asks=True),
    env("latest within the spec", "lab-upgrade<2", given="small", state="latest", asks=True),
    env("latest build", "lab-rebuilt", given="rebuilt", state="latest", asks=True),
    env("latest and prune", "lab-upgrade", given="small", state="latest", prune=True, asks=True),
    env("nothing newer", "lab-upgrade", given="newest", state="latest", asks=True, expect=SAME),
    env("latest of what is not there", "lab-rebuilt", state="latest", asks=True),
    env("recreate what is as wanted", "lab-upgrade", given="small", recreate=True, expect=SAME),
    env("recreate what is not as wanted", "lab-upgrade=2.0", given="small", recreate=True),
    env("freeze", "lab-upgrade", given="small", frozen=True),
    env("make it frozen at once", "lab-rebuilt", frozen=True),
    env("unfreeze", "lab-upgrade", given="frozen", frozen=False),
    env("frozen and as wanted", "lab-upgrade", given="frozen", expect=SAME),
    env("frozen and not as wanted", "lab-upgrade=2.0", given="frozen", expect=FAILS),
    env("change what is frozen", "lab-upgrade=2.0", given="frozen", frozen=True),
    env("remove what is frozen", given="frozen", state="absent", expect=FAILS),
    env("unfreeze to remove", given="frozen", state="absent", frozen=False),
    env("with an owner and a group", "lab-rebuilt", owner="{uid}", group="{gid}"),
    env("of the right owner already", "lab-upgrade", given="small", owner="{uid}", expect=SAME),
    env("an owner whom nobody knows", "lab-upgrade", owner="no-such-one", expect=FAILS),
    env("a file is missing", "lab-upgrade", given="small", but=(("delete", _FILE),)),
    env("a file is truncated", "lab-upgrade", given="small", but=(("halve", _FILE),)),
    env("a record is missing", "lab-upgrade", given="small", but=(("delete", _RECORD),)),
    env("a record is cut off", "lab-upgrade", given="small", but=(("halve", _RECORD),)),
    env(
        "damage that nobody asked to mend",
        "lab-upgrade",
        given="small",
        but=(("delete", _FILE),),
        repair=False,
        expect=SAME,
    ),
    env(
        "an earlier run was cut off",
        "lab-upgrade",
        given="small",
        but=(
            ("write", "env/conda-meta/.llmfleet-journal", '{{"operation": "change"}}'),
            ("halve", _RECORD),
        ),
    ),
    env("a pin for what is there", "lab-upgrade", given="small", pinned=["lab-upgrade<2"]),
    env("a pin for another version", "lab-upgrade", given="newest", pinned=["lab-upgrade<2"]),
    env("no pin any more", "lab-rebuilt", given="pinned", pinned=[]),
    env("against its own pin", "lab-upgrade=2", pinned=["lab-upgrade<2"], expect=FAILS),
    env("against a pin that is there", "lab-upgrade=2", given="pinned", expect=FAILS),
    env("variables", "lab-upgrade", given="small", variables={"LAB_THREADS": "8"}),
    env("by the priority of channels", "lab-rebuilt", given="small", channel_priority="strict"),
    env("another Python", "python=3.12", "lab-entrypoint", given="entry point"),
    env("absent", given="small", state="absent"),
    env("absent already", state="absent", expect=SAME),
    env("absent where a stranger lives", given="stranger", state="absent", expect=FAILS),
    env("where a stranger lives", "lab-upgrade", given="stranger", expect=FAILS),
    env("the base is never removed", prefix="{base}", state="absent", expect=FAILS),
    env("two that exclude each other", "lab-conflict-a", "lab-conflict-b", expect=FAILS),
    env("an impossible change", "lab-upgrade=7", given="small", expect=FAILS),
    env("a channel that is not there", "six", channels=["{channel}-none"], expect=FAILS),
)

CONDA_PACKAGE = (
    package("install", "lab-rebuilt", "lab-versions<1.1"),
    package("all is there", "lab-upgrade>=1", expect=SAME),
    package("an older version", "lab-upgrade<2", given="newest"),
    package("a build that is named", "lab-rebuilt=1.0=lab_0", given="newest"),
    package("from a channel, the cache alone", "lab-upgrade=1.0", given="upgraded", offline=True),
    package("by its channel", "lab-post-link", channels=["{channel}"], timeout=600),
    package("with another conda", "lab-rebuilt", executable="{base}/bin/conda"),
    package("latest", "lab-upgrade", state="latest", asks=True),
    package("nothing newer", "lab-upgrade", given="newest", state="latest", asks=True, expect=SAME),
    package("absent", "lab-needs-glibc", state="absent"),
    package("absent with what needs it", "lab-upgrade", given="more", state="absent"),
    package("absent by the package's own script", "lab-post-link", given="more", state="absent"),
    package("absent in another version", "lab-upgrade>=2", state="absent", expect=SAME),
    package("absent without environment", "six", given="nothing", state="absent", expect=SAME),
    package("what excludes what is there", "lab-conflict-a", "lab-upgrade=1.0", expect=FAILS),
    package("frozen", "lab-upgrade=2.0", given="frozen", expect=FAILS),
    package("a file is missing", "lab-upgrade", but=(("delete", _FILE),)),
    package("no repair", "lab-upgrade", but=(("delete", _FILE),), repair=False, expect=SAME),
    package(
        "in the base by its name",
        "lab-rebuilt",
        given="installation",
        installation="{own}",
        prefix=None,
        name="base",
        channels=["{channel}"],
    ),
)

_SITE = "env/lib/python3.11/site-packages"

CONDA_PIP = (
    pip("install with what it needs", "t-app==1.0"),
    pip("conda's own satisfies", "six>=1.10", expect=SAME),
    pip("a newer version", "t-lib>1", given="pip", timeout=600),
    pip("an older version by a constraint", "t-lib>1", given="pip", constraints=["t-lib<2"]),
    pip("an extra and a marker", "t-more[lib]", "t-old; python_version < '3.0'"),
    pip("with a hash", "t-lib==1.0 --hash=sha256:{wheel_sha256[t_lib-1.0]}"),
    pip("by address", "t-lib @ file://{wheels}/t_lib-1.1-py3-none-any.whl"),
    pip("latest", "t-app", given="pip", state="latest", asks=True),
    pip("nothing newer", "t-lib<1.1", given="pip", state="latest", asks=True, expect=SAME),
    pip("absent", "t-app", given="pip", state="absent"),
    pip("absent already", "t-more", given="pip", state="absent", expect=SAME),
    pip("absent though needed", "t-lib", given="pip", state="absent", expect=FAILS),
    pip("absent though needed, unchecked", "t-lib", given="pip", state="absent", check=False),
    pip("what conda owns stays", "six>=1.17", expect=FAILS),
    pip("a constraint that conda's own breaks", "six", constraints=["six>=1.17"], expect=FAILS),
    pip(
        "a constraint that spares conda's own",
        "six",
        constraints_for_pip=["six>=1.17"],
        expect=SAME,
    ),
    pip("what conda owns, when told", "six>=1.17", replace_conda_packages=True),
    pip("what conda owns is not removed", "six", state="absent", expect=FAILS),
    pip("no such version", "t-lib>9", expect=FAILS),
    pip("a file is missing", "t-lib", given="pip", but=(("delete", f"{_SITE}/t_lib/__init__.py"),)),
    pip(
        "no repair",
        "t-lib",
        given="pip",
        but=(("delete", f"{_SITE}/t_lib/__init__.py"),),
        repair=False,
        expect=SAME,
    ),
    pip(
        "a file of requirements and one of constraints",
        requirements=None,
        requirements_files=["{place}/requirements.txt"],
        constraints_files=["{place}/constraints.txt"],
        remote_src=True,
        but=(
            ("write", "requirements.txt", "t-app\nt-lib\n"),
            ("write", "constraints.txt", "t-lib<2\n"),
        ),
    ),
    pip(
        "from indexes, by name",
        "tqdm==4.67.3",
        no_index=None,
        find_links=None,
        index_url="{mirror}/simple",
        extra_index_urls=["{mirror}/simple/"],
        trusted_hosts=["127.0.0.1"],
        cache_dir="{place}/pip-cache",
    ),
)

CONDA_CONFIG = (
    config("make the file", {"channels": ["lab"], "auto_activate_base": False}, given="nothing"),
    config("replace and keep the rest", {"channels": ["bioconda"]}),
    config("as it is", {"channels": ["lab", "conda-forge"]}, expect=SAME),
    config("merge a list", {"channels": ["conda-forge", "bioconda"]}, merge=True),
    config("merge a mapping", {"proxy_servers": {"https": "http://proxy:1"}}, merge=True),
    config("nothing to merge", {"channels": ["conda-forge"]}, merge=True, expect=SAME),
    config("a null removes", {"ssl_verify": None}),
    config("absent", {"channels": None, "ssl_verify": None}, state="absent"),
    config("absent already", {"solver": None}, state="absent", expect=SAME),
    config("absent without a file", {"a": None}, given="nothing", state="absent", expect=SAME),
    config("permissions alone", {"ssl_verify": False}, mode="0600"),
    config("a new file with its permissions", {"ssl_verify": False}, given="nothing", mode="0600"),
    config("a secret", {"channel_alias": "https://user:hunter2@mirror.example.org/t/tk-1/conda"}),
    config(
        "of an installation",
        {"channel_priority": "strict"},
        given="small",
        path=None,
        scope="prefix",
        installation="{env}",
    ),
    config("of a user", {"solver": "classic"}, given="nothing", path=None, scope="user", home="."),
    config(
        "accept terms",
        {},
        given="nothing",
        path=None,
        scope="user",
        accept_tos=["{published}/pkgs/main"],
        home=".",
    ),
    config(
        "refuse terms, and be denied the channel",
        {"denylist_channels": ["{published}/pkgs/main"]},
        given="nothing",
        path=None,
        scope="user",
        reject_tos=["{published}/pkgs/main", "{published}/pkgs/r"],
        newer_tos=True,
        home=".",
    ),
    config("asked first", {"channels": ["{mirror}/conda/lab"]}, given="nothing", probe=True),
    config(
        "asked in vain",
        {"channels": ["{mirror}/nowhere"]},
        given="nothing",
        probe=True,
        expect=FAILS,
    ),
    config("what is not understood", {"solver": "classic"}, given="odd condarc", expect=FAILS),
)

CONDA_INSTALLATION = (
    installation("from an address", given="nothing", **INSTALLER),
    installation(
        "from a path",
        given="nothing",
        version="{installer_version}",
        installer_path="{installer_path}",
        checksum="{checksum}",
    ),
    installation(
        "from a path, another file than expected",
        given="nothing",
        installer_path="{installer_path}",
        checksum="sha256:" + "0" * 64,
        expect=FAILS,
    ),
    installation(
        "published, from a mirror",
        given="nothing",
        distribution="miniconda",
        version="{catalogued}",
        mirror="{published}",
        checksum="{checksum}",
        timeout=600,
    ),
    installation("on a new host", given="nothing", minimum_glibc="2.17", **INSTALLER),
    installation(
        "on an old host", given="nothing", minimum_glibc="99.0", **INSTALLER, expect=FAILS
    ),
    installation("half made", given="nothing", but=(("write", "own/_conda", ""),), **INSTALLER),
    installation(
        "of nobody's",
        given="nothing",
        but=(("write", "own/pkgs/urls", ""),),
        **INSTALLER,
        expect=FAILS,
    ),
    installation(
        "where a stranger lives", given="stranger", prefix="{env}", **INSTALLER, expect=FAILS
    ),
    installation("all is there", **INSTALLER, expect=SAME),
    installation("this conda is there", conda_version="24.7.1", **INSTALLER, expect=SAME),
    installation("closed to others", mode="0750", **INSTALLER),
    installation(
        "a file is missing",
        but=(("delete", "own/lib/python3.*/site-packages/boltons/__init__.py"),),
        channels=["{channel}"],
        **INSTALLER,
    ),
    installation(
        "damage that nobody asked to mend",
        but=(("delete", "own/lib/python3.*/site-packages/boltons/__init__.py"),),
        repair=False,
        **INSTALLER,
        expect=SAME,
    ),
    installation("absent", state="absent"),
    installation("absent already", given="nothing", state="absent", expect=SAME),
    installation(
        "absent with an environment",
        but=(("write", "own/envs/kept/conda-meta/history", ""),),
        state="absent",
        expect=FAILS,
    ),
    installation(
        "absent with an environment, when told",
        but=(("write", "own/envs/kept/conda-meta/history", ""),),
        state="absent",
        remove_environments=True,
    ),
)

_SUBSETS = ["installation", "environments", "packages", "distributions", "config"]

READING = (
    reads("everything", "conda_info", installation="{base}", gather=_SUBSETS),
    reads("one environment", "conda_info", prefix="{env}", gather=["packages"]),
    reads("by name", "conda_info", installation="{base}", name="base", gather=["packages"]),
    reads("nothing there", "conda_info", given="nothing", installation="{own}"),
    reads(
        "damage",
        "conda_info",
        but=(("halve", _RECORD),),
        prefix="{env}",
        gather=["environments", "packages"],
    ),
    reads("this host", "accelerator_info", given="nothing"),
    reads("this host, in a hurry", "accelerator_info", given="nothing", timeout=5),
    reads("an environment", "llm_check", given="python", prefix="{env}", imports={"six": ""}),
    reads(
        "an environment of an installation",
        "llm_check",
        given="nothing",
        installation="{base}",
        name="base",
        checks=["installation", "environment"],
    ),
    reads("nothing there", "llm_check", given="nothing", prefix="{env}"),
    reads("not as wanted", "llm_check", given="python", prefix="{env}", python_version="3.8"),
)

CONDA_CLEAN = (
    clean("caches of pip, uv and the hub"),
    clean("one cache", caches=["hub"]),
    clean("nothing is old enough", min_age=3600, expect=SAME),
    clean("no cache", given="nothing", expect=SAME),
    clean("no installation", caches=["packages"], installation="{env}", expect=FAILS),
)

HUB_MODEL = (
    model("from a directory", given="model directory"),
    model("all is there", expect=SAME),
    model("a file is cut off", but=(("halve", "cache/models--*/snapshots/*/config.json"),)),
    model("the list of files is lost", but=(("delete", "cache/models--*/trees/*"),)),
    model("another file in the directory", but=(("write", "ours/merges.txt", "a b\n"),)),
    model("only some of the files", given="model directory", include=["*.json"]),
    model("without some of the files", given="model directory", exclude=["*.txt"]),
    model("by a name of its own", given="model directory", revision="v1", commit="1" * 40),
    model("another name for what is there", revision="v2"),
    model("no such directory", path="{place}/none", expect=FAILS),
    model("no such model", model="../ours", expect=FAILS),
    model("absent", path=None, state="absent"),
    model("absent already", path=None, state="absent", model="example/none", expect=SAME),
    Row(
        "from the hub",
        "hub_model",
        {
            "model": "example/tiny-sentiment",
            "prefix": "{env}",
            "endpoint": "{hub}",
            "token": "hf_nobody",
            "cache_dir": "{place}/cache",
            "timeout": 600,
        },
        given="hub library",
    ),
)

CONDA_GENERATIONS: tuple[Row, ...] = (
    *(
        Row(name, "conda_generations", {**_PLACE, **more}, expect, given)
        for name, more, expect, given in (
            ("the first", {"environment": {"packages": ["lab-upgrade=1.0"]}}, CHANGES, "cached"),
            ("as it is", {"environment": {"packages": ["lab-upgrade=1.0"]}}, SAME, "generation"),
            ("the next", {"environment": {"packages": ["lab-upgrade=2.0"]}}, CHANGES, "generation"),
            ("back", {"generation": "previous"}, CHANGES, "two generations"),
            ("back to its number", {"generation": "2"}, SAME, "two generations"),
            ("what is not kept goes", {"environment": {}, "keep": 1}, CHANGES, "two generations"),
            ("plain again", {"plain": True}, CHANGES, "generation"),
            ("absent", {"state": "absent"}, CHANGES, "two generations"),
            ("absent already", {"state": "absent"}, SAME, "nothing"),
            ("no generation of that number", {"generation": "7"}, FAILS, "generation"),
            ("files of somebody", {"environment": {}}, FAILS, "stranger"),
        )
    ),
    Row(
        "a link to a generation",
        "conda_env",
        {**_PLACE, "packages": ["lab-upgrade=2.0"]},
        FAILS,
        "generation",
    ),
    Row(
        "a link to a generation that is as asked",
        "conda_env",
        {**_PLACE, "packages": ["lab-upgrade=1.0"]},
        SAME,
        "generation",
    ),
)

TABLE: tuple[Row, ...] = (
    *CONDA_GENERATIONS,
    *CONDA_ENV,
    *CONDA_PACKAGE,
    *CONDA_PIP,
    *CONDA_CONFIG,
    *CONDA_INSTALLATION,
    *HUB_MODEL,
    *CONDA_CLEAN,
    *READING,
)

# For a second Python: what leans on it most, that is each module's work, its nothing to do, and its repair.
SMOKE: frozenset[tuple[str, str]] = frozenset(
    (module, name)
    for module, names in {
        "conda_env": (
            "an environment with packages",
            "an environment.yml on the host and one package more",
            "another lock than before, on the host",
            "all is there",
            "latest",
            "a record is cut off",
            "variables",
            "absent",
            "an impossible change",
        ),
        "conda_generations": ("the first", "as it is", "back", "absent"),
        "conda_package": ("install", "all is there", "absent"),
        "conda_pip": (
            "install with what it needs",
            "conda's own satisfies",
            "with a hash",
            "absent",
            "from indexes, by name",
        ),
        "conda_config": ("make the file", "as it is", "merge a list", "accept terms"),
        "conda_installation": ("from an address", "all is there", "absent"),
        "conda_clean": ("caches of pip, uv and the hub", "nothing is old enough"),
        "hub_model": ("from a directory", "all is there", "from the hub"),
        "conda_info": ("everything", "damage"),
        "accelerator_info": ("this host",),
        "llm_check": ("an environment", "not as wanted"),
    }.items()
    for name in names
)

# In `make test-full` only: each starts conda, pip or an installer several times, and another row shows its
# kind in `make test`.
FULL: frozenset[tuple[str, str]] = frozenset(
    (module, name)
    for module, names in {
        "conda_env": (
            "a channel that is not there",
            "a file is missing",
            "a file is truncated",
            "a newer version",
            "a pin for another version",
            "a record is missing",
            "a version with an epoch",
            "against a pin that is there",
            "against its own pin",
            "an environment without packages",
            "an environment.yml as mapping",
            "an environment.yml as text",
            "an older version",
            "another Python",
            "below a directory that is not there",
            "by the priority of channels",
            "change and prune at once",
            "change what is frozen",
            "from a channel by address",
            "from the package cache alone",
            "latest and prune",
            "latest build",
            "latest of what is not there",
            "latest within the spec",
            "make it frozen at once",
            "no pin any more",
            "nothing newer",
            "one package more",
            "recreate what is not as wanted",
            "the same lock again",
            "two that exclude each other",
            "unfreeze",
            "what nobody names goes",
            "with an owner and a group",
            "with another conda",
        ),
        "conda_package": (
            "a build that is named",
            "absent by the package's own script",
            "by its channel",
            "from a channel, the cache alone",
            "frozen",
            "in the base by its name",
            "nothing newer",
            "what excludes what is there",
        ),
        "conda_pip": (
            "a constraint that conda's own breaks",
            "a constraint that spares conda's own",
            "a file is missing",
            "a file of requirements and one of constraints",
            "absent already",
            "absent though needed, unchecked",
            "an extra and a marker",
            "an older version by a constraint",
            "by address",
            "latest",
            "no repair",
            "no such version",
            "nothing newer",
            "what conda owns is not removed",
            "what conda owns, when told",
        ),
        "conda_installation": (
            "a file is missing",
            "absent with an environment",
            "absent with an environment, when told",
            "closed to others",
            "damage that nobody asked to mend",
            "from a path",
            "half made",
            "on a new host",
            "published, from a mirror",
            "this conda is there",
        ),
    }.items()
    for name in names
)
