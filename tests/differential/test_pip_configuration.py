"""The host's pip configuration: what is passed on to uv is what pip's own parser makes of the files."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from pip._internal.commands import create_command
from pip._internal.models.index import PyPI

from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers import (
    pip_conf as pip_configuration,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_conf import (
    PipConfiguration,
    read_configuration,
)

PLACES = ("xdg/pip/pip.conf", "home/.pip/pip.conf", "home/.config/pip/pip.conf", "prefix/pip.conf")
ADDRESS = st.sampled_from(["https://one/simple", "https://me:p%w@two/s", "http://three:80/s"])
WORD = st.sampled_from(["host", "other:8080", "10.0.0.1"])
SWITCH = st.sampled_from(["true", "false", "1", "0", "yes", "no", "on", "off"])


def _several(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(words, min_size=1, max_size=3)
    return st.one_of(lists.map(" ".join), lists.map(lambda found: "\n    " + "\n    ".join(found)))


VALUES = {
    "index-url": ADDRESS,
    "index_url": ADDRESS,
    "extra-index-url": _several(ADDRESS),
    "find-links": _several(st.sampled_from(["/wh", "https://page/links"])),
    "no-index": SWITCH,
    "pre": SWITCH,
    "trusted-host": _several(WORD),
    "cert": st.sampled_from(["/etc/ca.pem", "/srv/ca.pem"]),
    "proxy": st.sampled_from(["http://proxy:3128", "http://me:pw@proxy:1"]),
    "timeout": st.just("20"),
}
SETTINGS = st.dictionaries(st.sampled_from(sorted(VALUES)), st.none(), max_size=5).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)
FILES = st.dictionaries(
    st.sampled_from(PLACES),
    st.dictionaries(st.sampled_from(["global", "install", "download"]), SETTINGS, max_size=3),
    max_size=4,
)


@contextmanager
def _host(files: dict[str, dict[str, dict[str, str]]]) -> Iterator[str]:
    """A host with these files and no others; yields the environment's prefix."""
    with tempfile.TemporaryDirectory() as root:
        for place, sections in files.items():
            path = Path(root, place)
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = []
            for section, values in sections.items():
                lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
            path.write_text("\n".join([*lines, ""]))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        clean.pop("XDG_CONFIG_HOME", None)
        clean.update({"HOME": f"{root}/home", "XDG_CONFIG_DIRS": f"{root}/xdg"})
        real = pip_configuration.configuration_files

        def ours(*arguments: str) -> list[str]:
            return [path for path in real(*arguments) if path.startswith(root)]

        with (
            mock.patch.dict(os.environ, clean, clear=True),
            mock.patch.object(sys, "prefix", f"{root}/prefix"),
            mock.patch.object(pip_configuration, "configuration_files", ours),
            # The machine's own file is not the test's.
            mock.patch(
                "pip._internal.configuration.appdirs.site_config_dirs",
                return_value=[f"{root}/xdg/pip"],
            ),
        ):
            yield f"{root}/prefix"


def _of_pip() -> PipConfiguration:
    options, _arguments = create_command("install").parser.parse_args([])
    return PipConfiguration(
        index_url=None if options.index_url == PyPI.simple_url else options.index_url,
        extra_index_urls=tuple(options.extra_index_urls),
        find_links=tuple(options.find_links),
        no_index=bool(options.no_index),
        pre=bool(options.pre),
        trusted_hosts=tuple(options.trusted_hosts),
        cert=options.cert,
        proxy=options.proxy or None,
    )


@given(files=FILES)
def test_what_pip_would_use_is_passed_on(files: dict[str, dict[str, dict[str, str]]]) -> None:
    with _host(files) as prefix:
        assert read_configuration(prefix) == _of_pip()
