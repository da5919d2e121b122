"""Tricks with paths: what ada lays in the way of root, or into an environment, must lead nowhere.

Each trick runs in a fresh host with Miniconda, by the modules and the real conda, as root; a victim file
outside shows whether something was written through.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proof.faults.cases import Case, NotInjected, NotSurvived
from proof.host import Answer, Host
from proof.prepared import PREFIX

_VICTIM = "/etc/victim"
_TREE = "/home/ada/tree"
_PLACE = "/srv/everybody"
"""Everybody may write here, and there is no sticky bit."""
_ENV = f"{_PLACE}/env"
_OWN = "/srv/own/env"
_LIMIT = 300.0
"""Seconds; the longest of these calls takes three, unless the machine is busy."""

_SEE = """
import hashlib, json, os, sys
seen = {}
for top in sys.argv[1:]:
    for path in [top, *(os.path.join(d, n) for d, ds, fs in os.walk(top) for n in ds + fs)]:
        s = os.lstat(path)
        whole = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
        seen[path] = [s.st_mode, s.st_uid, s.st_gid, hashlib.sha256(whole).hexdigest()]
print(json.dumps(seen))
"""


@dataclass(frozen=True)
class Trick:
    """Something laid in the way, and the call that meets it.

    lay: a script of the shell, run as ``by``. proof: a test of the shell that it lies there.
    """

    name: str
    lay: str
    proof: str
    module: str
    options: dict[str, Any]
    by: str = "ada"


def _env(prefix: str = _ENV, **more: Any) -> dict[str, Any]:
    return {"installation": PREFIX, "prefix": prefix, "offline": True, "timeout": 250, **more}


_MAKE = _env(packages=["lab-upgrade=1.0"])
_CHANGE = _env(_OWN, packages=["lab-upgrade=2.0"])
_GONE = _env(_OWN, state="absent")
_INFO = {
    "installation": PREFIX,
    "prefix": _OWN,
    "gather": ["environments", "packages", "distributions"],
}
_CONFIG = {"settings": {"channels": ["lab"], "offline": True}}
_JOURNAL = '{"operation": "create", "prefix": "/etc", "pid": 1}'


def _linked(
    name: str, path: str, module: str, options: dict[str, Any], target: str = _VICTIM
) -> Trick:
    lay = f"rm -rf '{path}'; mkdir -p $(dirname '{path}'); ln -s {target} '{path}'"
    return Trick(
        name,
        lay,
        f"[ -L '{path}' ]",
        module,
        options,
        by="root" if path.startswith("/srv/own") else "ada",
    )


def _fifo(name: str, path: str, module: str, options: dict[str, Any]) -> Trick:
    lay = f"rm -rf '{path}'; mkdir -p $(dirname '{path}'); mkfifo '{path}'"
    return Trick(name, lay, f"[ -p '{path}' ]", module, options, by="root")


_META, _HOME = f"{_OWN}/conda-meta", "/srv/home"
TRICKS: tuple[Trick, ...] = (
    # A directory in which everybody may write
    _linked("a link in the place of the lock", f"{_PLACE}/.env.llmfleet.lock", "conda_env", _MAKE),
    _linked("a link in the place of the journal", f"{_PLACE}/.env.llmfleet-journal", "conda_env", _MAKE),
    _linked("a link in the place of the environment", _ENV, "conda_env", _MAKE, "/etc"),
    _linked("a link to ada's own tree in its place, to be removed", _ENV, "conda_env",
            _env(state="absent"), _TREE),
    Trick("a hard link of a system file in the place of the lock",
          f"ln {_VICTIM} {_PLACE}/.env.llmfleet.lock", f"[ {_PLACE}/.env.llmfleet.lock -ef {_VICTIM} ]",
          "conda_env", _MAKE, by="root"),
    Trick("a hard link of a system file in the place of the journal",
          f"ln {_VICTIM} {_PLACE}/.env.llmfleet-journal", f"[ {_PLACE}/.env.llmfleet-journal -ef {_VICTIM} ]",
          "conda_env", _MAKE, by="root"),
    Trick("a journal that ada wrote about another place",
          f"printf '%s' '{_JOURNAL}' > {_PLACE}/.env.llmfleet-journal",
          f"[ -f {_PLACE}/.env.llmfleet-journal ]", "conda_env", _MAKE),
    Trick("a lock that ada holds",
          f"(flock -x 9; sleep 300) 9>{_PLACE}/.env.llmfleet.lock >/dev/null 2>&1 & sleep 0.3",
          f"! flock -n {_PLACE}/.env.llmfleet.lock true", "conda_env", {**_MAKE, "timeout": 2}),
    _fifo("a pipe in the place of the lock", f"{_PLACE}/.env.llmfleet.lock", "conda_env", _MAKE),
    _fifo("a pipe in the place of the journal", f"{_PLACE}/.env.llmfleet-journal", "conda_env", _MAKE),
    # An environment
    _linked("conda-meta is a link", _META, "conda_env", _CHANGE, _TREE),
    _linked("conda-meta is a link, to be removed", _META, "conda_env", _GONE, _TREE),
    _linked("a directory of it is a link, to be removed", f"{_OWN}/share", "conda_env", _GONE, _TREE),
    _linked("a file of a package is a link", f"{_OWN}/share/lab-upgrade.txt", "conda_env", _CHANGE),
    _linked("a file of a package is a link, to be mended", f"{_OWN}/share/lab-upgrade.txt", "conda_env",
            _env(_OWN, packages=["lab-upgrade"])),
    _linked("conda-meta/state is a link", f"{_META}/state", "conda_env",
            _env(_OWN, packages=["lab-upgrade"], variables={"A": "1"})),
    _linked("conda-meta/pinned is a link", f"{_META}/pinned", "conda_env",
            _env(_OWN, packages=["lab-upgrade"], pinned=["lab-upgrade<2"])),
    _linked("the mark of a frozen environment is a link", f"{_META}/frozen", "conda_env",
            _env(_OWN, packages=["lab-upgrade"], frozen=True)),
    _linked("the lock inside is a link", f"{_META}/.llmfleet.lock", "conda_env", _CHANGE),
    _linked("an owner for an environment with links", f"{_OWN}/share/out", "conda_env",
            _env(_OWN, packages=["lab-upgrade"], owner="ada")),
    _linked("an owner for an environment with a link to a directory", f"{_OWN}/share/out", "conda_env",
            _env(_OWN, packages=["lab-upgrade"], owner="ada"), "/etc/ssh"),
    *(
        _fifo(f"a pipe in the place of {path}", f"{_OWN}/{path}", module, options)
        for path, module, options in (
            ("conda-meta/odd-1-0.json", "conda_info", _INFO),
            ("conda-meta/state", "conda_env", _CHANGE),
            ("conda-meta/pinned", "conda_env",
             _env(_OWN, packages=["lab-upgrade"], pinned=["lab-upgrade<2"])),
            ("conda-meta/frozen", "conda_env", _CHANGE),
            ("conda-meta/.llmfleet-journal", "conda_env", _CHANGE),
            ("conda-meta/.llmfleet.lock", "conda_env", _CHANGE),
            ("share/lab-upgrade.txt", "conda_env", _CHANGE),
        )
    ),
    # Lists and settings of users
    _linked("environments.txt of ada is a link", "/home/ada/.conda/environments.txt", "conda_env", _GONE),
    _linked(".conda of ada is a link", "/home/ada/.conda", "conda_env", _GONE, "/etc"),
    _fifo("a pipe in the place of environments.txt", f"{_HOME}/.conda/environments.txt", "conda_info",
          {"installation": PREFIX}),
    _fifo("a pipe in the place of a condarc", f"{_HOME}/.condarc", "conda_info", {"installation": PREFIX}),
    _fifo("a pipe in the place of the condarc that is written", "/srv/own/condarc", "conda_config",
          {**_CONFIG, "path": "/srv/own/condarc"}),
    Trick("a device in the place of the condarc", "ln -s /dev/zero /srv/own/condarc",
          "[ -L /srv/own/condarc ]",
          "conda_config", {**_CONFIG, "path": "/srv/own/condarc"}, by="root"),
    _linked("ada's condarc is a link to a file of root's", "/home/ada/.condarc", "conda_config",
            {**_CONFIG, "path": "/home/ada/.condarc", "owner": "ada", "mode": "0644"}),
    _linked("ada's condarc is a link to a file of root's that is not there", "/home/ada/.condarc",
            "conda_config", {**_CONFIG, "path": "/home/ada/.condarc"}, "/etc/ssh/ada.conf"),
    _fifo("a pipe in the place of environment.yml", "/srv/own/e.yml", "conda_env",
          _env(_OWN, environment_file="/srv/own/e.yml", remote_src=True)),
    Trick("an endless file in the place of environment.yml", "true", "[ -e /dev/zero ]", "conda_env",
          _env(_OWN, environment_file="/dev/zero", remote_src=True), by="root"),
    _fifo("a pipe in the place of a lock file", "/srv/own/l", "conda_env",
          _env(_OWN, lock_file="/srv/own/l", remote_src=True)),
    _fifo("a pipe in the place of an installer", "/srv/own/Site.sh", "conda_installation",
          {"prefix": "/srv/own/base", "installer_path": "/srv/own/Site.sh",
           "checksum": "sha256:" + "0" * 64}),
    # Models
    _fifo("a pipe among the files of a model", "/srv/own/model/config.json", "hub_model",
          {"model": "a/b", "path": "/srv/own/model", "remote_src": True, "cache_dir": "/srv/own/cache"}),
    _linked("a model's directory in the cache is a link", "/srv/own/cache/models--a--b", "hub_model",
            {"model": "a/b", "cache_dir": "/srv/own/cache", "state": "absent"}, _TREE),
)  # fmt: skip


def prepare(host: Host) -> None:
    """Make what the tricks begin with: packages in the cache, an environment, ada's tree, a victim."""
    host.must(
        "conda_env",
        {"installation": PREFIX, "prefix": "/srv/warm", "packages": ["lab-upgrade=2.0"]},
    )
    host.must(
        "conda_env", {"installation": PREFIX, "prefix": _OWN, "packages": ["lab-upgrade=1.0"]}
    )
    host.container.shell(
        f"mkdir -p {_PLACE} && chmod 777 {_PLACE} && printf 'v\\n' > {_VICTIM} && chmod 600 {_VICTIM}"
    )
    host.container.shell(
        f"mkdir -p {_TREE}/conda-meta && : > {_TREE}/conda-meta/history && echo mine > {_TREE}/notes",
        user="ada",
    )


def cases(fresh: Callable[[], Host]) -> list[Case[None]]:
    """A case for each trick; ``fresh`` starts a prepared host."""

    def one(trick: Trick) -> Case[None]:
        def tried(_worker: None) -> str:
            host = fresh()
            try:
                return _tried(host, trick)
            finally:
                host.container.remove()

        return Case(trick.name, tried)

    return [one(trick) for trick in TRICKS]


def _tried(host: Host, trick: Trick) -> str:
    host.container.shell(trick.lay, user=trick.by)
    try:
        host.container.shell(trick.proof, user="root")
    except Exception as error:
        raise NotInjected(f"it does not lie there: {error}") from error
    before = _seen(host)
    try:
        answer = host.module(trick.module, trick.options, env={"HOME": _HOME}, timeout=_LIMIT)
    except subprocess.TimeoutExpired as error:
        raise NotSurvived("it hung") from error
    problem = _problem(answer) or _differences(before, _seen(host))
    if problem:
        raise NotSurvived(problem)
    return f"refused: {answer.message.splitlines()[0][:150]}" if answer.failed else "as asked"


def _problem(answer: Answer) -> str:
    if "Traceback" in answer.said or not answer.result:
        return f"it crashed: {answer.said[-500:]}"
    if answer.failed and (len(answer.message.strip()) < 10 or "took longer" in answer.message):
        return f"it failed and did not say why: {answer.message}"
    return ""


def _seen(host: Host) -> Any:
    return json.loads(
        host.container.python(_SEE, _VICTIM, _TREE, "/etc/ssh", "/etc/passwd", "/etc/shadow")
    )


def _differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    found = sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
    return f"changed outside: {', '.join(found[:4])}" if found else ""
