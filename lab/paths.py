"""Where the lab keeps what it makes.

Everything lives in one cache root outside the checkout, since a checkout is thrown away and the
parts are slow to make.  Functions, not constants: a test may point the cache elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the root of the lab's cache.

    ``$LLMFLEET_LAB_CACHE`` wins, then ``$XDG_CACHE_HOME/llmfleet-lab``, then
    ``~/.cache/llmfleet-lab`` (XDG Base Directory Specification 0.8).
    """
    explicit = os.environ.get("LLMFLEET_LAB_CACHE")
    if explicit:
        return Path(explicit).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    return base / "llmfleet-lab"


def site_dir() -> Path:
    """Return the folder that the mirror serves."""
    return cache_dir() / "site"


def channel_dir() -> Path:
    """Return the conda channel ``lab`` (with ``linux-64`` and ``noarch`` below it)."""
    return site_dir() / "conda" / "lab"


def installers_dir() -> Path:
    """Return the folder of the installers and their ``index.json``."""
    return site_dir() / "installers"


def wheels_dir() -> Path:
    """Return the flat folder of wheels."""
    return site_dir() / "wheels"


def full_wheels_dir() -> Path:
    """Return the flat folder of the wheels of the heaviest profiles."""
    return site_dir() / "wheels-full"


def simple_dir() -> Path:
    """Return the PEP 503 index over the wheels."""
    return site_dir() / "simple"


def models_dir() -> Path:
    """Return the folder of the models."""
    return site_dir() / "models"


def images_dir() -> Path:
    """Return the folder of the host images, which the mirror does not serve."""
    return cache_dir() / "images"


def packages_dir() -> Path:
    """Return the folder of built conda packages, one subfolder per content key."""
    return cache_dir() / "packages"


def downloads_dir() -> Path:
    """Return the folder of downloaded wheels, one subfolder per content key."""
    return cache_dir() / "downloads"


def releases_dir() -> Path:
    """Return the folder of the collection's earlier releases, one subfolder per version."""
    return cache_dir() / "releases"


NAMES = {
    "cache": cache_dir,
    "site": site_dir,
    "channel": channel_dir,
    "installers": installers_dir,
    "wheels": wheels_dir,
    "full-wheels": full_wheels_dir,
    "simple": simple_dir,
    "models": models_dir,
    "images": images_dir,
    "packages": packages_dir,
    "downloads": downloads_dir,
    "releases": releases_dir,
}
"""What ``python -m lab path NAME`` knows, beside ``installer``."""
