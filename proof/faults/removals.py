"""Removals that must not happen: what is on the host, what it is asked, what has to be there afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proof.prepared import PREFIX

PLACE = "/srv/place"
"""A prefix of its own for a case, empty on the image."""

ENVIRONMENT = f"{PREFIX}/envs/llm"


@dataclass(frozen=True)
class Removal:
    """One thing that people have on a host, and a task that is not to cost them that.

    kind: of the figure that counts it.
    script: puts it there, with ``sh -eu`` as root.
    kept: files and directories whose content must be the same afterwards.
    module, options: the task.
    refused: what the error says, as a regular expression; empty where the task is to succeed.
    warned: what a warning says, as a regular expression.
    after: a command that must succeed afterwards.
    again: the task is run once more and must change nothing.
    user: who runs it.
    python: the interpreter that runs the module.
    """

    kind: str
    name: str
    script: str
    kept: tuple[str, ...]
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    warned: str = ""
    after: str = ""
    again: bool = False
    user: str = "root"
    python: str = "python3"


def _work(*paths: str) -> str:
    lines = [f"mkdir -p \"$(dirname '{path}')\"; echo work > '{path}'" for path in paths]
    return "; ".join(lines)


def _env(prefix: str, state: str, *packages: str, **more: Any) -> dict[str, Any]:
    options = {"installation": PREFIX, "prefix": prefix, "state": state, "packages": list(packages)}
    return {**options, **more}


def _nobodys() -> list[Removal]:
    """Directories that are nobody's: whatever is in them, neither state touches them."""
    layouts = {
        "pkgs and models": ("pkgs/weights.bin", "models/a.bin"),
        "envs and notebooks": ("envs/mine/x.txt", "work.ipynb"),
        "an archive of packages": ("pkgs/numpy-1.0-0.conda", "pkgs/urls.txt"),
        "hidden files only": (".notes",),
        "a conda-meta without a history": ("conda-meta/notes.json.bak", "work.ipynb"),
        "conda's words in other places": ("_conda/x", "condabin/conda", ".installer.info"),
    }
    found = []
    for what, names in layouts.items():
        script = _work(*(f"{PLACE}/{name}" for name in names))
        for state in ("present", "absent"):
            for module in ("conda_installation", "conda_env"):
                options = _env(PLACE, state)
                if module == "conda_installation":
                    options = {"prefix": PLACE, "state": state}
                found.append(
                    Removal(
                        "nobody", f"{module} {state} where {what} are", script, (PLACE,), module,
                        options, refused=r"Nothing was changed",
                    )
                )  # fmt: skip
    linked = f"{_work('/srv/data/set.bin')}; ln -s /srv/data {PLACE}"
    found.append(
        Removal("nobody", "a link to people's directory", linked, ("/srv/data",), "conda_env",
                _env(PLACE, "absent"), refused=r"Nothing was changed")
    )  # fmt: skip
    return found


def _journal(operation: str, said: str = "") -> str:
    more = f', "directory": {said}' if said else ""
    text = f'{{"operation": "{operation}", "prefix": "{PLACE}", "installer": "begun"{more}}}'
    return f"cat > /srv/.place.llmfleet-journal <<EOF\n{text}\nEOF"


def _journals() -> list[Removal]:
    """Journals that are not about the directory that is there."""
    work = _work(f"{PLACE}/thesis.tex", f"{PLACE}/lib/a.txt")
    device_and_inode = f'"device": $(stat -c %d {PLACE}), "inode": $(stat -c %i {PLACE})'
    token = f"echo -n 0123 > {PLACE}/.llmfleet-made"
    forms = {
        "of an earlier release": (work, ""),
        "with device and inode alone": (work, f"{{{device_and_inode}}}"),
        "with an empty token": (work, f'{{{device_and_inode}, "token": ""}}'),
        "with another token": (f"{work}; {token}", f'{{{device_and_inode}, "token": "9999"}}'),
        "of a directory that was copied": (
            f"{work}; {token}; cp -a {PLACE} /srv/old",
            '{"device": $(stat -c %d /srv/old), "inode": $(stat -c %i /srv/old), "token": "0123"}',
        ),
        "that is no JSON object for it": (work, '"everything"'),
    }
    found = []
    for form, (script, said) in forms.items():
        for operation, state in (("create", "present"), ("remove", "absent")):
            found.append(
                Removal(
                    "journal", f"a journal {form}, conda_env {state}",
                    f"{script}\n{_journal(operation, said)}", (PLACE,), "conda_env",
                    _env(PLACE, state), refused=r"thesis\.tex.*Nothing was changed",
                )
            )  # fmt: skip
        found.append(
            Removal(
                "journal", f"a journal {form}, conda_installation",
                f"{script}\n{_journal('install', said)}", (PLACE,), "conda_installation",
                {"prefix": PLACE, "state": "absent"}, refused=r"thesis\.tex.*Nothing was changed",
            )
        )  # fmt: skip
    return found


_BASE_WORK = (
    f"{PREFIX}/notebooks/model.ipynb",
    f"{PREFIX}/lib/python3.11/site-packages/mine.py",
    f"{PREFIX}/.condarc.mine",
    f"{ENVIRONMENT}/work.txt",
)
_KEPT_IN_BASE = (*_BASE_WORK, f"{PREFIX}/.condarc", f"{ENVIRONMENT}/share")
_META = f"{PREFIX}/conda-meta"
_CONDA_STARTS = f"{PREFIX}/bin/python -I -m conda list --json --prefix {PREFIX} > /dev/null"


def _bases() -> list[Removal]:
    """A base that people work with, and that is damaged or cannot be read."""
    damages = {
        "conda's record is empty": f": > {_META}/conda-2*.json",
        "conda's record is lost": f"rm {_META}/conda-2*.json",
        "Python's record is lost": f"rm {_META}/python-3*.json",
        "a record is cut short": f"truncate -s 100 {_META}/requests-2*.json",
        "the history is lost": f"rm {_META}/history",
        "history and conda's record are lost": f"rm {_META}/history {_META}/conda-2*.json",
        "the history is a directory": f"rm {_META}/history; mkdir {_META}/history",
    }
    found = []
    for what, script in damages.items():
        for alone in (False, True):
            # Environments in it once were all that kept a damaged base from being made anew.
            moved = f"; rm -rf {PREFIX}/envs" if alone else ""
            broken = "directory" in what
            found.append(
                Removal(
                    "base",
                    f"{what}, without environments" if alone else what,
                    f"{_work(*_BASE_WORK)}{moved}; {script}",
                    _KEPT_IN_BASE[:3] if alone else _KEPT_IN_BASE,
                    "conda_installation",
                    after="true" if broken else _CONDA_STARTS,
                    refused=r"What to do" if broken else "",
                    again=not broken,
                )
            )
    unreadable = f"chmod 600 {_META}/conda-2*.json"
    found.append(
        Removal(
            "base", "a record may not be read by who runs the task",
            f"{_work(*_BASE_WORK)}; {unreadable}", (*_KEPT_IN_BASE, _META), "conda_installation",
            refused=r"cannot be read: Permission denied", user="nobody",
        )
    )  # fmt: skip
    return found


def _nested() -> list[Removal]:
    """Environments where nobody looks for them."""
    places = ("llm", "envs/team/proj", ".hidden/env", "share/deep/er/env")
    found = []
    for place in places:
        path = f"{PREFIX}/{place}"
        script = (
            f"{_work(f'{path}/conda-meta/history', f'{path}/work.txt')}; mv {ENVIRONMENT} /srv/llm"
        )
        found.append(
            Removal(
                "nested", f"an environment at PREFIX/{place}, absent", script, (path,),
                "conda_installation", {"state": "absent"}, refused=place.removeprefix("envs/"),
            )
        )  # fmt: skip
    inner = f"{ENVIRONMENT}/envs/inner"
    script = _work(f"{inner}/conda-meta/history", f"{inner}/work.txt")
    for what, options in (
        ("absent", _env(ENVIRONMENT, "absent")),
        ("absent with remove_foreign", _env(ENVIRONMENT, "absent", remove_foreign=True)),
        ("recreate", _env(ENVIRONMENT, "present", "lab-upgrade=2.0", recreate=True)),
    ):
        found.append(
            Removal("nested", f"an environment in an environment, {what}", script, (ENVIRONMENT,),
                    "conda_env", options, refused=r"Nothing was changed")
        )  # fmt: skip
    return found


def _volumes() -> list[Removal]:
    """Other volumes below a prefix."""
    found = []
    for name, prefix in (("base", PREFIX), ("environment", ENVIRONMENT)):
        point = f"{prefix}/share/data set"
        mounts = {
            "a bind mount": f"mount --bind /srv/data '{point}'",
            "a volume of its own": f"mount -t tmpfs none '{point}'; echo work > '{point}/set.bin'",
        }
        for what, mount in mounts.items():
            script = f"{_work('/srv/data/set.bin')}; mkdir -p '{point}'; {mount}"
            options = (
                {"state": "absent", "remove_environments": True, "remove_foreign": True}
                if prefix == PREFIX
                else _env(ENVIRONMENT, "absent", remove_foreign=True)
            )
            module = "conda_installation" if prefix == PREFIX else "conda_env"
            found.append(
                Removal("volume", f"{what} in the {name}, absent", script, ("/srv/data", point),
                        module, options, refused=r"another volume is mounted at .*data set")
            )  # fmt: skip
    point = f"{ENVIRONMENT}/share/data"
    found.append(
        Removal(
            "volume", "a bind mount in an environment, recreate",
            f"{_work('/srv/data/set.bin')}; mkdir -p {point}; mount --bind /srv/data {point}",
            ("/srv/data", point, f"{ENVIRONMENT}/conda-meta"), "conda_env",
            _env(ENVIRONMENT, "present", "lab-upgrade=2.0", recreate=True),
            refused=r"another volume is mounted",
        )
    )  # fmt: skip
    return found


def _people() -> list[Removal]:
    """People's files in an environment that goes or is made anew."""
    mine = {
        "a notebook": "work/a.ipynb",
        "a module beside the packages": "lib/python3.11/site-packages/mine.py",
        "a hook for activation": "etc/conda/activate.d/mine.sh",
        "a script": "bin/deploy",
        "a name with a line break": "work/a\nb",
    }
    found = []
    for what, name in mine.items():
        path = f"{ENVIRONMENT}/{name}"
        found.append(
            Removal("people", f"{what}, absent", _work(path), (path,), "conda_env",
                    _env(ENVIRONMENT, "absent"), warned=r"neither conda nor pip put there",
                    after=f"! test -e {ENVIRONMENT}/conda-meta", again=True)
        )  # fmt: skip
        found.append(
            Removal("people", f"{what}, recreate", _work(path), (path,), "conda_env",
                    _env(ENVIRONMENT, "present", "lab-upgrade=2.0", recreate=True),
                    after=f"grep -q 2.0 {ENVIRONMENT}/share/lab-upgrade.txt", again=True)
        )  # fmt: skip
    path = f"{ENVIRONMENT}/work/a.ipynb"
    found.append(
        Removal("people", "a new environment that cannot be made", _work(path),
                (ENVIRONMENT,), "conda_env",
                _env(ENVIRONMENT, "present", "no-such-package", recreate=True), refused="What to do")
    )  # fmt: skip
    outside = f"{_work('/srv/data/set.bin')}; ln -s /srv/data {ENVIRONMENT}/data"
    hard = f"{_work('/srv/data/set.bin')}; ln /srv/data/set.bin {ENVIRONMENT}/set.bin"
    for what, script in (("a link", outside), ("a hard link", hard)):
        found.append(
            Removal("people", f"{what} to data elsewhere, remove_foreign", script, ("/srv/data",),
                    "conda_env", _env(ENVIRONMENT, "absent", remove_foreign=True),
                    after=f"! test -e {ENVIRONMENT}", again=True)
        )  # fmt: skip
    return found


def _used() -> list[Removal]:
    """Programs that run from what is to be changed or removed."""
    program = f"{PREFIX}/bin/python -c 'import time; time.sleep(300)'"
    begun = f"(setsid {program} > /dev/null 2>&1 &); sleep 0.5"
    absent = {"state": "absent", "remove_environments": True, "remove_foreign": True}
    whole = (f"{PREFIX}/conda-meta", f"{PREFIX}/lib/python3.11/os.py")
    return [
        Removal("used", "a program runs from the base, absent", begun, whole, "conda_installation",
                absent, refused=r"is in use: process \d+ of root .*time\.sleep.*Nothing was changed"),
        Removal("used", "a program runs from the base, whose Python is to be linked anew",
                f"rm {_META}/python-3*.json; {begun}", whole, "conda_installation",
                refused=r"is in use: process \d+ of root"),
        Removal("used", "the Python of the base runs the module, absent", "true", whole,
                "conda_installation", absent, refused=r"Ansible runs this module with .*, a Python in",
                python=f"{PREFIX}/bin/python"),
        Removal("used", "a shell stands in an environment, absent",
                f"(cd {ENVIRONMENT} && setsid sleep 300 > /dev/null 2>&1 &); sleep 0.5",
                (ENVIRONMENT,), "conda_env", _env(ENVIRONMENT, "absent"),
                refused=r"is in use: process \d+ of root .*working directory"),
    ]  # fmt: skip


REMOVALS = (*_nobodys(), *_journals(), *_bases(), *_nested(), *_volumes(), *_people(), *_used())

QUICK = (
    "conda_installation absent where pkgs and models are",
    "a journal of a directory that was copied, conda_env present",
    "conda's record is empty, without environments",
    "an environment at PREFIX/envs/team/proj, absent",
    "a bind mount in the base, absent",
    "a notebook, recreate",
)
"""The cases of the quick run."""
