"""Images of Debian hosts for Docker, made with debootstrap: no image can be pulled in the lab.

Each has Python (for Ansible), sudo, CA certificates and two ordinary users with bash as login
shell: ``ada`` (user id 1000) and ``ben`` (1001). ``12-ssh`` is a Debian 12 that can be reached over
SSH and whose clock can be turned back, for the measurements and the fault tests. The tarballs are
cached; an engine gets an image when it lacks it.

``python -m lab.hosts load [11|12|12-ssh|13 ...]`` builds what is missing and gives it to the engine;
``python -m lab.hosts list`` says what there is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import cache, debian_archive, docker_engine, paths
from lab.errors import LabError

NAME = "images"

PACKAGES = ("bash", "ca-certificates", "fish", "procps", "python3", "sudo", "zsh")
"""What a host has beside Debian's minimal base."""

USERS = (("ada", 1000), ("ben", 1001))
"""Name and user id of the ordinary users."""

_RECIPE = 1
_LABEL = "llmfleet.lab.key"
_TARBALL = "rootfs.tar"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Host:
    """One kind of host: a Debian release, with the packages that it has beside the usual ones."""

    release: str
    codename: str
    more: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Return the name of its image."""
        return f"llmfleet-lab/debian:{self.release}"

    @property
    def folder(self) -> Path:
        """Return where its tarball is cached."""
        return paths.images_dir() / f"debian{self.release}"

    @property
    def tarball(self) -> Path:
        """Return its root file system as an archive; it need not exist."""
        return self.folder / _TARBALL

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the Debian packages that it has beside the minimal base."""
        return PACKAGES + self.more

    @property
    def key(self) -> str:
        """Return the content key: same release, packages and users, same image."""
        return cache.content_key(_RECIPE, self.codename, self.packages, USERS)

    def is_current(self) -> bool:
        """Say whether its tarball is in the cache."""
        return cache.published_key(self.folder) == self.key

    def is_loaded(self) -> bool:
        """Say whether the running engine has exactly this image."""
        answer = subprocess.run(
            ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_LABEL}"}}}}',
             self.tag],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return answer.returncode == 0 and answer.stdout.strip() == self.key


HOSTS = {host.release: host for host in (
    Host("11", "bullseye"), Host("12", "bookworm"), Host("13", "trixie"),
    Host("12-ssh", "bookworm", ("libfaketime", "openssh-server")),
)}  # fmt: skip
"""Every host by its release."""

DEFAULT = ("12", "13")
"""What is built when nothing is named. Debian 11's glibc is too old for the lab's interpreters."""


def host(release: str) -> Host:
    """Return a host by its release.

    Raises:
        LabError: the lab has no such host.
    """
    if release not in HOSTS:
        raise LabError(f"no host Debian {release!r}; known: {', '.join(HOSTS)}")
    return HOSTS[release]


def is_current() -> bool:
    """Say whether the tarballs of the default hosts are in the cache."""
    return all(HOSTS[release].is_current() for release in DEFAULT)


def build(progress: Progress) -> None:
    """Make the tarballs of the default hosts that the cache lacks.

    Raises:
        LabError: not root, a tool is missing, or debootstrap failed.
    """
    build_hosts([HOSTS[release] for release in DEFAULT], progress)


def build_hosts(hosts: Iterable[Host], progress: Progress) -> None:
    """Make the tarballs that the cache lacks, two at a time.

    Raises:
        LabError: not root, a tool is missing, or debootstrap failed.
    """
    stale = [one for one in hosts if not one.is_current()]
    if not stale:
        return
    if os.geteuid() != 0:
        raise LabError("only root can make images of hosts (debootstrap)")
    if shutil.which("debootstrap") is None:
        progress("installing the Debian package debootstrap (apt-get install debootstrap)")
        docker_engine.install_packages(["debootstrap"])
    archive = debian_archive.archive_url()
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_make, one, archive, progress) for one in stale]
        for job in jobs:
            job.result()


def load(releases: Sequence[str] = DEFAULT, progress: Progress = print) -> list[str]:
    """Give the running engine the images that it lacks, building them first where needed.

    Returns:
        the images' names, in the order of the releases.

    Raises:
        LabError: no engine answers, or an image cannot be made.
    """
    if not docker_engine.is_running():
        raise LabError("no Docker engine answers: run `python -m lab.docker_engine start`")
    wanted = [host(release) for release in releases]
    if all(one.is_loaded() for one in wanted):
        return [one.tag for one in wanted]
    # the lock of all building: whoever holds it may clear the cache's temporary folders
    with cache.lock("build", on_wait=lambda: progress("waiting for another build of the lab")):
        missing = [one for one in wanted if not one.is_loaded()]
        build_hosts(missing, progress)
        for one in missing:
            progress(f"{one.tag}: importing")
            _import(one)
    return [one.tag for one in wanted]


def _make(one: Host, archive: str, progress: Progress) -> None:
    progress(f"debian{one.release}: debootstrap {one.codename} (most of a minute)")
    with cache.publishing(one.folder, one.key) as work:
        root = work / "root"
        _debootstrap(one, archive, root, work)
        _settle(root)
        _run(["tar", "--numeric-owner", "-C", str(root), "-cf", str(work / _TARBALL), "."])
        shutil.rmtree(root)
        size = (work / _TARBALL).stat().st_size
    progress(f"debian{one.release}: {size / 1e6:.0f} MB")


def _debootstrap(one: Host, archive: str, root: Path, work: Path) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy") or "CERT" in k},
        **debian_archive.wget_environment(archive, work),
    }
    # in a mount namespace of its own, so that a killed run leaves no /proc mounted in the cache
    command = [
        "unshare", "--mount", "--propagation", "private",
        "debootstrap", "--variant=minbase", f"--include={','.join(one.packages)}",
        one.codename, str(root), archive,
    ]  # fmt: skip
    answer = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd="/"
    )
    (work / "wgetrc").unlink(missing_ok=True)
    if answer.returncode:
        log = root / "debootstrap" / "debootstrap.log"
        said = answer.stdout.splitlines()[-2:] + answer.stderr.splitlines()[-2:]
        if log.is_file():
            said += log.read_text(errors="replace").splitlines()[-3:]
        raise LabError(f"debootstrap {one.codename} failed: {' / '.join(said)}")


def _settle(root: Path) -> None:
    """Add the users and drop what belongs to this machine or is only a download."""
    for name, number in USERS:
        _run(["chroot", str(root), "useradd", "--create-home", "--shell", "/bin/bash",
              "--uid", str(number), "--user-group", name])  # fmt: skip
    for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*_*"):
        for file in root.glob(pattern):
            file.unlink()
    # debootstrap copies both from this machine; Docker puts its own in their place
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).write_text("")


def _import(one: Host) -> None:
    answer = subprocess.run(
        ["docker", "import", "--change", 'CMD ["/bin/bash"]',
         "--change", f"LABEL {_LABEL}={one.key}", str(one.tarball), one.tag],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise LabError(f"docker import of {one.tag} failed: {answer.stderr.strip()}")


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LabError(f"{' '.join(command)} failed: {answer.stderr.strip()[-300:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab.hosts", description=__doc__)
    parser.add_argument("command", choices=["load", "list"])
    parser.add_argument("release", nargs="*", help=f"of Debian; default: {' '.join(DEFAULT)}")
    options = parser.parse_args(arguments)
    try:
        if options.command == "load":
            for tag in load(tuple(options.release) or DEFAULT):
                print(tag)
            return 0
        for one in HOSTS.values():
            loaded = docker_engine.is_running() and one.is_loaded()
            built = "built" if one.is_current() else "not built"
            print(f"{one.tag:26}{built:12}{'in the engine' if loaded else ''}")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
