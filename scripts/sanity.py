"""`ansible-test sanity` on a copy of what Galaxy would get: `python -m scripts.sanity [ARGUMENTS]`.

ansible-test wants a git tree at ansible_collections/llmfleet/conda, so the files go to build/sanity.
Its environments go there too: it keeps them in the home directory, and gets one of its own.
The import and compile tests run on every Python from 3.9 to 3.13 that this machine has.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import yaml

from lab import interpreters
from lab.errors import LabError
from scripts.console import Ticker, heading, say
from scripts.layout import BUILD, LOGS, PYTHON, ROOT, VENV_BIN, shown, tool_environment
from scripts.processes import run
from scripts.results import Tally

WORK = BUILD / "sanity"
COPY = WORK / "ansible_collections" / "llmfleet" / "conda"
HOME = WORK / "home"
LOG = LOGS / "sanity.log"
SECONDS = 1200

# ansible-test would download a get-pip from a host of its own; this stands in for it, under the name
# that it looks for, and is run by the Python of an environment that has no pip yet.
GET_PIP = f"""\
import subprocess
import sys

words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
pip = [{str(PYTHON)!r}, "-m", "pip", "--python", sys.executable]
sys.exit(subprocess.call([*pip, "install", *words]))
"""

_RUNNING = re.compile(r'Running sanity test "([^"]+)"(?: on Python ([\d.]+))?')
_FOUND = re.compile(r"ERROR: Found \d+ \S+ issue\(s\)")
_SKIPPED = re.compile(r'WARNING: (Skipping sanity test "([^"]+)"(?: on Python ([\d.]+))?.*)')
_NOTHING = "No tests applicable."


def _git(*words: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *words], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


def copy_collection(root: Path, target: Path) -> list[str]:
    """Copies what galaxy.yml does not leave out, and ansible-test's own configuration.

    Files that git does not know and does not ignore come along: they may be about to be committed.
    Returns their names. Raises subprocess.CalledProcessError when git fails.
    """
    left_out = yaml.safe_load((root / "galaxy.yml").read_text())["build_ignore"]
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=root)
    names = []
    for name in filter(None, listed.split("\0")):
        own = name == "tests/config.yml" or name.startswith("tests/sanity/")
        if (own or name.split("/")[0] not in left_out) and (root / name).is_file():
            names.append(name)
    shutil.rmtree(target, ignore_errors=True)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    _git("init", "--quiet", cwd=target)
    _git("add", "--all", cwd=target)
    return names


def pip_configuration(listed: str) -> str:
    """A pip.conf that says what `pip config list` says.

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
    return "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()
    )


def prepare_home(home: Path) -> None:
    """A home directory whose pip works as the user's does, its cache included."""
    asked: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]

    def pip(*words: str) -> str:
        return subprocess.run(
            [*asked, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    text = pip_configuration(pip("config", "list"))
    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.touch(mode=0o600)
    config.write_text(text)
    cache = home / ".cache"
    cache.mkdir(exist_ok=True)
    if not (cache / "pip").is_symlink():
        (cache / "pip").symlink_to(pip("cache", "dir"))
    scripts = home / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in _pip_versions():
        (scripts / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)


def _pip_versions() -> set[str]:
    """The versions of pip that this ansible-test bootstraps.

    Raises LookupError when its source no longer says so where it did in ansible-core 2.19.
    """
    (package,) = importlib.import_module("ansible_test").__path__
    source = Path(package) / "_internal" / "python_requirements.py"
    found = set(re.findall(r"pip='([\d.]+)'", source.read_text(encoding="utf-8")))
    if not found:
        raise LookupError(f"{source} names no version of pip")
    return found


def environment() -> dict[str, str]:
    """The tools' environment with the other home, and this machine's interpreters on the path."""
    env = tool_environment({"HOME": str(HOME)})
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


def read_results(text: str, code: int) -> Tally:
    """Counts from ansible-test's output (written with -v): a test on one Python is one test."""
    outcomes: dict[str, str] = {}
    tally = Tally()
    current = ""
    for line in text.splitlines():
        if match := _RUNNING.match(line):
            current = " ".join(filter(None, match.groups()))
            outcomes[current] = "passed"
        elif line == _NOTHING:
            outcomes[current] = "nothing to test"
        elif match := _SKIPPED.match(line):
            # Said twice: all warnings come again at the end.
            outcomes[" ".join(filter(None, match.groups()[1:]))] = "skipped"
            tally.reasons[match[1]] = 1
        elif _FOUND.match(line):
            outcomes[current] = "failed"
    values = list(outcomes.values())
    tally.passed = values.count("passed")
    tally.skipped = values.count("skipped")
    for name, outcome in outcomes.items():
        if outcome == "failed":
            tally.fail(f"sanity {name}; see {shown(LOG)}")
    if (code or not tally.passed) and not tally.failed:
        tally.fail(f"ansible-test sanity ended with exit code {code}; see {shown(LOG)}")
    return tally


def sanity(arguments: list[str]) -> Tally:
    """Runs the tests, saying what each finds; the whole output is in build/logs/sanity.log."""
    copy_collection(ROOT, COPY)
    prepare_home(HOME)
    with Ticker("ansible-test sanity") as ticker:

        def on_line(line: str) -> None:
            if _RUNNING.match(line):
                ticker.update(line)
            elif line.startswith(("ERROR:", "FATAL:")):
                ticker.line(f"  {line}")

        argv: list[str | Path] = [
            VENV_BIN / "ansible-test",
            "sanity",
            "--color",
            "no",
            "-v",
            *arguments,
        ]
        code = run(argv, log=LOG, cwd=COPY, env=environment(), timeout=SECONDS, on_line=on_line)
    return read_results(LOG.read_text(encoding="utf-8", errors="replace"), code)


def main(arguments: list[str]) -> int:
    """Runs the tests and counts them; 0 only if some ran and none failed."""
    heading("sanity: ansible-core's own rules for collections")
    tally = sanity(arguments)
    for reason in sorted(tally.reasons):
        say(f"  NOT RUN: {reason}")
    for note in tally.notes:
        say(f"  FAILED: {note}")
    say(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
