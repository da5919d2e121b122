"""conda_config chooses among mirrors: servers on loopback addresses, real files, and counted requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._config import probe as channel_probe
from ansible_collections.llmfleet.conda.plugins.modules import conda_config
from ansible_collections.llmfleet.conda.tests.unit.plugins.channel_site import (
    REPODATA,
    Site,
    serving,
)

Run = Callable[..., dict[str, Any]]
FORGE = {"channels": ["conda-forge"]}


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Site]]:
    """Three mirrors, each at a host of its own."""
    monkeypatch.setattr(channel_probe, "_DELAYS", ())
    with ExitStack() as stack:
        yield [stack.enter_context(serving(f"127.0.0.{number}")) for number in (1, 2, 3)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module on a file; returns its result."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "scratch").mkdir()
    told: list[str] = []
    # ansible-core collects the warnings of a whole process.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: told.append(text))

    def start(mirrors: list[dict[str, Any]], check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {
            "path": str(tmp_path / "condarc"),
            "settings": FORGE,
            "probe": True,
            **options,
            "mirrors": mirrors,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(tmp_path / "scratch"),
        }
        told.clear()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            conda_config.main()
        return {**json.loads(capsys.readouterr().out), "warnings": list(told)}

    return start


@pytest.fixture
def both(run: Run, tmp_path: Path, sites: list[Site]) -> Run:
    """Check mode, the run, and a second run that must change nothing and request nothing."""

    def start(mirrors: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        path = tmp_path / "condarc"
        before = path.read_bytes() if path.exists() else None
        foretold = run(mirrors, check=True, **options)
        assert (path.read_bytes() if path.exists() else None) == before
        done = run(mirrors, **options)
        for key in ("changed", "diff", "settings", "probed", "warnings"):
            assert foretold[key] == done[key], key
        for site in sites:
            site.seen.clear()
        again = run(mirrors, **options)
        assert (again["changed"], again["probed"], again["warnings"]) == (False, [], [])
        assert [site.seen for site in sites] == [[], [], []]
        return done

    return start


def mirror(site: Site, **more: Any) -> dict[str, Any]:
    return {"custom_channels": {"conda-forge": f"{site.url}/cloud"}, **more}


def written(tmp_path: Path) -> dict[str, Any]:
    return yaml.safe_load((tmp_path / "condarc").read_text())


def test_the_first_mirror_that_serves_the_channel(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    result = both([mirror(site) for site in sites])
    assert written(tmp_path) == {**FORGE, **mirror(sites[0])}
    assert result["probed"] == [f"{sites[0].url}/cloud/conda-forge"]
    assert result["warnings"] == []


def test_only_the_first_mirror_is_asked(run: Run, sites: list[Site]) -> None:
    run([mirror(site) for site in sites])
    assert [site.seen for site in sites] == [[f"GET {REPODATA}"], [], []]


def test_a_mirror_without_the_channel_is_passed_over_with_a_warning(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    sites[0].body = b"<html>closed</html>"
    absent = {"custom_channels": {"conda-forge": f"{sites[1].url}/elsewhere"}}
    result = both([mirror(sites[0]), absent, mirror(sites[2])])
    assert written(tmp_path) == {**FORGE, **mirror(sites[2])}
    assert result["warnings"] == [
        "A mirror was passed over, because it does not answer:"
        f" {sites[0].url}{REPODATA}: this is not repodata, it begins with '<html>closed</html>'.",
        "A mirror was passed over, because it does not answer:"
        f" {sites[1].url}/elsewhere/conda-forge/noarch/repodata.json: the server answered 404 Not Found.",
    ]


def test_a_mirror_that_redirects_to_another_host_is_passed_over(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    """The site would believe that its packages come from the first mirror."""
    sites[0].redirect = f"{sites[2].url}{REPODATA}"
    result = both([mirror(sites[0]), mirror(sites[1])])
    assert written(tmp_path)["custom_channels"] == {"conda-forge": f"{sites[1].url}/cloud"}
    assert result["warnings"] == [
        "A mirror was passed over, because it does not serve its channels:"
        " 127.0.0.1 redirects to 127.0.0.3."
    ]


def test_a_redirecting_mirror_is_the_last_resort(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    sites[0].redirect = f"{sites[2].url}{REPODATA}"
    sites[1].faults = [404, 404]
    result = both([mirror(sites[0]), mirror(sites[1])])
    assert written(tmp_path)["custom_channels"] == {"conda-forge": f"{sites[0].url}/cloud"}
    assert result["warnings"] == [
        f"A mirror does not answer: {sites[1].url}{REPODATA}: the server answered 404 Not Found.",
        "The mirror does not serve its channels itself: 127.0.0.1 redirects to 127.0.0.3. They come from"
        " that host.",
    ]


def test_a_mirror_that_is_known_to_redirect_counts(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    sites[0].redirect = f"{sites[2].url}{REPODATA}"
    result = both([mirror(sites[0], redirects=True), mirror(sites[1])])
    assert written(tmp_path)["custom_channels"] == {"conda-forge": f"{sites[0].url}/cloud"}
    assert result["warnings"] == []


def test_without_a_list_a_redirect_is_told(both: Run, sites: list[Site]) -> None:
    sites[0].redirect = f"{sites[2].url}{REPODATA}"
    result = both([], settings={**FORGE, **mirror(sites[0])})
    assert result["changed"]
    assert result["warnings"] == [
        "The mirror does not serve its channels itself: 127.0.0.1 redirects to 127.0.0.3. They come from"
        " that host."
    ]


def test_a_host_keeps_its_mirror(both: Run, run: Run, sites: list[Site], tmp_path: Path) -> None:
    """An earlier mirror that answers again is no reason to change, and neither is another order."""
    sites[0].faults = [404, 404]
    both([mirror(site) for site in sites])
    kept = {"conda-forge": f"{sites[1].url}/cloud"}
    assert written(tmp_path)["custom_channels"] == kept
    assert not run([mirror(sites[2]), mirror(sites[1]), mirror(sites[0])])["changed"]
    # Another key changes: the mirror's addresses are not new, so nobody is asked.
    for site in sites:
        site.seen.clear()
    result = run([mirror(site) for site in sites], settings={**FORGE, "solver": "classic"})
    assert (result["changed"], result["probed"]) == (True, [])
    assert written(tmp_path) == {**FORGE, "custom_channels": kept, "solver": "classic"}
    assert [site.seen for site in sites] == [[], [], []]


def test_a_host_leaves_a_mirror_that_is_no_longer_in_the_list(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    both([mirror(site) for site in sites])
    assert both([mirror(sites[1]), mirror(sites[2])])["changed"]
    assert written(tmp_path)["custom_channels"] == {"conda-forge": f"{sites[1].url}/cloud"}


def test_a_host_whose_mirror_lacks_a_new_channel_takes_the_next(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    def serves(site: Site) -> dict[str, Any]:
        return {"channel_alias": f"{site.url}/cloud"}

    both([serves(sites[0]), serves(sites[1])])
    more = {"channels": ["conda-forge", "bioconda"]}
    sites[1].also = "/cloud/bioconda/noarch/repodata.json"
    assert both([serves(sites[0]), serves(sites[1])], settings=more)["changed"]
    assert written(tmp_path) == {**more, **serves(sites[1])}


def test_changing_mirrors_removes_the_keys_of_the_other(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    own = mirror(sites[0], default_channels=["https://h.invalid/main"])
    alias = {"channel_alias": f"{sites[1].url}/cloud"}
    both([own, alias])
    assert sorted(written(tmp_path)) == ["channels", "custom_channels", "default_channels"]
    both([alias])
    # Alone in the list, the mirror does not know of the other's keys.
    assert sorted(written(tmp_path)) == [
        "channel_alias",
        "channels",
        "custom_channels",
        "default_channels",
    ]
    sites[0].faults = [404, 404]
    (tmp_path / "condarc").write_text("custom_channels:\n  x: https://h.invalid\n")
    both([own, alias])
    assert written(tmp_path) == {**FORGE, **alias}


def test_without_probe_the_first_mirror_is_used(
    both: Run, sites: list[Site], tmp_path: Path
) -> None:
    sites[0].faults = [404]
    both([mirror(sites[0]), mirror(sites[1])], probe=False)
    assert written(tmp_path)["custom_channels"] == {"conda-forge": f"{sites[0].url}/cloud"}
    assert sites[0].faults == [404]


def test_an_error_names_each_mirror(run: Run, sites: list[Site], tmp_path: Path) -> None:
    sites[0].faults = [503, 503]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gone = {"custom_channels": {"conda-forge": f"http://ada:hush@localhost:{port}/cloud"}}
    for check in (True, False):
        result = run([mirror(sites[0]), gone], check=check)
        assert result["failed"]
        assert "None of the 2 mirrors serves the channels: " in result["msg"]
        assert f"{sites[0].url}{REPODATA}: the server answered 503 " in result["msg"]
        assert f"localhost:{port}{REPODATA}: " in result["msg"]
        assert "hush" not in json.dumps(result)
        assert "add a mirror that answers to the list" in result["msg"]
        assert "Nothing was changed" in result["msg"]
    assert not (tmp_path / "condarc").exists()


def test_settings_that_conda_refuses_are_named(run: Run) -> None:
    result = run([{"custom_channels": {"conda-forge": ["https://h.invalid"]}}])
    assert "the option settings has custom_channels" in result["msg"].lower()


def test_absent_ignores_mirrors(run: Run, sites: list[Site], tmp_path: Path) -> None:
    (tmp_path / "condarc").write_text("channels: [a]\nsolver: classic\n")
    result = run([mirror(sites[0])], settings={"solver": None}, state="absent")
    assert result["changed"]
    assert written(tmp_path) == {"channels": ["a"]}
    assert sites[0].seen == []
