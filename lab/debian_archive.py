"""Where this machine gets Debian from, and how: read from its own apt, never written down."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from lab.errors import LabError

ARCHIVE = "LLMFLEET_DEBIAN_ARCHIVE"
"""Environment variable: URL of a Debian archive, for machines whose apt knows none."""

_FORMAT = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"


def archive_url() -> str:
    """Return the URL of the Debian archive that this machine uses.

    The environment variable ``$LLMFLEET_DEBIAN_ARCHIVE`` wins, then the first repository of
    ``apt-get indextargets`` that calls itself Debian. Where apt has no lists yet, as on a fresh
    machine, root fetches them first.

    Raises:
        LabError: apt is missing or knows no Debian archive.
    """
    explicit = os.environ.get(ARCHIVE)
    if explicit:
        return explicit.rstrip("/")
    if shutil.which("apt-get") is None:
        raise LabError(f"no apt-get here to ask for a Debian archive: set ${ARCHIVE} to its URL")
    found = debian_repository(_index_targets())
    if found is None and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], capture_output=True, check=False)
        found = debian_repository(_index_targets())
    if found is None:
        raise LabError(
            "apt knows no repository of Debian's main archive (run apt-get update, or set "
            f"${ARCHIVE} to an archive's URL)"
        )
    return found


def _index_targets() -> str:
    return subprocess.run(
        ["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def debian_repository(targets: str) -> str | None:
    """Return the URL of Debian's main archive from lines of URL|origin|label|component."""
    for line in targets.splitlines():
        url, origin, label, component = line.split("|")
        # the security archive has the label Debian-Security and lacks most packages
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return url.rstrip("/")
    return None


def wget_environment(url: str, folder: Path) -> dict[str, str]:
    """Return environment variables that give wget what apt is configured with for ``url``.

    debootstrap downloads with wget, which knows nothing of apt's proxies, CA file and passwords.

    Args:
        url: the archive.
        folder: where a wgetrc, readable by its owner only, may be written.
    """
    scheme = urllib.parse.urlsplit(url).scheme
    settings = _apt_settings()
    environment: dict[str, str] = {}
    proxy = settings.get(f"acquire::{scheme}::proxy", "")
    if proxy == "DIRECT":
        environment[f"{scheme}_proxy"] = ""
    elif proxy:
        environment[f"{scheme}_proxy"] = proxy
    lines = []
    ca_file = settings.get("acquire::https::cainfo")
    if ca_file:
        lines.append(f"ca_certificate = {ca_file}")
    login = _login(url, settings)
    if login is not None:
        lines += [f"user = {login[0]}", f"password = {login[1]}"]
    if lines:
        wgetrc = folder / "wgetrc"
        wgetrc.touch(mode=0o600)
        wgetrc.write_text("\n".join(lines) + "\n", encoding="utf-8")
        environment["WGETRC"] = str(wgetrc)
    return environment


def _apt_settings() -> dict[str, str]:
    """Return apt's settings, names in lower case: apt does not tell them apart by case."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    settings = {}
    for line in dump.stdout.splitlines():
        name, _, value = line.partition(" ")
        settings[name.lower()] = value.rstrip(";").strip('"')
    return settings


def _login(url: str, settings: dict[str, str]) -> tuple[str, str] | None:
    """Return user and password for a URL from apt's auth.conf files."""
    etc = Path("/") / settings.get("dir::etc", "etc/apt")
    parts = etc / settings.get("dir::etc::netrcparts", "auth.conf.d")
    files = [etc / settings.get("dir::etc::netrc", "auth.conf"), *sorted(parts.glob("*.conf"))]
    for file in files:
        if file.is_file():
            found = login_for(url, file.read_text(encoding="utf-8"))
            if found is not None:
                return found
    return None


def login_for(url: str, text: str) -> tuple[str, str] | None:
    """Return user and password for a URL from the text of one file, as apt_auth.conf(5) has it.

    A machine is ``[scheme://]host[:port][/path]``; the first one that fits is taken.
    """
    asked = urllib.parse.urlsplit(url)
    entry: dict[str, str] = {}
    entries = [entry]
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    words = iter(" ".join(lines).split())
    for word in words:
        if word == "machine":
            entry = {"machine": next(words, "")}
            entries.append(entry)
        elif word in ("login", "password"):
            entry[word] = next(words, "")
    for entry in entries:
        machine = entry.get("machine", "")
        scheme, separator, rest = machine.rpartition("://")
        # apt sends passwords unencrypted only where the entry names the scheme itself
        if not machine or (scheme != asked.scheme if separator else asked.scheme != "https"):
            continue
        host, _, path = rest.partition("/")
        if host in (asked.netloc, asked.hostname) and asked.path.startswith(f"/{path}"):
            return entry.get("login", ""), entry.get("password", "")
    return None
