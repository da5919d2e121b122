"""Asks uv which versions requirement lines lead to, from the indexes of pip's own configuration."""

from __future__ import annotations

import ast
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from scripts.layout import PYTHON, VENV_BIN, tool_environment

# Seconds. A resolution takes a few; a mirror that is asked for the first time, more.
TIMEOUT = 900

Pins = Mapping[str, str]


class ResolveError(Exception):
    """uv found no solution, or a solution that nobody else could install; its text says why."""


def pip_settings(listing: str) -> dict[str, str]:
    """pip's settings by key from what ``pip config list`` prints; environment variables win, as for pip.

    Of the sections only ``global`` and the variables count.
    """
    found: dict[str, str] = {}
    for section in ("global", ":env:"):
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                found[name.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return found


def uv_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables by which uv takes distributions from the indexes of pip's settings.

    Local directories (``find-links``) are left out: what lies there by chance is no answer for others.
    Addresses travel as variables and not as arguments, since they may hold credentials.
    """
    variables = {
        "UV_DEFAULT_INDEX": settings.get("index-url", ""),
        "UV_INDEX": " ".join(settings.get("extra-index-url", "").split()),
        "SSL_CERT_FILE": settings.get("cert", ""),
        "UV_HTTP_TIMEOUT": settings.get("default-timeout", ""),
    }
    return {
        **{name: value for name, value in variables.items() if value},
        # As pip: the newest of all indexes counts. And nothing of the machine's own settings.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        # torch's wheels need it; uv's own idea of macOS is older.
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
    }


class Resolver:
    """uv, with the indexes that it is to use."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        inherited = tool_environment().items()
        own = {name: value for name, value in inherited if not name.startswith("UV_")}
        self._environment = {**own, **variables}

    def compile(self, *words: str) -> str:
        """What ``uv pip compile`` prints for these arguments: pins, one a line, wheels only.

        Raises:
            ResolveError: there is no solution.
        """
        argv = [
            *(str(VENV_BIN / "uv"), "pip", "compile", "--quiet", *words),
            *("--python", str(PYTHON), "--only-binary", ":all:"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        ]
        done = subprocess.run(
            argv,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        if done.returncode:
            raise ResolveError(done.stderr.strip())
        return done.stdout

    def resolve(
        self,
        lines: Iterable[str],
        python: str,
        platform: str,
        pins: Pins | None = None,
        *words: str,
    ) -> dict[str, str]:
        """The versions, by name, that the requirement lines lead to; wheels only.

        Args:
            platform: as uv names them, such as x86_64-manylinux_2_28.
            pins: versions that may not differ.
            words: further arguments of ``uv pip compile``.

        Raises:
            ResolveError: there is no solution, or one of its versions is of no public index.
        """
        with tempfile.TemporaryDirectory() as directory:
            wanted, held = Path(directory, "requirements.in"), Path(directory, "constraints.txt")
            wanted.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            held.write_text(render_pins(pins or {}), encoding="utf-8")
            printed = self.compile(
                *(str(wanted), "--constraints", str(held)),
                *("--python-version", python, "--python-platform", platform),
                *words,
            )
        found: dict[str, str] = {}
        for line in printed.splitlines():
            name, _, version = line.partition("==")
            if not version or "+" in version:
                raise ResolveError(f"{line}: not a version that a public index has")
            found[canonicalize_name(name)] = version
        return found


def render_pins(pins: Pins) -> str:
    """One line for each, by name."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def pip_listing() -> str:
    """What pip says of its configuration.

    Raises:
        subprocess.CalledProcessError: pip fails.
    """
    argv = [str(PYTHON), "-m", "pip", "config", "list"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
