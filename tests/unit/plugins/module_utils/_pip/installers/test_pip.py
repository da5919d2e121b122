"""Running pip: argv, private files, environment, attempts, and its report."""

from __future__ import annotations

import json
import netrc
import os
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers import (
    base as pip_installer,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip import Pip
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import (
    Reported,
    parse_report,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.scratch import (
    remove_leftovers,
    scratch_directory,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import (
    Sources,
    url_secrets,
)

OK = Completed(0, "", "")
NETWORK = Completed(1, "", "ERROR: HTTP error 503 while getting http://h/x.whl\n")
NO_MATCH = Completed(1, "", "ERROR: No matching distribution found for app\n")
REPORT = {
    "version": "1",
    "pip_version": "24.2",
    "install": [
        {
            "download_info": {"url": "file:///wh/My_App-1.0-py3-none-any.whl", "archive_info": {}},
            "is_direct": False,
            "requested": True,
            "metadata": {
                "metadata_version": "2.1",
                "name": "My_App",
                "version": "1.0",
                "requires_dist": ["lib>=1"],
                "provides_extra": ["Cli_X"],
            },
        },
        {
            "download_info": {"url": "https://h/lib.whl", "archive_info": {}},
            "is_direct": True,
            "metadata": {"metadata_version": "2.1", "name": "lib", "version": "2.0"},
        },
    ],
    "environment": {},
}


@dataclass
class Script:
    """Replaces the start of a process: returns answers in turn and records the calls."""

    answers: list[Completed] = field(default_factory=list)
    report: Any = None
    calls: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    timeouts: list[float] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], *, env: dict[str, str], timeout: float) -> Completed:
        self.calls.append(list(argv))
        self.environments.append(dict(env))
        self.timeouts.append(timeout)
        for option in ("--requirement", "--constraint"):
            if option in argv:
                self.files[option] = Path(argv[argv.index(option) + 1]).read_text()
        answer = self.answers.pop(0) if self.answers else OK
        if answer.rc == 0 and self.report is not None and "--report" in argv:
            Path(argv[argv.index("--report") + 1]).write_text(json.dumps(self.report))
        return answer


@dataclass
class Bench:
    """A pip with its script and the pauses that it made."""

    pip: Pip
    script: Script
    pauses: list[float]


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    def make(
        *answers: Completed,
        sources: Sources | None = None,
        version: str = "24.2",
        report: Any = None,
        seconds: float = 600,
        writes: bool = True,
    ) -> Bench:
        script = Script(list(answers), report)
        pauses: list[float] = []
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        pip = Pip(
            "/opt/c/envs/llm",
            "/opt/c/envs/llm/bin/python",
            version,
            sources or Sources(),
            str(scratch),
            deadline=time.monotonic() + seconds,
            writes=writes,
            runner=script,
            sleep=pauses.append,
        )
        return Bench(pip, script, pauses)

    return make


def test_install(bench: Callable[..., Bench]) -> None:
    made = bench(report=REPORT)
    found = made.pip.install(["my-app", "lib @ https://h/lib.whl"], ["lib<3"])
    assert found == [
        Reported("my-app", "1.0", ("lib>=1",), frozenset({"cli-x"})),
        Reported("lib", "2.0"),
    ]
    assert found[0].direct_url is None
    assert found[1].direct_url == {"url": "https://h/lib.whl", "archive_info": {}}
    (argv,) = made.script.calls
    assert argv[:5] == ["/opt/c/envs/llm/bin/python", "-I", "-m", "pip", "install"]
    for option in (
        "--no-input",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--quiet",
        "--report",
        "--no-compile",
        "--log",
    ):
        assert option in argv
    for option in ("--dry-run", "--upgrade", "--force-reinstall", "--no-cache-dir", "--no-index"):
        assert option not in argv
    assert made.script.files == {
        "--requirement": "my-app\nlib @ https://h/lib.whl\n",
        "--constraint": "lib<3\n",
    }


def test_installed_distributions_are_compiled_afterwards(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    made = bench(report=REPORT)
    made.pip._prefix = str(tmp_path)
    info = tmp_path / "lib" / "python3.11" / "site-packages" / "my_app-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("my_app/a.py,,\n")
    made.pip.install(["my-app"], dry_run=True)
    assert len(made.script.calls) == 1
    made.pip.install(["my-app"])
    compiling = made.script.calls[2]
    assert compiling[:3] == ["/opt/c/envs/llm/bin/python", "-I", "-c"]
    assert Path(compiling[-1]).read_text() == f"{info.parent}/my_app/a.py\n"


def test_a_pip_without_report_compiles_by_itself(bench: Callable[..., Bench]) -> None:
    made = bench(version="22.1.2")
    made.pip.install(["a"])
    (argv,) = made.script.calls
    assert "--no-compile" not in argv


def test_forms_of_install(bench: Callable[..., Bench]) -> None:
    made = bench(sources=Sources(cache_dir="/srv/cache"))
    made.pip.install(["a"], upgrade=True)
    made.pip.install(["a"], force_reinstall=True)
    made.pip.install(["a"], dry_run=True)
    upgrade, again, dry = made.script.calls
    assert upgrade[upgrade.index("--upgrade") + 1 :][:2] == ["--upgrade-strategy", "only-if-needed"]
    assert again[again.index("--force-reinstall") + 1] == "--no-deps"
    assert "--dry-run" in dry
    assert dry[dry.index("--cache-dir") + 1] == "/srv/cache"
    assert "--constraint" not in dry


def test_check_mode_writes_no_cache_and_no_compiled_files(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = bench(writes=False, sources=Sources(cache_dir="/srv/cache"))
    made.pip.install(["a"], dry_run=True)
    (argv,) = made.script.calls
    assert argv[1:4] == ["-I", "-B", "-m"]
    assert "--no-cache-dir" in argv
    assert "--cache-dir" not in argv
    environment = made.script.environments[0]
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment["RUSTUP_HOME"].startswith(environment["TMPDIR"])


def test_the_environment_of_the_child(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    made = bench()
    made.pip.install(["a"])
    environment = made.script.environments[0]
    assert "PIP_TARGET" not in environment
    assert "PYTHONPATH" not in environment
    assert "PIP_INDEX_URL" not in environment
    assert environment["https_proxy"] == "http://proxy:3128"
    assert environment["PIP_USER"] == "0"
    assert environment["TMPDIR"] == str(tmp_path / "scratch" / "tmp")
    assert os.path.isdir(environment["TMPDIR"])


def test_index_url_replaces_the_index_of_the_host(bench: Callable[..., Bench]) -> None:
    made = bench(sources=Sources("https://me:pw@h/s", ("https://x/s", "https://y/s"), ("/a b",)))
    made.pip.install(["a"])
    environment = made.script.environments[0]
    # pip passes its indexes to a child as arguments, so the credentials are in a private file.
    assert environment["PIP_INDEX_URL"] == "https://h/s"
    with open(environment["NETRC"], encoding="utf-8") as stream:
        assert stream.read().splitlines()[-1] == "machine h login me password pw"
    assert os.stat(environment["NETRC"]).st_mode & 0o777 == 0o600
    assert environment["PIP_EXTRA_INDEX_URL"] == "https://x/s https://y/s"
    assert os.listdir(environment["PIP_FIND_LINKS"]) == []
    assert made.script.files["--requirement"] == "--find-links '/a b'\na\n"
    assert "pw" not in " ".join(made.script.calls[0])


@pytest.mark.parametrize(
    "sources",
    [
        # A .netrc has no ports, no form for a token alone, and none that all Pythons read for blanks.
        Sources("https://me:pw@h/s", ("https://h:8080/s",)),
        Sources("https://token@h/s"),
        Sources("https://me:p%20w@h/s"),
        Sources("https://h/s"),
    ],
)
def test_credentials_that_a_netrc_cannot_hold_stay(
    sources: Sources, bench: Callable[..., Bench]
) -> None:
    made = bench(sources=sources)
    made.pip.install(["a"])
    environment = made.script.environments[0]
    assert environment["PIP_INDEX_URL"] == sources.index_url
    assert "NETRC" not in environment


def test_the_user_s_own_netrc_is_included(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "own"))
    (tmp_path / "own").write_text("machine other login a password b\n")
    made = bench(sources=Sources("https://me:pw@h/s"))
    made.pip.install(["a"])
    found = netrc.netrc(made.script.environments[0]["NETRC"])
    assert (found.authenticators("other") or ())[::2] == ("a", "b")
    assert (found.authenticators("h") or ())[::2] == ("me", "pw")


def test_index_url_alone_also_replaces_extra_indexes(bench: Callable[..., Bench]) -> None:
    made = bench(sources=Sources("https://h/s"))
    made.pip.install(["a"])
    assert made.script.environments[0]["PIP_EXTRA_INDEX_URL"] == "https://h/s"


def test_further_sources_add_to_the_host_s(bench: Callable[..., Bench]) -> None:
    sources = Sources(
        extra_index_urls=("https://me:pw@x/s",), find_links=("/wh",), trusted_hosts=("x:80",)
    )
    made = bench(sources=sources)
    made.pip.install(["a"])
    assert not {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"} & set(
        made.script.environments[0]
    )
    assert made.script.files["--requirement"].splitlines() == [
        "--extra-index-url https://x/s",
        "--find-links /wh",
        "--trusted-host x:80",
        "a",
    ]
    assert "pw" not in " ".join(made.script.calls[0])


def test_no_index(bench: Callable[..., Bench]) -> None:
    made = bench(sources=Sources(no_index=True, find_links=("/wh",)))
    made.pip.install(["a"])
    environment = made.script.environments[0]
    assert environment["PIP_NO_INDEX"] == "1"
    assert os.listdir(environment["PIP_FIND_LINKS"]) == []


def test_an_old_pip_has_no_report(bench: Callable[..., Bench]) -> None:
    made = bench(version="22.1.2")
    assert not made.pip.can_report
    assert made.pip.install(["a"]) == []
    assert "--report" not in made.script.calls[0]


@pytest.mark.parametrize(("version", "can"), [("22.2", True), ("26.3", True), ("odd", False)])
def test_which_pip_reports(version: str, can: bool, bench: Callable[..., Bench]) -> None:
    assert bench(version=version).pip.can_report is can


def test_an_old_pip_records_no_hash_of_a_url(bench: Callable[..., Bench], tmp_path: Path) -> None:
    item = {
        "download_info": {"url": "https://h/lib.whl", "archive_info": {"hash": "sha256=00"}},
        "is_direct": True,
        "metadata": {"name": "lib", "version": "2.0"},
    }
    made = bench(version="23.0.1", report={"install": [item]})
    (plain,) = made.pip.install(["lib @ https://h/lib.whl"])
    (hashed,) = made.pip.install(["lib @ https://h/lib.whl#sha256=00"])
    assert plain.direct_url == {"url": "https://h/lib.whl", "archive_info": {}}
    assert hashed.direct_url == item["download_info"]


def test_no_report_means_nothing_was_installed(bench: Callable[..., Bench]) -> None:
    assert bench().pip.install(["a"]) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"install": [{}]}', '{"install": [1]}'])
def test_invalid_reports_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_report(text)


def test_a_report_that_cannot_be_read_is_an_error(bench: Callable[..., Bench]) -> None:
    with pytest.raises(CondaModuleError, match="installation report of pip cannot be read"):
        bench(report={"install": [1]}).pip.install(["a"])


def test_network_faults_are_retried_and_overcome(bench: Callable[..., Bench]) -> None:
    made = bench(NETWORK, NETWORK, OK, report=REPORT)
    assert len(made.pip.install(["a"])) == 2
    assert (len(made.script.calls), made.pauses) == (3, [1.0, 4.0])


def test_network_faults_are_retried_a_bounded_number_of_times(
    bench: Callable[..., Bench],
) -> None:
    made = bench(NETWORK, NETWORK, NETWORK, NETWORK)
    with pytest.raises(CondaModuleError, match="was run 3 times") as raised:
        made.pip.install(["app"])
    assert len(made.script.calls) == 3
    error = raised.value
    assert (error.prefix, error.asked) == ("/opt/c/envs/llm", ["app"])
    assert error.facts == {"kind": "http", "option": "index_url"}
    assert "503" in str(error.said)
    assert error.hint


def test_other_faults_are_not_retried(bench: Callable[..., Bench]) -> None:
    made = bench(NO_MATCH, NO_MATCH)
    with pytest.raises(CondaModuleError, match=r"option requirements") as raised:
        made.pip.install(["app"])
    assert (len(made.script.calls), made.pauses) == (2, [])
    assert "tried" not in str(raised.value)


def test_failures_that_a_damaged_cache_can_cause_are_retried_once_without_the_cache(
    bench: Callable[..., Bench],
) -> None:
    made = bench(NO_MATCH, OK, report=REPORT)
    assert len(made.pip.install(["a"])) == 2
    first, second = made.script.calls
    assert "--no-cache-dir" not in first
    assert second == [*first, "--no-cache-dir"]


def test_a_dry_run_is_not_retried_without_the_cache(bench: Callable[..., Bench]) -> None:
    made = bench(NO_MATCH, writes=False)
    with pytest.raises(CondaModuleError):
        made.pip.install(["app"], dry_run=True)
    assert len(made.script.calls) == 1


def test_no_attempt_begins_after_the_time_is_over(bench: Callable[..., Bench]) -> None:
    made = bench(NETWORK, OK, seconds=0.5)
    with pytest.raises(CondaModuleError):
        made.pip.install(["app"])
    assert (len(made.script.calls), made.pauses) == (1, [])
    assert made.script.timeouts == [1.0]


def test_time_out(bench: Callable[..., Bench]) -> None:
    made = bench(Completed(-9, "", "", timed_out=True))
    with pytest.raises(CondaModuleError, match="option timeout") as raised:
        made.pip.install(["app"])
    assert raised.value.facts["kind"] == "timeout"


def test_messages_show_lines_instead_of_private_file_names(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    path = tmp_path / "scratch" / "requirements.txt"
    text = f"ERROR: Cannot install -r {path} (line 2) because\nERROR: ResolutionImpossible: x\n"
    made = bench(Completed(1, "", text), sources=Sources(find_links=("/wh",)))
    with pytest.raises(CondaModuleError) as raised:
        made.pip.install(["app>=2"])
    assert "Cannot install 'app>=2' because" in str(raised.value.said)


def test_a_python_that_does_not_start(bench: Callable[..., Bench]) -> None:
    made = bench()

    def refuse(*_arguments: Any, **_more: Any) -> Completed:
        raise FileNotFoundError(2, "No such file or directory")

    made.pip._runner = refuse
    with pytest.raises(CondaModuleError, match="cannot be started") as raised:
        made.pip.install(["a"])
    assert "conda_env" in str(raised.value.hint)


def test_uninstall(bench: Callable[..., Bench]) -> None:
    made = bench(OK, NETWORK)
    made.pip.uninstall(["a", "b"])
    assert made.script.calls[0][4:6] == ["uninstall", "--yes"]
    assert made.script.calls[0][-2:] == ["a", "b"]
    with pytest.raises(CondaModuleError):
        made.pip.uninstall(["a"])
    assert len(made.script.calls) == 2


def test_check(bench: Callable[..., Bench]) -> None:
    line = "app 1.0 requires lib, which is not installed."
    made = bench(
        Completed(0, "No broken requirements found.\n", ""),
        Completed(1, f"{line}\n", ""),
        Completed(1, "", "No module named pip\n"),
        Completed(-9, "half a li", "", timed_out=True),
    )
    assert made.pip.check() == []
    assert made.pip.check() == [line]
    for kind in ("no_pip", "timeout"):
        with pytest.raises(CondaModuleError) as raised:
            made.pip.check()
        assert raised.value.facts["kind"] == kind


def test_some_entries_can_be_overlooked(bench: Callable[..., Bench], tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    for name in ("app", "app-1.0.dist-info", "lib"):
        (site / name).mkdir(parents=True)
    (site / "odd.pth").write_text("/elsewhere\n")
    made = bench(writes=False)
    made.pip.overlook(str(site), [str(site / "app-1.0.dist-info")])
    made.pip.install(["app"], dry_run=True)
    (argv,) = made.script.calls
    assert argv[1:5] == ["-I", "-B", "-S", "-c"]
    assert argv[6] == "install"
    shadow = tmp_path / "scratch" / "site-packages"
    assert repr(str(shadow)) in argv[5]
    assert sorted(os.listdir(shadow)) == ["app", "lib"]


def test_the_private_directory_is_private_and_temporary(tmp_path: Path) -> None:
    with scratch_directory(str(tmp_path), "llm") as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert os.path.basename(path).startswith(".llm.llmfleet-pip-")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), scratch_directory(str(tmp_path), "llm"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_private_directory_that_cannot_be_made(tmp_path: Path) -> None:
    with (
        pytest.raises(CondaModuleError, match="Nothing was changed"),
        scratch_directory(str(tmp_path / "no"), "llm"),
    ):
        pass


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    for name in (".llm.llmfleet-pip-x1", ".other.llmfleet-pip-x2", "llm"):
        (tmp_path / name).mkdir()
    remove_leftovers(str(tmp_path), "llm")
    assert sorted(os.listdir(tmp_path)) == [".other.llmfleet-pip-x2", "llm"]


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://host/simple", set()),
        ("https://robot:open-sesame@host/simple", {"robot:open-sesame", "open-sesame"}),
        ("https://robot:abc@host/simple", {"robot:abc"}),
        ("https://token-only@host/simple", {"token-only"}),
        ("git+https://u:longsecret@h/r@v1", {"u:longsecret", "longsecret"}),
        ("https://host/t/tk-0123456/conda", {"tk-0123456"}),
        ("git+ssh://git@host/r", set()),
        ("/a/directory", set()),
    ],
)
def test_secrets_in_addresses(url: str, secrets: set[str]) -> None:
    assert url_secrets([url]) == secrets


CUT = Completed(1, "", "EOFError: marshal data too short\n")
FULL = Completed(1, "", "ERROR: [Errno 28] No space left on device\n")


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prefixes in which compiled files were looked for; each time one is found."""
    prefixes: list[str] = []

    def sweep(prefix: str) -> list[str]:
        prefixes.append(prefix)
        return ["x.pyc"]

    monkeypatch.setattr(pip_installer, "remove_cut_short", sweep)
    return prefixes


def test_pip_is_restarted_after_removing_a_truncated_compiled_file(
    bench: Callable[..., Bench], swept: list[str]
) -> None:
    made = bench(CUT, OK)
    made.pip.uninstall(["app"])
    assert (len(made.script.calls), swept) == (2, ["/opt/c/envs/llm"])


def test_pip_is_restarted_only_once(bench: Callable[..., Bench], swept: list[str]) -> None:
    made = bench(CUT, CUT, CUT)
    with pytest.raises(CondaModuleError, match="is truncated"):
        made.pip.uninstall(["app"])
    assert len(made.script.calls) == 2


def test_after_a_full_disk_truncated_compiled_files_are_removed(
    bench: Callable[..., Bench], swept: list[str]
) -> None:
    with pytest.raises(CondaModuleError, match="volume is full"):
        bench(FULL).pip.uninstall(["app"])
    assert swept == ["/opt/c/envs/llm"]


def test_check_mode_removes_no_compiled_file(bench: Callable[..., Bench], swept: list[str]) -> None:
    with pytest.raises(CondaModuleError, match="is truncated"):
        bench(CUT, writes=False).pip.install(["app"])
    assert swept == []
