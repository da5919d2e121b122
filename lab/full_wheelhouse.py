"""The wheels of the heaviest profiles, built only when named: they are larger than all the rest.

For Python 3.12 it holds what the role install_llm_stack pins for the profiles ``tensorflow`` and
``app``, read from the constraints files that the role ships: a pin that cannot be had fails here.
For Python 3.11, where there is a build of torch for CPUs, it holds what the profile ``train`` needs
beside the wheelhouse, see ``lab/data/full-wheels-3.11.txt``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import cache, paths
from lab.errors import LabError
from lab.wheel_downloads import Pin, pin_of, pip_download, read_pins

NAME = "full-wheelhouse"

_LAB = Path(__file__).parent
_CONSTRAINTS = _LAB.parent / "roles" / "install_llm_stack" / "files" / "constraints"

LISTS: dict[str, tuple[Path, ...]] = {
    "3.11": (_LAB / "data" / "full-wheels-3.11.txt",),
    "3.12": (_CONSTRAINTS / "app.txt", _CONSTRAINTS / "tensorflow.txt"),
}
"""Minor version of Python -> the lists of its wheels, which agree with each other."""


def pins(python: str) -> list[Pin]:
    """Return the wheels for a Python.

    Raises:
        KeyError: there are none for that Python.
    """
    return read_pins(*LISTS[python])


def key() -> str:
    """Return the content key of the wheels."""
    sources = cache.source_files("full_wheelhouse.py", "wheel_downloads.py")
    return cache.content_key(*sources, *(one for lists in LISTS.values() for one in lists))


def is_current() -> bool:
    """Say whether the wheels in the cache were made from today's lists."""
    return cache.published_key(paths.full_wheels_dir()) == key()


def build(progress: Callable[[str], None]) -> None:
    """Download the wheels.

    Raises:
        LabError: pip could not get a wheel; the message ends with what pip said.
    """
    with cache.publishing(paths.full_wheels_dir(), key()) as work:
        for python in LISTS:
            pip_download(pins(python), work, python=python)
            progress(f"downloaded {len(pins(python))} wheels for Python {python}")
        wheels = list(work.glob("*.whl"))
        odd = {pin_of(wheel) for wheel in wheels}.symmetric_difference(
            pin for python in LISTS for pin in pins(python)
        )
        if odd:
            raise LabError(f"pip downloaded something else than was asked for: {sorted(odd)}")
        for wheel in wheels:
            wheel.chmod(0o644)
        size = sum(wheel.stat().st_size for wheel in wheels)
        progress(f"{len(wheels)} wheels, {size / 1e6:.0f} MB")
