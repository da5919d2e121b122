"""What the demo ends with: real commands of a person in the environment, and the report's answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from scripts.console import say, style
from scripts.play.demo_site import HOST, Site
from scripts.processes import clean_environment

PACKAGES = ("numpy", "pandas", "matplotlib", "torch", "transformers")

# Metadata is read, nothing imported: the verify role has just imported them all.
_VERSIONS = "import sys, importlib.metadata as m\nprint(sys.version)\n" + "\n".join(
    f"print({name!r}, m.version({name!r}))" for name in PACKAGES
)


class ShowFailed(Exception):
    """What should be shown is not there."""


def in_environment(site: Site, *command: str) -> str:
    """What a command says in the shell that a person would open.

    Raises ShowFailed when it ends with an error.
    """
    done = subprocess.run(
        [site.shell, *command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment(),
        check=False,
        timeout=300,
    )
    if done.returncode != 0:
        words = " ".join([str(site.shell), *command])
        raise ShowFailed(f"`{words}` failed ({done.returncode}): {done.stderr.strip()[-800:]}")
    return done.stdout.strip()


def read_checks(site: Site) -> dict[str, dict[str, Any]]:
    """The checks of the demo's host by name, with the numbers that they measured.

    Raises ShowFailed when the report lacks the host or a check of it failed.
    """
    report = json.loads(site.report.read_text())
    status = report["hosts"].get(HOST, {}).get("status")
    if status != "pass":
        raise ShowFailed(f"{site.report} says {status!r} for the host {HOST!r}, expected 'pass'")
    whole = json.loads((site.report.with_suffix(".d") / f"{HOST}.json").read_text())
    return {check["name"]: check for check in whole["checks"]}


def rows(site: Site) -> Iterator[tuple[str, str]]:
    """Label and value of each line to show.

    Raises ShowFailed when something is missing.
    """
    yield "conda --version", in_environment(site, "conda", "--version")
    version, *packages = in_environment(site, "python", "-c", _VERSIONS).splitlines()
    yield "sys.version", version
    for line in packages:
        name, number = line.split()
        yield name, number
    checks = read_checks(site)
    try:
        for library in ("numpy", "torch"):
            found = checks[f"workload.regression_{library}"]["measured"]
            numbers = ", ".join(f"{value:+.4f}" for value in found["coefficients"])
            intercept = f"{found['intercept']:+.4f}"
            yield f"y = 2·x1 - 3.4·x2 + 4.2, {library}", f"w = [{numbers}], b = {intercept}"
        answer = checks["workload.sentiment"]["measured"]
    except KeyError as missing:
        raise ShowFailed(f"{site.report} lacks the result {missing}") from None
    yield f'"{answer["text"]}"', f"{answer['label']} (score {answer['score']:.4f})"
    ran = [check for check in checks.values() if check["status"] != "skip"]
    spent = sum(check["seconds"] for check in ran)
    yield "checks", f"{len(ran)} passed in {spent:.1f} s"


def show(site: Site) -> None:
    """Prints the lines, aligned.

    Raises ShowFailed when something is missing.
    """
    found = list(rows(site))
    room = max(len(label) for label, _ in found)
    for label, value in found:
        say(f"  {label:{room}}  {style(value, 'bold')}")
