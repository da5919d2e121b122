"""Many small packages, to fill an environment with as many records as a large one has.

They lie in a folder of their own, not in the lab's channel: nothing but measurements wants them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from lab import packages

# conda-forge's packages hold some dozens of files each, a few hold thousands.
FILES = 40


def make(folder: Path, count: int) -> list[Path]:
    """Write ``count`` packages (noarch, ``FILES`` files of 0.3 KB each) below ``folder``; return them.

    The path ends like a channel's (``many/noarch``), since conda reads the platform from it.
    """
    target = folder / "many" / "noarch"
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        name = f"lab-many-{number:04}"
        with tempfile.TemporaryDirectory(dir=folder) as stage:
            for index in range(FILES):
                file = Path(stage) / "share" / name / f"part{index % 5}" / f"{index}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{name} {index}\n" * 15)
            description = packages.Description(
                name=name, version="1.0", build="lab_0", noarch="generic", summary="One of many"
            )
            made.append(packages.pack(Path(stage), description, target))
    return made
