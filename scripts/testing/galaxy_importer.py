"""Run galaxy-importer on the built artifact, as Galaxy does with an upload.

    python -m scripts.testing.galaxy_importer

It checks the metadata, the checksums of all files, the changelog and the documentation of modules and
plugins, and runs ansible-lint. It runs in an environment of its own, which
requirements/tools/galaxy-importer.txt pins. Every warning and every error is a failure.

Three of its checks do not run. `run_flake8` is off by default, and in version 0.4.44 it enables W503 and W504
together, which forbid every line break beside a binary operator; ruff checks the same rules here.
`run_ansible_test` runs ansible-test in a container whose base image comes from a registry; `make sanity` runs
the same tests. `require_v1_or_greater` is a rule of Automation Hub.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import Ticker, heading
from scripts.layout import BUILD, LOGS, PYTHON, ROOT, shown, tool_environment
from scripts.processes import run
from scripts.setup import artifact
from scripts.testing.results import Tally, tell

PINS = ROOT / "requirements" / "tools" / "galaxy-importer.txt"
FOLDER = BUILD / "galaxy-importer"
VENV = FOLDER / "venv"
LOG = LOGS / "galaxy-importer.log"
SECONDS = 900

_CONFIGURATION = """\
[galaxy-importer]
log_level_main = INFO
run_ansible_doc = True
run_ansible_lint = True
offline_ansible_lint = True
run_flake8 = False
run_ansible_test = False
check_changelog = True
check_required_tags = True
tmp_root_dir = {folder}
ansible_local_tmp = {folder}/ansible
"""

_LOADING = re.compile(r"Loading (\w+ \S+)$")
_LINTING = re.compile(r"Linting collection via (ansible-lint) ")
_FOUND = re.compile(r"(?:WARNING|ERROR|CRITICAL): (.*)")
_COLLECTION = "the collection's metadata"

# What the importer says when it has done a part; without the line, the part did not run.
_PARTS = {
    "ansible-doc": re.compile(r"^Getting doc strings via ansible-doc$", re.MULTILINE),
    "ansible-lint": re.compile(r"^\.\.\.ansible-lint run complete$", re.MULTILINE),
    "the import": re.compile(r"^Importer processing completed successfully$", re.MULTILINE),
}


def read_log(text: str, code: int) -> Tally:
    """Counts each content, the metadata and ansible-lint as one test, each line that warns as a failure."""
    tally = Tally()
    current = _COLLECTION
    seen = {current: True}
    for line in text.splitlines():
        if match := _LOADING.match(line) or _LINTING.match(line):
            current = match[1]
            seen[current] = True
        elif match := _FOUND.match(line):
            seen[current] = False
            tally.fail(f"{match[1]} (at {current})")
    absent = [name for name, said in _PARTS.items() if not said.search(text)]
    if absent:
        tally.fail(f"did not run to the end: {', '.join(absent)}; exit code {code}")
    elif code:
        tally.fail(f"ended with exit code {code}")
    if not absent:
        tally.passed = sum(seen.values())
    return tally


def undocumented(result: Mapping[str, Any]) -> list[str]:
    """The modules and filters that have no documentation in what the importer would publish.

    When ansible-doc refuses one module, the importer publishes the documentation of none.
    """
    contents = result["docs_blob"]["contents"]
    return [
        f"{one['content_type']} {one['content_name']}"
        for one in contents
        if one["content_type"] in ("module", "filter")
        and not ((one["doc_strings"] or {}).get("doc") or {}).get("description")
    ]


def read_result(result: Mapping[str, Any]) -> Tally:
    """Counts the published documentation as one test, or each module and filter without it as a failure."""
    tally = Tally()
    kinds = {one["content_type"] for one in result["contents"]}
    for kind in sorted({"module", "filter", "role", "playbook"} - kinds):
        tally.fail(f"Galaxy would list no {kind}")
    for name in undocumented(result):
        tally.fail(f"{name}: Galaxy would show no documentation")
    if not tally.failed:
        tally.passed = 1
    return tally


def prepare_environment() -> Path:
    """Makes the environment where it is not current and returns its folder of programs.

    Raises subprocess.CalledProcessError when it cannot be made; build/logs/galaxy-importer.log says why.
    """
    wanted = hashlib.sha256(f"{sys.version}\n".encode() + PINS.read_bytes()).hexdigest()
    stamp = VENV / ".requirements.sha256"
    if not stamp.is_file() or stamp.read_text().strip() != wanted:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        pip: list[str | Path] = [VENV / "bin" / "python", "-m", "pip"]
        pip += ["--disable-pip-version-check", "--no-input"]
        commands: tuple[list[str | Path], ...] = (
            [PYTHON, "-m", "venv", "--clear", VENV],
            [*pip, "install", "-r", PINS],
            [*pip, "check"],
        )
        with LOG.open("w") as log:
            for argv in commands:
                subprocess.run(argv, check=True, stdout=log, stderr=subprocess.STDOUT)
        stamp.write_text(wanted + "\n")
    return VENV / "bin"


def _environment(programs: Path, configuration: Path) -> dict[str, str]:
    """The tools' environment with the importer's own programs first, and none of this checkout's settings."""
    env = tool_environment({"GALAXY_IMPORTER_CONFIG": str(configuration)})
    env["PATH"] = os.pathsep.join([str(programs), env["PATH"]])
    for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH"):
        del env[name]
    return env


def galaxy_importer(root: Path = ROOT) -> Tally:
    """Builds and imports the collection at ``root``; all output is in build/logs/galaxy-importer.log."""
    tally = Tally()
    with Ticker("galaxy-importer: its environment") as ticker:
        try:
            programs = prepare_environment()
            ticker.update("galaxy-importer: building the artifact")
            archive = artifact.build(root, FOLDER / "dist", LOG)
        except (subprocess.CalledProcessError, artifact.BuildFailed) as error:
            tally.fail(f"galaxy-importer: {error}; see {shown(LOG)}")
            return tally
        work = FOLDER / "work"
        shutil.rmtree(work, ignore_errors=True)
        (work / "ansible").mkdir(parents=True)
        configuration = work / "galaxy-importer.cfg"
        configuration.write_text(_CONFIGURATION.format(folder=work), encoding="utf-8")

        def on_line(line: str) -> None:
            if _LOADING.match(line) or _LINTING.match(line):
                ticker.update(f"galaxy-importer: {line}")

        code = run(
            [programs / "python", "-m", "galaxy_importer.main", archive],
            log=LOG,
            cwd=work,
            env=_environment(programs, configuration),
            timeout=SECONDS,
            on_line=on_line,
        )
    tally = read_log(LOG.read_text(encoding="utf-8", errors="replace"), code)
    try:
        result = json.loads((work / "importer_result.json").read_text(encoding="utf-8"))
        tally.add(read_result(result))
    except (OSError, ValueError, KeyError) as error:
        tally.fail(f"no readable result ({error!r})")
    tally.notes = [f"galaxy-importer: {note}; see {shown(LOG)}" for note in tally.notes]
    return tally


def main() -> int:
    """Imports the artifact and counts; 0 only if something passed and nothing failed."""
    heading("galaxy: galaxy-importer on the built artifact")
    return tell(galaxy_importer())


if __name__ == "__main__":
    sys.exit(main())
