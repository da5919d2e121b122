"""The kinds of damage: how each is done to a host, and by what one sees that it is there."""

from __future__ import annotations

from dataclasses import dataclass

from proof.prepared import PREFIX

BASE = PREFIX
ENVIRONMENT = f"{BASE}/envs/llm"

_PACKAGES = f"{ENVIRONMENT}/lib/python3.11/site-packages"
_OWN = f"{BASE}/lib/python3.11/site-packages"
_CACHE = f"{BASE}/pkgs"
_DEAD = 4194303
"""A process number that no host of the lab comes near; each case looks that nobody has it."""


@dataclass(frozen=True)
class Damage:
    """One thing that is broken.

    kind: of the figure that counts it.
    script: breaks it, with ``sh -eu`` as root.
    whole: a command that succeeds on a whole host and fails on the broken one.
    seen: the tasks must report a change, since they mend something.
    refused: what an error that is due says, as a regular expression; empty where no task may fail.
    remedy: what that error tells a person to do, as a script.
    stays: takes away, at the end, what the tasks rightly leave alone.
    """

    kind: str
    name: str
    script: str
    whole: str
    seen: bool = True
    refused: str = ""
    remedy: str = ""
    stays: str = ""


def _import(module: str) -> str:
    return f"{ENVIRONMENT}/bin/python -I -B -c 'import {module}'"


_CONDA = f"{BASE}/bin/python -I -B -m conda"
_LISTED = f"{_CONDA} list --json --prefix {ENVIRONMENT}"
# conda lists what has no record of its own, but metadata of Python's, as if it came from pip.
_IS_LISTED = (
    "import json, sys; all = json.load(sys.stdin);"
    ' sys.exit(not any(one["name"] == sys.argv[1] and one["channel"] != "pypi" for one in all))'
)


def _has(name: str, prefix: str = ENVIRONMENT) -> str:
    listed = f"{_CONDA} list --json --prefix {prefix} 2>/dev/null"
    return f"{listed} | python3 -c '{_IS_LISTED}' {name}"


def _alone(path: str) -> str:
    """Break the hard link first: only this file is meant, not the package cache's."""
    return f"for file in {path}; do cp -p $file $file.own; mv $file.own $file; done"


def _half(path: str) -> str:
    """Cut a file in half, or each of several."""
    return f"for file in {path}; do truncate -s $(($(stat -c %s $file) / 2)) $file; done"


# The environment goes too: only then does conda take anything from the cache.
_GONE = f"rm -r {ENVIRONMENT}"
_EXTRACTED = f"$(ls -d {_CACHE}/pillow-*lab_0)"
_ARCHIVE = f"$(ls {_CACHE}/pillow-*.conda)"
_RECORD = f"{ENVIRONMENT}/conda-meta/pillow-*.json"

_FILES = [
    Damage(
        "files",
        "the interpreter of an environment is gone",
        f"rm {ENVIRONMENT}/bin/python3.11",
        _import("PIL._imaging"),
    ),
    Damage(
        "files",
        "a library of a package is cut in half",
        f"{_alone(f'{_PACKAGES}/PIL/_imaging.*.so')}; {_half(f'{_PACKAGES}/PIL/_imaging.*.so')}",
        _import("PIL._imaging"),
    ),
    Damage(
        "files",
        "a library is cut in half in the environment and in the package cache",
        _half(f"$(find {BASE} -path '*/PIL/_imaging.*.so')"),
        _import("PIL._imaging"),
    ),
    Damage("files", "a folder of a package is gone", f"rm -r {_PACKAGES}/PIL", _import("PIL")),
    Damage(
        "files",
        "Python's library is empty in base, cache and environment at once",
        f"find {BASE} -name 'libpython3.11.so*' -type f -exec truncate -s 0 {{}} +",
        f"{_import('sys')} || {_CONDA} --version",
    ),
    Damage(
        "files",
        "a module of conda is gone",
        f"rm {_OWN}/conda/core/link.py; rm -f {_OWN}/conda/core/__pycache__/link.*",
        f"{_CONDA} create -n none --dry-run -q",
    ),
    Damage(
        "files",
        "a module of the base's Python is cut in half",
        f"{_alone(f'{BASE}/lib/python3.11/argparse.py')}; {_half(f'{BASE}/lib/python3.11/argparse.py')};"
        f" rm -f {BASE}/lib/python3.11/__pycache__/argparse.*",
        f"{_CONDA} --version",
    ),
    Damage(
        "files",
        "the base's interpreter is gone",
        f"rm {BASE}/bin/python3.11",
        f"{_CONDA} --version",
    ),
    Damage(
        "files",
        "a library that pip installed is gone",
        f"rm {_PACKAGES}/regex/_regex*.so",
        _import("regex"),
    ),
    Damage(
        "files",
        "what pip installed has no metadata any more",
        f"rm {_PACKAGES}/regex-*.dist-info/METADATA {_PACKAGES}/regex-*.dist-info/RECORD",
        f"{ENVIRONMENT}/bin/python -I -c 'from importlib.metadata import requires, version;"
        ' assert version("regex")\'',
    ),
    Damage(
        "files",
        "a compiled file of conda is cut short, as a full disk leaves it",
        f"find {_OWN}/conda/core/__pycache__ -name 'link.*' -delete;"
        f" {BASE}/bin/python -I -c 'import conda.core.link';"
        f" truncate -s 4096 {_OWN}/conda/core/__pycache__/link.*.pyc;"
        f" rm -r {_PACKAGES}/PIL",
        f"{_CONDA} create -n none --dry-run -q",
    ),
]

_RECORDS = [
    Damage("records", "a record is cut in half", _half(_RECORD), _LISTED),
    Damage("records", "a record is empty", f"truncate -s 0 {_RECORD}", _LISTED),
    Damage(
        "records",
        "a record has wrong types",
        f"for file in {_RECORD}; do"
        ' echo \'{"name": 7, "version": [], "build": null, "files": 3}\' >$file; done',
        _has("pillow"),
    ),
    Damage("records", "a record is a list", f"for file in {_RECORD}; do echo '[]' >$file; done",
           _has("pillow")),
    Damage("records", "a record is gone", f"rm {_RECORD}", _has("pillow")),
    Damage("records", "Python's record is gone", f"rm {ENVIRONMENT}/conda-meta/python-3*.json",
           _has("python")),
    Damage("records", "conda's own record is cut in half",
           _half(f"{BASE}/conda-meta/conda-24*.json"), f"{_CONDA} list --json"),
    Damage("records", "conda's own record is gone", f"rm {BASE}/conda-meta/conda-24*.json",
           _has("conda", BASE)),
    Damage("records", "the base's history is gone", f"rm {BASE}/conda-meta/history",
           f"test -e {BASE}/conda-meta/history"),
    Damage(
        "records",
        "an environment's history is gone",
        f"rm {ENVIRONMENT}/conda-meta/history",
        f"test -e {ENVIRONMENT}/conda-meta/history",
        refused=f"{ENVIRONMENT} .*no conda-meta/history.*(?s:.*)move those files away",
        remedy=f"mv {ENVIRONMENT} /var/tmp/moved-away",
    ),
]  # fmt: skip

_SOUND_ARCHIVE = (
    f"{BASE}/bin/python -I -c 'import sys, zipfile; sys.exit(bool(zipfile.ZipFile(sys.argv[1]).testzip()))'"
    f" {_ARCHIVE}"
)
_SOUND_EXTRACTED = (
    f"test -s {_EXTRACTED}/info/index.json && python3 -m json.tool {_EXTRACTED}/info/index.json"
    f" && test -s {_EXTRACTED}/lib/python3.11/site-packages/PIL/Image.py"
)
_INDEX = f"{_CACHE}/cache/*.json"

_CACHES = [
    Damage("caches", "an archive is cut in half", f"{_GONE}; rm -r {_EXTRACTED}; {_half(_ARCHIVE)}",
           _SOUND_ARCHIVE),
    Damage(
        "caches",
        "an archive has other bytes in its middle",
        f"{_GONE}; rm -r {_EXTRACTED}; dd if=/dev/urandom of={_ARCHIVE} bs=1 seek=400000 count=64"
        " conv=notrunc status=none",
        _SOUND_ARCHIVE,
    ),
    Damage(
        "caches",
        "an archive has its size, and nothing but zeros",
        f"{_GONE}; rm -r {_EXTRACTED}; file={_ARCHIVE}; size=$(stat -c %s $file);"
        " truncate -s 0 $file; truncate -s $size $file",
        _SOUND_ARCHIVE,
    ),
    Damage("caches", "an unpacked package lost its metadata",
           f"{_GONE}; rm {_EXTRACTED}/info/index.json", _SOUND_EXTRACTED),
    Damage("caches", "the metadata of an unpacked package is no JSON",
           f"{_GONE}; echo '{{' >{_EXTRACTED}/info/index.json", _SOUND_EXTRACTED),
    Damage("caches", "an unpacked package lost files",
           f"{_GONE}; rm -r {_EXTRACTED}/lib/python3.11/site-packages/PIL", _SOUND_EXTRACTED),
    Damage("caches", "an unpacked package has an empty file",
           f"{_GONE}; truncate -s 0 {_EXTRACTED}/lib/python3.11/site-packages/PIL/Image.py",
           _SOUND_EXTRACTED),
    Damage(
        "caches",
        "the index is no JSON",
        f"{_GONE}; for file in {_INDEX}; do echo '<html>busy</html>' >$file; done",
        f"for file in {_INDEX}; do python3 -m json.tool $file || exit 1; done",
    ),
    Damage(
        "caches",
        "the index is cut in half",
        f"{_GONE}; {_half(_INDEX)}",
        f"for file in {_INDEX}; do python3 -m json.tool $file || exit 1; done",
    ),
]  # fmt: skip

_NOTE = f'{{"pid": {_DEAD}, "operation": "change", "since": "2026-01-01T00:00:00+0000"}}'
_NO_DEAD = f"! kill -0 {_DEAD} 2>/dev/null"

_LEFT = [
    Damage(
        "left_behind",
        "locks of a dead process beside a package that is gone",
        f"{_NO_DEAD}; rm -r {_PACKAGES}/PIL; for lock in {_CACHE}/.llmfleet.lock"
        f" {ENVIRONMENT}/conda-meta/.llmfleet.lock {BASE}/envs/.llm.llmfleet.lock"
        f" {_CACHE}/.conda_lock-{_DEAD} {BASE}/.conda_lock-{_DEAD} {_CACHE}/cache/.lock; do"
        f" echo '{_NOTE}' >$lock; done",
        f"test ! -e {_CACHE}/.llmfleet.lock",
        stays=f"rm -f {_CACHE}/.conda_lock-* {BASE}/.conda_lock-* {_CACHE}/cache/.lock",
    ),
    Damage(
        "left_behind",
        "a journal of a dead process",
        f"{_NO_DEAD}; echo '{_NOTE}' >{ENVIRONMENT}/conda-meta/.llmfleet-journal",
        f"test ! -e {ENVIRONMENT}/conda-meta/.llmfleet-journal",
        seen=False,
    ),
    Damage(
        "left_behind",
        "a journal that was cut off itself, and half an installation of pip's",
        f"{_NO_DEAD}; printf '{{\"pid\": ' >{ENVIRONMENT}/conda-meta/.llmfleet-journal;"
        f" rm {_PACKAGES}/regex/_regex*.so",
        f"test ! -e {ENVIRONMENT}/conda-meta/.llmfleet-journal && {_import('regex')}",
    ),
    Damage(
        "left_behind",
        "a journal of a dead installation, beside the prefix",
        f"{_NO_DEAD}; echo '{_NOTE}' >/opt/.miniconda3.llmfleet-journal; rm {BASE}/bin/conda",
        f"test ! -e /opt/.miniconda3.llmfleet-journal && test -e {BASE}/bin/conda",
    ),
]

_TIME = f"{ENVIRONMENT}/bin/python -I -c 'import time; print(time.gmtime().tm_year)'"

_SETTINGS = [
    Damage(
        "clock_and_settings",
        "the clock stands 400 days back",
        f"rm -r {_PACKAGES}/PIL {_PACKAGES}/regex;"
        " echo /usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 >/etc/ld.so.preload;"
        f' echo -400d >/etc/faketimerc; test "$({_TIME})" -lt 2026; test "$(date +%Y)" -lt 2026',
        f"{_import('PIL, regex')} && test $(date +%Y) -ge 2026",
        stays="rm /etc/ld.so.preload /etc/faketimerc",
    ),
    Damage(
        "clock_and_settings",
        "the list of environments is garbage",
        f"printf '{{{{ no path\\n\\007\\n/ / /\\n' >$HOME/.conda/environments.txt; rm -r {_PACKAGES}/PIL",
        f"{_import('PIL')} && ! grep -q 'no path' $HOME/.conda/environments.txt",
        stays="echo >$HOME/.conda/environments.txt",
    ),
    Damage(
        "clock_and_settings",
        "the condarc is no YAML",
        f"printf 'channels: [lab\\n\\t- : }}{{\\n' >{BASE}/.condarc",
        f"{_CONDA} config --show channels",
        refused=f"{BASE}/.condarc",
        remedy=f"rm {BASE}/.condarc",
    ),
    Damage(
        "clock_and_settings",
        "the condarc has wrong types",
        "sed -i -e 's/^solver: .*/solver: [classic]/' -e '/^  - lab$/d' -e 's/^channels:$/channels: 7/'"
        f" {BASE}/.condarc",
        f"{_CONDA} config --show channels",
    ),
]

DAMAGES = [*_FILES, *_RECORDS, *_CACHES, *_LEFT, *_SETTINGS]

QUICK = (
    "a folder of a package is gone",
    "a record is cut in half",
    "a journal of a dead process",
)
"""The cases of `make test`."""
