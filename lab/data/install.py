"""Installs the unpacked packages into the prefix with the conda that is among them.

Started by the installer's shell script as ``python install.py PREFIX``, with the Python of the
package cache.  conda links the packages as it always does, so the records, the history, the
scripts and the bytecode are conda's own.
"""

import os
import sys
from pathlib import Path


def main(prefix: str) -> int:
    """Install what ``explicit.txt`` lists into ``prefix`` and return conda's exit status."""
    own = Path(prefix) / ".lab-installer"
    cache = Path(prefix) / "pkgs"
    for line in (own / "import-path.txt").read_text().splitlines():
        sys.path.insert(0, str(cache / line))
    for name in [name for name in os.environ if name.startswith(("CONDA", "PYTHON", "_CE_"))]:
        del os.environ[name]
    os.environ.update(
        CONDA_ROOT=prefix,
        CONDA_PKGS_DIRS=str(cache),
        CONDA_ENVS_DIRS=str(Path(prefix) / "envs"),
        CONDA_SOLVER="classic",
        CONDA_OFFLINE="yes",
        CONDARC=os.devnull,
    )
    from conda.cli import main as conda

    # An update begins a new history, as a real installer's does: the user's specs are lost.
    meta = Path(prefix) / "conda-meta"
    meta.mkdir(exist_ok=True)
    (meta / "history").write_text("")
    explicit = str(own / "explicit.txt")
    # conda returns nothing when all went well.
    status = conda("install", "--yes", "--quiet", "--prefix", prefix, "--file", explicit) or 0
    if status == 0:
        (own / "explicit.txt").replace(meta / "initial-state.explicit.txt")
        (own / "LICENSE.txt").replace(Path(prefix) / "LICENSE.txt")
        (own / "installer.info").replace(Path(prefix) / ".installer.info")
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
