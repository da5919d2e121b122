"""What is in an environment, told by its own pip and by plain files; no code of the collection."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

# What the program that installed says about itself; uv takes what others need for requested, too.
_OWN = frozenset({"INSTALLER", "RECORD", "REQUESTED", "uv_cache.json", "direct_url.json"})


def pip(prefix: Path, *arguments: str) -> str:
    """What the environment's own pip prints."""
    done = subprocess.run(
        [str(prefix / "bin" / "python"), "-I", "-m", "pip", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(prefix), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def site_packages(prefix: Path) -> Path:
    """The directory of that name."""
    return next((prefix / "lib").glob("python3.*")) / "site-packages"


def installed(prefix: Path) -> dict[str, str]:
    """Versions by name, as `pip list` sees them."""
    found = json.loads(pip(prefix, "list", "--format", "json"))
    return {item["name"].lower().replace("_", "-"): item["version"] for item in found}


def files(prefix: Path) -> dict[str, str]:
    """Digests of the files below site-packages by relative path, and the names of the programs.

    Compiled files and programs count by name: they hold times and the prefix.
    """
    found = {f"bin/{path.name}": "" for path in (prefix / "bin").iterdir()}
    for path in site_packages(prefix).rglob("*"):
        if path.is_file() and path.name not in _OWN:
            content = b"" if path.suffix == ".pyc" else path.read_bytes()
            found[str(path.relative_to(prefix))] = hashlib.sha256(content).hexdigest()
    return found


def still(found: dict[str, Any]) -> dict[str, Any]:
    """A snapshot without the directory of the lock, whose time changes even when a run fails."""
    return {path: entry for path, entry in found.items() if not path.endswith("/conda-meta")}


def own_lines(result: dict[str, Any], side: str = "after") -> list[str]:
    """The lines of a diff about the distributions of these tests."""
    text: str = result["diff"][side]
    return [line for line in text.splitlines() if line.startswith(("t-", "six"))]


def hashed(wheels: Path, name: str, version: str) -> str:
    """A requirement line with the hash of its wheel."""
    path = wheels / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def from_index(url: str, *requirements: str, **more: Any) -> dict[str, Any]:
    """Options of conda_pip that take distributions from an index alone."""
    return {
        "index_url": f"{url}/simple",
        "no_index": False,
        "find_links": [],
        "requirements": list(requirements),
        **more,
    }
