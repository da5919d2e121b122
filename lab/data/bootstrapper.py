"""Installs the unpacked packages into the prefix with the conda that is among them.

It is in the archive at the end of the installer's program ``_conda``, which starts it as
``python _conda install ...`` with the Python of the package cache.  conda links the packages as it always
does, so the records, the history, the scripts and the bytecode are conda's own.
"""

import os
import sys
from pathlib import Path

# The counter would count the installation itself.
_NOT_IMPORTED = ("python-3", "lab-conda-counter-")


def main() -> int:
    """Run conda with the arguments of this program and return its exit status."""
    prefix = Path(sys.argv[0]).parent
    cache = prefix / "pkgs"
    listed = (prefix / "conda-meta" / "initial-state.explicit.txt").read_text().splitlines()
    for line in listed:
        name = line.partition("#")[0].rpartition("/")[2].removesuffix(".conda")
        if name and not name.startswith(_NOT_IMPORTED):
            folders = [cache / name / "site-packages", *cache.glob(f"{name}/lib/*/site-packages")]
            sys.path[:0] = [str(folder) for folder in folders if folder.is_dir()]
    for variable in [key for key in os.environ if key.startswith(("CONDA", "PYTHON", "_CE_"))]:
        del os.environ[variable]
    os.environ.update(
        CONDA_ROOT=str(prefix),
        CONDA_PKGS_DIRS=str(cache),
        CONDA_ENVS_DIRS=str(prefix / "envs"),
        CONDA_SOLVER="classic",
        CONDA_QUIET="yes",
        CONDARC=os.devnull,
    )
    from conda.cli import main as conda

    # It returns nothing when all went well.
    return int(conda(*sys.argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main())
