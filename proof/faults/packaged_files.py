"""Prints which files of environments have other bytes than their packages say: it runs in the host.

    python3 - PREFIX... < proof/faults/packaged_files.py

The sums are those of the packages' own lists (``paths_data`` of the records, from ``info/paths.json``).
The last line says how many files were compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator


def sums(prefix: str) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of every file that a package lists with a sum."""
    meta = os.path.join(prefix, "conda-meta")
    records = []
    for name in sorted(os.listdir(meta)):
        if name.endswith(".json"):
            with open(os.path.join(meta, name), encoding="utf-8") as stream:
                records.append(json.load(stream))
    python = next((one["version"] for one in records if one["name"] == "python"), "")
    site = f"lib/python{'.'.join(python.split('.')[:2])}/site-packages/"
    for record in records:
        for item in record["paths_data"]["paths"]:
            path = str(item["_path"])
            # noarch packages list their modules and scripts without the place that a Python gives them.
            if path.startswith("site-packages/"):
                path = site + path[len("site-packages/") :]
            elif path.startswith("python-scripts/"):
                path = "bin/" + path[len("python-scripts/") :]
            found = item.get("sha256_in_prefix") or item.get("sha256")
            if found and item.get("path_type") != "softlink" and not path.endswith(".pyc"):
                yield os.path.join(prefix, path), str(found)


def main(prefixes: list[str]) -> None:
    """Compare and print."""
    compared = 0
    for prefix in prefixes:
        for path, expected in sums(prefix):
            with open(path, "rb") as stream:
                actual = hashlib.sha256(stream.read()).hexdigest()
            compared += 1
            if actual != expected:
                print(f"{path} has the sum {actual}, its package says {expected}")
    print(compared)


if __name__ == "__main__":
    main(sys.argv[1:])
