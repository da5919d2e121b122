"""Runs one Molecule command on one scenario with the lab served to its hosts, for work on a scenario.

    python -m scripts.testing.run_molecule default converge     hosts stay, look around, converge again
    python -m scripts.testing.run_molecule default verify
    python -m scripts.testing.run_molecule default destroy

`make molecule SCENARIO=default` runs the whole sequence and counts its tests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from lab.errors import LabError
from scripts.layout import ROOT, VENV_BIN, tool_environment
from scripts.testing.molecule_lab import serving


def main() -> int:
    """Molecule's exit code; 1 when the lab cannot be served."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.testing.run_molecule", description=__doc__
    )
    parser.add_argument("scenario", help="a directory of molecule/")
    parser.add_argument("command", nargs="?", default="test", help="what Molecule is to do (test)")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to Molecule")
    options = parser.parse_args()
    argv = [VENV_BIN / "molecule", options.command, "--scenario-name", options.scenario]
    try:
        with serving([options.scenario]) as variables:
            return subprocess.run(
                [*map(str, argv), *options.rest],
                cwd=ROOT,
                env=tool_environment(variables),
                check=False,
            ).returncode
    except LabError as error:
        print(f"the lab cannot be served: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
