"""Makes and refreshes build/venv from requirements/*.txt (standard library only).

requirements/constraints/venv.txt pins their dependencies. A stamp file in the environment
holds the hash of both and of the interpreter's version; when it matches, nothing is done (well under a
second). Two runs at once wait for each other.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
VENV = BUILD / "venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".requirements.sha256"
LOG = BUILD / "logs" / "venv.log"


def requirement_files() -> list[Path]:
    """The pinned requirements files, in a stable order."""
    return sorted((ROOT / "requirements").glob("*.txt"))


def constraints_file() -> Path:
    """The versions of their dependencies; `make pins` writes this file."""
    return ROOT / "requirements" / "constraints" / "venv.txt"


def wanted_stamp() -> str:
    """The hash that a current environment carries."""
    digest = hashlib.sha256(f"{sys.version_info[:3]}\n".encode())
    for path in [*requirement_files(), constraints_file()]:
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def current_stamp() -> str | None:
    """The hash in the existing environment, or None."""
    try:
        return STAMP.read_text().strip()
    except OSError:
        return None


def works() -> bool:
    """Whether the existing environment's interpreter starts, is of our version and has pip."""
    if not VENV_PYTHON.exists():
        return False
    probe = "import sys, pip; print(*sys.version_info[:2])"
    done = subprocess.run([VENV_PYTHON, "-c", probe], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.split() == [str(n) for n in sys.version_info[:2]]


def run_logged(argv: list[str | Path], what: str) -> None:
    """Runs a command with its output in the log; says every 20 seconds that it still runs.

    Raises SystemExit with the end of the log when the command fails.
    """
    started = time.monotonic()
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(map(str, argv))}\n")
        log.flush()
        process = subprocess.Popen(
            argv, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        while True:
            try:
                code = process.wait(timeout=20)
                break
            except subprocess.TimeoutExpired:
                print(f"  {what} ... {time.monotonic() - started:.0f} s", flush=True)
    if code != 0:
        tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-25:])
        raise SystemExit(f"{tail}\n\nbootstrap: {what} failed; the whole log is {LOG}")


def ensure_venv_module() -> None:
    """Makes sure that `python -m venv` can install pip.

    Debian splits ensurepip off into python3-venv; it is installed here when root, and said.
    """
    probe = [sys.executable, "-c", "import venv, ensurepip"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(
            "bootstrap: this Python cannot make virtual environments;"
            f" on Debian: apt-get install {package}"
        )
    print(f"  Installing the Debian package {package} (this Python lacks ensurepip)", flush=True)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run_logged(["apt-get", "update", "-q"], "apt-get update")
    run_logged(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", package],
        f"installing {package}",
    )


def build() -> None:
    """Creates the environment where needed and brings it to the pinned requirements."""
    started = time.monotonic()
    LOG.write_text("")
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"Preparing build/venv (Python {version})", flush=True)
    if not works():
        ensure_venv_module()
        run_logged(
            [sys.executable, "-m", "venv", "--clear", VENV], "creating the virtual environment"
        )
    files = requirement_files()
    arguments = [word for path in files for word in ("-r", str(path))]
    arguments += ["-c", str(constraints_file())]
    pip: list[str | Path] = [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_logged([*pip, "install", *arguments], "installing the pinned requirements")
    run_logged([*pip, "check"], "checking the installed packages")
    STAMP.write_text(wanted_stamp() + "\n")
    print(f"  build/venv is ready after {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    """Command line: `bootstrap.py [--force]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="install even if the stamp is current")
    options = parser.parse_args()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if options.force or current_stamp() != wanted_stamp() or not works():
            build()
    subprocess.run(["sh", ROOT / "scripts" / "setup" / "link_collection.sh"], check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
