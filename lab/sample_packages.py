"""The small packages that tests install, upgrade and break.

Each shows one behaviour of conda; none holds more than a file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab import cache, packages

_HELLO = '''"""A console script to be found on PATH."""


def main():
    """Print a greeting."""
    print("hello from lab-entrypoint")
'''

_POST_LINK = """#!/bin/sh
# conda runs this after linking, with PREFIX set.
echo "linked into $PREFIX" > "$PREFIX/lab-post-link.txt"
"""

_PRE_UNLINK = """#!/bin/sh
# conda runs this before unlinking, with PREFIX set.
rm -f "$PREFIX/lab-post-link.txt"
"""


@dataclass(frozen=True)
class Sample:
    """One package: its description and its files (relative path -> text; ``bin/`` executable)."""

    description: packages.Description
    files: dict[str, str] = field(default_factory=dict)


def _generic(name: str, version: str, *depends: str, build_number: int = 0) -> Sample:
    description = packages.Description(
        name=name,
        version=version,
        build=f"lab_{build_number}",
        build_number=build_number,
        depends=depends,
        noarch="generic",
        summary="For the lab's tests",
    )
    return Sample(description, {f"share/{name}.txt": f"{name} {version} build {build_number}\n"})


def samples() -> Iterator[Sample]:
    """Give every sample package."""
    for version in ("1.0", "1.1", "2.0"):
        yield _generic("lab-upgrade", version)
    # The same version built again: only the build number tells which is newer.
    yield _generic("lab-rebuilt", "1.0")
    yield _generic("lab-rebuilt", "1.0", build_number=1)
    yield _generic("lab-conflict-a", "1.0", "lab-upgrade >=2")
    yield _generic("lab-conflict-b", "1.0", "lab-upgrade <2")
    yield _generic("lab-needs-cuda", "1.0", "__cuda >=11")
    yield _generic("lab-needs-glibc", "1.0", "__glibc >=2.17")
    yield _generic("lab-needs-missing", "1.0", "lab-does-not-exist")
    # conda's ordering, not PEP 440: an epoch and a post release, an underscore and a letter.
    for version in ("1.0.post1", "1!0.5", "1.0_1", "1.1.1a", "1.1.1b"):
        yield _generic("lab-versions", version)
    yield _post_link()
    yield _entry_point()


def _post_link() -> Sample:
    sample = _generic("lab-post-link", "1.0")
    return Sample(
        sample.description,
        {
            **sample.files,
            "bin/.lab-post-link-post-link.sh": _POST_LINK,
            "bin/.lab-post-link-pre-unlink.sh": _PRE_UNLINK,
        },
    )


def _entry_point() -> Sample:
    info = "site-packages/lab_entrypoint-1.0.dist-info"
    point = "lab-hello = lab_entrypoint:main"
    description = packages.Description(
        name="lab-entrypoint",
        version="1.0",
        build="pylab_0",
        depends=("python >=3.8",),
        noarch="python",
        entry_points=(point,),
        summary="For the lab's tests",
    )
    files = {
        "site-packages/lab_entrypoint.py": _HELLO,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: lab-entrypoint\nVersion: 1.0\n",
        f"{info}/INSTALLER": "conda\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{point}\n",
    }
    rows = [name.removeprefix("site-packages/") for name in files]
    rows += [f"{info.removeprefix('site-packages/')}/RECORD", "../../../bin/lab-hello"]
    files[f"{info}/RECORD"] = "".join(f"{row},,\n" for row in rows)
    return Sample(description, files)


def make(sample: Sample, target: Path) -> Path:
    """Write one sample's package into ``target`` and return its path."""
    stage = cache.new_temporary("sample-")
    try:
        for name, text in sample.files.items():
            place = stage / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o755 if place.parent.name == "bin" else 0o644)
        return packages.pack(stage, sample.description, target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
