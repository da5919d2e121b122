"""What every run of ansible-test needs: a copy of the collection, and a home directory of its own.

ansible-test wants a git tree at ansible_collections/llmfleet/conda, keeps its environments in the home
directory, and hides pip's configuration, so the copy and the home lie below build/.

ansible-test pins everything that it installs for the sanity tests, and nothing that it installs for the
unit tests (pytest, mock, ...). The unit tests' home therefore has a pip.conf with a constraints file.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab import cache, interpreters, paths
from lab.errors import LabError
from scripts.layout import BUILD, PYTHON, ROOT, VENV_BIN, tool_environment

# The unit tests have a home of their own, because ansible-test pins other versions for the sanity tests than
# the unit tests' constraints do.
UNITS_HOME = BUILD / "units" / "home"
UNITS_CONSTRAINTS = ROOT / "requirements" / "constraints" / "units.txt"

# ansible-test would download a get-pip from a host of its own; this stands in for it, under the name
# that it looks for, and is run by the Python of an environment that has no pip yet.
GET_PIP = f"""\
import subprocess
import sys

words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
pip = [{str(PYTHON)!r}, "-m", "pip", "--python", sys.executable]
sys.exit(subprocess.call([*pip, "install", *words]))
"""


def _git(*words: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *words], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


def copy_collection(root: Path, target: Path, also: Sequence[str] = ()) -> list[str]:
    """Copies what galaxy.yml does not leave out, ansible-test's own configuration, and the folders ``also``.

    Files that git does not know and does not ignore come along: they may be about to be committed.
    Returns their names. Raises subprocess.CalledProcessError when git fails.
    """
    left_out = yaml.safe_load((root / "galaxy.yml").read_text())["build_ignore"]
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root)
    names = []
    for name in filter(None, listed.split("\0")):
        own = name.startswith(("tests/config.yml", "tests/sanity/", *also))
        if (own or name.split("/")[0] not in left_out) and (root / name).is_file():
            names.append(name)
    shutil.rmtree(target, ignore_errors=True)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    _git("init", "--quiet", cwd=target)
    _git("add", "--all", cwd=target)
    return names


def pip_configuration(listed: str, constraints: Path | None = None) -> str:
    """A pip.conf with the settings of `pip config list`, and `constraints` beside the user's own.

    ansible-test hides PIP_* variables from pip, and another home has no configuration of pip.
    """
    sections: dict[str, dict[str, str]] = defaultdict(dict)
    # What the environment says comes first in the list, and has the last word.
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _equals, value = line.partition("=")
        section, _dot, key = name.rpartition(".")
        section = "global" if section == ":env:" else section
        if section and key != "config-file":
            sections[section][key] = str(ast.literal_eval(value)).replace("\n", "\n  ")
    if constraints:
        # A URL, because pip splits the value at blanks and a path may contain some. It goes into each
        # section that names constraints: for pip, [install] overrides [global].
        address = constraints.resolve().as_uri()
        own = [values for values in sections.values() if "constraint" in values]
        for values in [*own, sections["global"]]:
            listed_files = values.get("constraint", "").split()
            if address not in listed_files:
                values["constraint"] = "\n  ".join([*listed_files, address])
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()
    )


@contextmanager
def sanity_home() -> Iterator[Path]:
    """The home directory of the sanity tests, in the lab's cache: ansible-test keeps its environments there.

    It names them after what is in them, so checkouts can share them, one at a time. A run that is killed
    may leave half an environment, so the next run begins with an empty home.
    """
    home = paths.cache_dir() / "ansible-test"
    in_use = home / "in-use"
    with cache.lock("ansible-test"):
        if in_use.exists():
            shutil.rmtree(home)
        home.mkdir(parents=True, exist_ok=True)
        in_use.touch()
        prepare_home(home)
        yield home
        in_use.unlink()


def prepare_home(home: Path, constraints: Path | None = None) -> None:
    """Create a home directory with the user's pip configuration and cache, and with `constraints`."""
    asked: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]

    def pip(*words: str) -> str:
        return subprocess.run(
            [*asked, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    text = pip_configuration(pip("config", "list"), constraints)
    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch(mode=0o600)
    config.write_text(text)
    pip_cache = home / ".cache" / "pip"
    pip_cache.parent.mkdir(exist_ok=True)
    if not pip_cache.is_symlink():
        pip_cache.symlink_to(pip("cache", "dir"))
    scripts = home / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in _pip_versions():
        (scripts / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)


def data(name: str) -> Path:
    """A requirements or constraints file of ansible-test's own.

    Raises FileNotFoundError when this release of ansible-test has no such file.
    """
    path = _package() / "_data" / "requirements" / name
    if not path.is_file():
        raise FileNotFoundError(f"ansible-test has no {path}")
    return path


def _package() -> Path:
    (folder,) = importlib.import_module("ansible_test").__path__
    return Path(folder)


def _pip_versions() -> set[str]:
    """The versions of pip that this ansible-test bootstraps.

    Raises LookupError when its source no longer says so where it did in ansible-core 2.19.
    """
    source = _package() / "_internal" / "python_requirements.py"
    found = set(re.findall(r"pip='([\d.]+)'", source.read_text(encoding="utf-8")))
    if not found:
        raise LookupError(f"{source} names no version of pip")
    return found


def environment(home: Path) -> dict[str, str]:
    """The tools' environment with the other home, and this machine's interpreters on the path."""
    env = tool_environment({"HOME": str(home)})
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME"):
        del env[name]
    try:
        folders = [str(one.executable.parent) for one in interpreters.discover()]
    except LabError:
        folders = []
    # Before pyenv's shims, which are called python3.9 also where no 3.9 is chosen.
    folders = [str(VENV_BIN), *folders, env["PATH"]]
    env["PATH"] = os.pathsep.join(dict.fromkeys(folders))
    return env
