"""The small world in which hostile values are tried: an installation, an environment, files, tools.

Everything in it is plain text and every program in it is scripted, so that a module gets past its
options into parsers, guards and plans without a conda being started. Runs inside the host, with the
standard library alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TOKEN = "Kanarienvogel7f3ac1d2"
"""Stands for every secret in a value's neighbourhood; it must never be said."""
SECRET_URL = f"https://ada:{TOKEN}@127.0.0.1:9/t/{TOKEN}/conda/lab"
NOWHERE = "http://127.0.0.1:9"
"""An address at which nobody answers, and which says so at once."""
INSTALLER = "Miniconda3-py311_24.7.1-0-Linux-x86_64.sh"
INSTALLER_TEXT = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -p ] && P=$2; shift; done
mkdir -p "$P/conda-meta" "$P/bin" && cp -a {base}/. "$P/"
cat {replies}/installer.out
"""
SITE = "place/env/lib/python3.11/site-packages"
DISTRIBUTIONS = {"t-app": "1.0", "t-lib": "1.0", "six": "1.16.0", "pip": "24.0"}
COMMIT = "1" * 40

_PROGRAM = """#!/bin/sh
n={name}
case " $* " in *" -m conda "*) n=conda ;; *" pip "*) n=pip ;; esac
while [ $# -gt 0 ]; do [ "$1" = --report ] && cat {replies}/report.json > "$2"; shift; done
cat {replies}/$n.out
cat {replies}/$n.err >&2
exit $(cat {replies}/$n.rc)
"""
PROGRAMS = ("conda", "pip", "python", "uv", "nvidia-smi", "rocminfo")


def _record(name: str, version: str, *files: str, depends: tuple[str, ...] = ()) -> dict[str, Any]:
    sums = [
        {"_path": file, "path_type": "hardlink", "size_in_bytes": len(file) + 1,
         "sha256": hashlib.sha256(f"{file}\n".encode()).hexdigest()}
        for file in files
    ]  # fmt: skip
    return {
        "name": name, "version": version, "build": "lab_0", "build_number": 0, "subdir": "noarch",
        "channel": f"{NOWHERE}/conda/lab", "fn": f"{name}-{version}-lab_0.conda",
        "url": f"{NOWHERE}/conda/lab/noarch/{name}-{version}-lab_0.conda",
        "md5": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(name.encode()).hexdigest(), "size": 1000,
        "depends": list(depends), "constrains": [], "files": list(files),
        "paths_data": {"paths_version": 1, "paths": sums}, "requested_spec": name,
    }  # fmt: skip


def _distribution(name: str, version: str) -> dict[str, str]:
    """The files of an installed distribution, by path below the world."""
    module = name.replace("-", "_")
    info = f"{SITE}/{module}-{version}.dist-info"
    needs = "Requires-Dist: t-lib>=1.0\n" if name == "t-app" else ""
    record = f"{module}/__init__.py,,7\n{module}-{version}.dist-info/METADATA,,\n"
    direct = {"url": f"https://ada:{TOKEN}@127.0.0.1:9/{module}.whl", "archive_info": {}}
    return {
        f"{SITE}/{module}/__init__.py": "value=1",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/RECORD": record,
        f"{info}/INSTALLER": "conda\n" if name in ("six", "pip") else "pip\n",
        **({f"{info}/direct_url.json": json.dumps(direct)} if name == "t-lib" else {}),
    }


def texts(root: str) -> dict[str, str]:
    """Every file of the world that lies at ``root``, by its path below it."""
    base, env = "base/conda-meta", "place/env/conda-meta"
    upgrade = _record("lab-upgrade", "1.0", "share/lab-upgrade.txt")
    python = _record("python", "3.11.9", "bin/python3.11")
    tree = {"format_version": 1, "files": {"config.json": {"size": 3, "blob_id": "b" * 40}}}
    model = "place/cache/models--example--ours"
    terms = {
        "base_url": f"{NOWHERE}/pkgs/main",
        "tos_accepted": True,
        "version": "2024-01-01T00:00:00",
    }
    cached = "base/pkgs/lab-upgrade-1.0-lab_0/info"
    found = {
        f"{base}/history": "==> 2024-01-01 00:00:00 <==\n# cmd: installer\n",
        f"{base}/conda-24.7.1-lab_0.json": json.dumps(_record("conda", "24.7.1")),
        f"{base}/python-3.11.9-lab_0.json": json.dumps({**python, "files": [], "paths_data": {}}),
        "base/.condarc": f"channels:\n  - lab\nproxy_servers:\n  http: http://ada:{TOKEN}@127.0.0.1:9\n",
        "base/.installer.info": "Miniconda3 py311_24.7.1-0\n",
        "base/pkgs/urls.txt": upgrade["url"] + "\n",
        "base/pkgs/lab-upgrade-1.0-lab_0.conda": "no archive",
        f"{cached}/repodata_record.json": json.dumps(upgrade),
        f"{cached}/index.json": json.dumps(upgrade),
        f"{cached}/paths.json": json.dumps(upgrade["paths_data"]),
        "base/pkgs/cache/abcdef01.json": json.dumps({"packages.conda": {upgrade["fn"]: upgrade}}),
        f"{env}/history": "==> 2024-01-01 00:00:00 <==\n# cmd: conda create\n"
        "# update specs: ['lab-upgrade']\n",
        f"{env}/lab-upgrade-1.0-lab_0.json": json.dumps(upgrade),
        f"{env}/python-3.11.9-lab_0.json": json.dumps(python),
        f"{env}/six-1.16.0-lab_0.json": json.dumps(_record("six", "1.16.0", depends=("python",))),
        f"{env}/pip-24.0-lab_0.json": json.dumps(_record("pip", "24.0", depends=("python",))),
        f"{env}/state": json.dumps({"env_vars": {"LAB_THREADS": "8"}}),
        f"{env}/pinned": "lab-rebuilt <2\n",
        "place/env/share/lab-upgrade.txt": "share/lab-upgrade.txt\n",
        "place/env/bin/python3.11": "bin/python3.11\n",
        "place/condarc": f"# Ours.\nchannels:\n  - {SECRET_URL}\nssl_verify: false\n",
        "place/environment.yml": "name: x\nchannels: [lab]\ndependencies:\n  - lab-upgrade\n  - pip:\n"
        "      - requests\nvariables:\n  A: '1'\n",
        "place/lock": f"@EXPLICIT\n{upgrade['url']}#{upgrade['md5']}\n",
        "place/requirements.txt": "t-app==1.0\nt-lib>=1 ; python_version > '3'\n",
        "place/constraints.txt": "t-lib<2\n",
        "place/ours/config.json": "{}\n",
        "place/ours/vocab.txt": "a\nb\n",
        f"{model}/refs/main": COMMIT,
        f"{model}/trees/{COMMIT}.json": json.dumps(tree),
        f"{model}/snapshots/{COMMIT}/config.json": "{}\n",
        f"{model}/snapshots/{COMMIT}/model.safetensors.index.json": '{"weight_map": {"a": "b.safetensors"}}',
        "home/.condarc": "solver: classic\n",
        "home/.conda/environments.txt": f"{root}/place/env\n",
        "home/.conda/tos/0123456789abcdef/1704067200.json": json.dumps(terms),
        "home/.config/pip/pip.conf": f"[global]\nextra-index-url = https://ada:{TOKEN}@127.0.0.1:9/simple\n",
        f"wheels/{INSTALLER}": INSTALLER_TEXT.format(base=f"{root}/base", replies=f"{root}/replies"),
        "replies/installer.out": "installation finished.\n",
        "replies/report.json": '{"version": "1", "install": []}',
    }  # fmt: skip
    for name, version in DISTRIBUTIONS.items():
        found.update(_distribution(name, version))
    for name in PROGRAMS:
        found.update({f"replies/{name}.{part}": "" for part in ("out", "err")})
        found[f"replies/{name}.rc"] = "0"
    found["replies/conda.out"] = '{"success": true}'
    return found


def programs() -> dict[str, str]:
    """Which scripted program lies where, below the world."""
    found = {f"bin/{name}": name for name in PROGRAMS if name != "python"}
    for place in ("base", "place/env"):
        found.update({f"{place}/bin/python": "python", f"{place}/bin/conda": "conda"})
    return found


def make(root: Path) -> None:
    """Make the world at ``root``, and beside it the copy from which it is mended."""
    for directory in (root, _copy_of(root)):
        shutil.rmtree(directory, ignore_errors=True)
    for name, text in texts(str(root)).items():
        _put(root / name, text.encode())
    for name, program in programs().items():
        _put(root / name, _PROGRAM.format(name=program, replies=root / "replies").encode())
        (root / name).chmod(0o755)
    (root / "tmp").mkdir()
    shutil.copytree(root, _copy_of(root), symlinks=True)


def keep(root: Path) -> None:
    """Take what is at ``root`` now for the state to which it is mended."""
    shutil.rmtree(_copy_of(root), ignore_errors=True)
    shutil.copytree(root, _copy_of(root), symlinks=True)


def mend(root: Path, changed: Iterable[str]) -> None:
    """Bring these paths back to what they were when the world was made."""
    whole = _copy_of(root)
    for path in sorted(changed):
        good = whole / os.path.relpath(path, root)
        keeps = good.is_dir() and os.path.isdir(path) and not os.path.islink(path)
        if os.path.lexists(path) and not keeps:
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(
                path
            )
        if good.is_dir() and not good.is_symlink():
            os.makedirs(path, exist_ok=True)
            os.chmod(path, good.stat().st_mode & 0o7777)
        elif os.path.lexists(good):
            shutil.copy2(good, path, follow_symlinks=False)
        if os.path.lexists(path):
            os.chown(path, good.lstat().st_uid, good.lstat().st_gid, follow_symlinks=False)


def lay(root: Path, name: str, content: str) -> None:
    """Put something at a path: ``data:BASE64``, ``fifo:``, ``socket:``, ``directory:`` or ``link:TARGET``."""
    kind, _, text = content.partition(":")
    path = root / name
    if os.path.lexists(path):
        path.unlink() if not path.is_dir() or path.is_symlink() else shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "data":
        path.write_bytes(base64.b64decode(text))
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o140644)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(text)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _copy_of(root: Path) -> Path:
    return root.with_name(root.name + ".whole")
