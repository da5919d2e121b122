"""Running uv: argv, private files, environment, and its list of changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers import uv as pip_uv
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.pip_conf import (
    PipConfiguration,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv import Uv
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.uv_changes import (
    parse_changes,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.sources import Sources
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.python_requirement import (
    parse_lines,
)

OK = Completed(0, "", "Resolved 1 package in 1ms\nInstalled 1 package in 1ms\n + a==1.0\n")
UV = "/opt/uv/bin/uv"


@dataclass
class Script:
    """Replaces the start of a process: returns answers in turn and records the calls."""

    answers: list[Completed] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def __call__(self, argv: Sequence[str], *, env: dict[str, str], timeout: float) -> Completed:
        assert timeout > 0
        self.calls.append(list(argv))
        self.environments.append(dict(env))
        for option in ("--requirement", "--constraint"):
            if option in argv:
                self.files[option] = Path(argv[argv.index(option) + 1]).read_text()
        if argv[-1].endswith("modules.txt"):
            self.files["modules"] = Path(argv[-1]).read_text()
        return self.answers.pop(0) if self.answers else OK


@dataclass
class Bench:
    uv: Uv
    script: Script
    prefix: Path
    scratch: Path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    def make(
        *answers: Completed,
        sources: Sources | None = None,
        host: PipConfiguration | None = None,
        writes: bool = True,
    ) -> Bench:
        monkeypatch.setattr(
            pip_uv, "read_configuration", lambda _prefix: host or PipConfiguration()
        )
        script = Script(list(answers))
        prefix, scratch = tmp_path / "env", tmp_path / "scratch"
        scratch.mkdir()
        uv = Uv(
            str(prefix),
            f"{prefix}/bin/python",
            UV,
            sources or Sources(),
            str(scratch),
            deadline=time.monotonic() + 600,
            writes=writes,
            runner=script,
            sleep=lambda _seconds: None,
        )
        return Bench(uv, script, prefix, scratch)

    return make


def test_install(bench: Callable[..., Bench]) -> None:
    made = bench()
    assert made.uv.install(["A>=1", "b"], ["b<3"]) == [Reported("a", "1.0")]
    argv = made.script.calls[0]
    assert argv[:5] == [UV, "pip", "install", "--python", f"{made.prefix}/bin/python"]
    assert made.script.files == {"--requirement": "A>=1\nb\n", "--constraint": "b<3\n"}
    for option in ("--dry-run", "--upgrade-package", "--reinstall", "--require-hashes", "--target"):
        assert option not in argv


def test_forms_of_install(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.uv.install(["b>=1", "a[x]"], upgrade=True)
    made.uv.install(["a==1.0"], force_reinstall=True)
    made.uv.install(["a"], dry_run=True)
    made.uv.install(["a==1.0 --hash=sha256:00"])
    upgrade, again, dry, hashes = made.script.calls
    # Like pip's only-if-needed: upgrade what the lines name, not their dependencies.
    assert upgrade[-4:] == ["--upgrade-package", "a", "--upgrade-package", "b"]
    assert again[-2:] == ["--reinstall", "--no-deps"]
    assert dry[-3:] == ["--dry-run", "--output-format", "json"]
    assert "--constraint" not in dry
    assert hashes[-1] == "--require-hashes"


def test_the_environment_of_the_child(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "UV_INDEX_URL": "https://elsewhere/simple",
        "UV_OFFLINE": "1",
        "UV_SYSTEM_CERTS": "1",
        "PIP_INDEX_URL": "https://elsewhere/simple",
        "VIRTUAL_ENV": "/elsewhere",
        "https_proxy": "http://proxy:3128",
    }.items():
        monkeypatch.setenv(name, value)
    made = bench(sources=Sources(cache_dir="/srv/cache", trusted_hosts=("h:80", "i")))
    made.uv.install(["a"])
    environment = made.script.environments[0]
    assert not {"UV_INDEX_URL", "UV_OFFLINE", "PIP_INDEX_URL", "VIRTUAL_ENV"} & set(environment)
    for name, value in {
        "UV_SYSTEM_CERTS": "1",
        "https_proxy": "http://proxy:3128",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_INDEX_STRATEGY": "first-index",
        "UV_LINK_MODE": "copy",
        "UV_CACHE_DIR": "/srv/cache",
        "UV_INSECURE_HOST": "h:80 i",
        "TMPDIR": f"{made.scratch}/tmp",
    }.items():
        assert environment[name] == value
    assert "UV_PRERELEASE" not in environment


def test_check_mode_uses_no_cache_of_the_host(bench: Callable[..., Bench]) -> None:
    made = bench(writes=False, sources=Sources(cache_dir="/srv/cache"))
    made.uv.install(["a"], dry_run=True)
    assert made.script.environments[0]["UV_CACHE_DIR"] == f"{made.scratch}/cache"
    assert len(made.script.calls) == 1


HOST = PipConfiguration(
    index_url="https://me:pw@host/simple",
    extra_index_urls=("https://more/simple",),
    find_links=("/wh",),
    pre=True,
    trusted_hosts=("plain",),
    cert="/etc/ca.pem",
    proxy="http://proxy:1",
)


def test_the_host_s_configuration_of_pip_is_passed_on(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://other:1")
    more = Sources(extra_index_urls=("http://plain/simple",), find_links=("/a b",))
    made = bench(host=HOST, sources=more)
    made.uv.install(["a"])
    assert made.script.files["--requirement"].splitlines() == [
        "--index-url https://me:pw@host/simple",
        "--extra-index-url https://more/simple",
        "--extra-index-url http://plain/simple",
        "--find-links file:///wh",
        "--find-links file:///a%20b",
        "a",
    ]
    environment = made.script.environments[0]
    assert environment["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert environment["HTTPS_PROXY"] == "http://proxy:1"
    assert "https_proxy" not in environment
    assert environment["UV_PRERELEASE"] == "allow"
    assert environment["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert environment["UV_INSECURE_HOST"] == "plain"
    assert "pw" not in " ".join(made.script.calls[0])


@pytest.mark.parametrize(
    ("sources", "lines"),
    [
        (
            Sources("https://own/s", ("https://x/s",)),
            ["--index-url https://own/s", "--extra-index-url https://x/s"],
        ),
        (Sources(no_index=True, find_links=("/w",)), ["--no-index", "--find-links file:///w"]),
    ],
)
def test_the_tasks_sources_replace_those_of_the_host(
    sources: Sources, lines: list[str], bench: Callable[..., Bench]
) -> None:
    made = bench(host=HOST, sources=sources)
    made.uv.install(["a"])
    assert made.script.files["--requirement"].splitlines() == [*lines, "a"]


def test_a_host_without_an_index(bench: Callable[..., Bench]) -> None:
    made = bench(host=PipConfiguration(no_index=True, index_url="https://h/s", find_links=("/w",)))
    made.uv.install(["a"])
    assert made.script.files["--requirement"].splitlines()[:-1] == [
        "--no-index",
        "--find-links file:///w",
    ]


@pytest.mark.parametrize(
    ("url", "trusted", "refused"),
    [
        ("http://host/simple", (), True),
        ("http://host/simple", ("host",), False),
        ("http://host:8080/simple", ("host:8080",), False),
        ("http://host:8080/simple", ("host:80",), True),
        ("http://127.0.0.1:9/simple", (), False),
        ("http://localhost/simple", (), False),
        ("http://[::1]/simple", (), False),
        ("https://host/simple", (), False),
    ],
)
def test_plain_http_needs_trust(
    url: str, trusted: tuple[str, ...], refused: bool, bench: Callable[..., Bench]
) -> None:
    made = bench(sources=Sources(url, trusted_hosts=trusted))
    if not refused:
        made.uv.install(["a"])
        return
    with pytest.raises(CondaModuleError) as raised:
        made.uv.install(["a"])
    assert raised.value.facts == {"kind": "untrusted", "option": "trusted_hosts"}
    assert made.script.calls == []


def test_uninstall_and_check(bench: Callable[..., Bench]) -> None:
    line = "The package `app` requires `lib>=1.0`, but it's not installed"
    made = bench(
        OK,
        Completed(0, "", "Checked 4 packages in 63ms\nAll installed packages are compatible\n"),
        Completed(1, "", f"Checked 3 packages in 1ms\nFound 1 incompatibility\n{line}\n"),
        Completed(2, "", "error: the sky fell\n"),
        Completed(-9, "", "", timed_out=True),
    )
    made.uv.uninstall(["a", "b"])
    assert made.script.calls[0][2:] == [
        "uninstall",
        "--python",
        f"{made.prefix}/bin/python",
        "a",
        "b",
    ]
    assert made.uv.check() == []
    assert made.uv.check() == [line]
    for kind in ("other", "timeout"):
        with pytest.raises(CondaModuleError) as raised:
            made.uv.check()
        assert raised.value.facts["kind"] == kind


def test_network_faults_are_retried_and_others_not(bench: Callable[..., Bench]) -> None:
    reset = Completed(2, "", "error: x\n  cause: Connection reset by peer (os error 104)\n")
    made = bench(reset, reset, OK)
    assert made.uv.install(["a"], dry_run=True) == [Reported("a", "1.0")]
    assert len(made.script.calls) == 3
    made.script.answers = [reset] * 4
    with pytest.raises(CondaModuleError, match="was run 3 times"):
        made.uv.install(["a"])


def test_a_uv_that_does_not_start(bench: Callable[..., Bench]) -> None:
    made = bench()

    def refuse(*_arguments: Any, **_more: Any) -> Completed:
        raise PermissionError(13, "Permission denied")

    made.uv._runner = refuse
    with pytest.raises(CondaModuleError, match="/opt/uv/bin/uv cannot be started") as raised:
        made.uv.install(["a"])
    assert "uv_executable" in str(raised.value.hint)


def test_installed_modules_are_compiled(bench: Callable[..., Bench]) -> None:
    made = bench()
    site = made.prefix / "lib" / "python3.11" / "site-packages"
    for name, files in (("a-1.0", ["a/b.py", "a/c.txt", "../../../bin/a.py"]), ("z-1.0", ["z.py"])):
        info = site / f"{name}.dist-info"
        info.mkdir(parents=True)
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    os.symlink("python3.11", made.prefix / "lib" / "python3.1")
    made.uv.install(["a"])
    python = f"{made.prefix}/bin/python"
    assert made.script.calls[1][:3] == [python, "-I", "-c"]
    assert made.script.files["modules"] == f"{site}/a/b.py\n"


def test_compiled_modules_are_removed_with_their_source(bench: Callable[..., Bench]) -> None:
    made = bench()
    site = made.prefix / "lib" / "python3.11" / "site-packages"
    (site / "__pycache__").mkdir(parents=True)
    for module in ("gone", "stays"):
        (site / f"{module}.py").write_text("")
        (site / "__pycache__" / f"{module}.cpython-311.pyc").write_text("")

    def uninstall(argv: Sequence[str], **_more: Any) -> Completed:
        (site / f"{argv[-1]}.py").unlink()
        return OK

    made.uv._runner = uninstall
    made.uv.uninstall(["gone"])
    assert os.listdir(site / "__pycache__") == ["stays.cpython-311.pyc"]


def test_some_entries_can_be_overlooked(bench: Callable[..., Bench], tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    for name in ("app-1.0.dist-info", "lib-2.0.dist-info", "lib"):
        (site / name).mkdir(parents=True)
    (site / "lib-2.0.dist-info" / "METADATA").write_text("Name: lib\n")
    made = bench(writes=False)
    made.uv.overlook(str(site), [str(site / "app-1.0.dist-info")])
    made.uv.install(["app"], dry_run=True)
    shadow = made.scratch / "site-packages"
    argv = made.script.calls[0]
    assert argv[argv.index("--target") + 1] == str(shadow)
    assert os.listdir(shadow) == ["lib-2.0.dist-info"]
    assert (shadow / "lib-2.0.dist-info" / "METADATA").read_text() == "Name: lib\n"


CHANGES = """\
Using Python 3.11.7 environment at: /opt/conda/envs/llm
Resolved 5 packages in 3ms
Uninstalled 2 packages in 1ms
Installed 4 packages in 1ms
 - t-lib==1.0
 - t-old==1.0 (from file:///wh/t_old-1.0-py3-none-any.whl)
 + t-lib==2.0
 ~ t-app==1.0
 + my-tool==0.3 (from git+https://robot:****@host/my/tool@0123abc)
 + t-url==1.0+local (from http://robot:****@host/t_url-1.0-py3-none-any.whl#sha256=00)
"""


def test_the_list_of_changes() -> None:
    lines = [
        "my-tool @ git+https://robot:secret@host/my/tool@v3",
        "t_url @ http://robot:secret@host/t_url-1.0-py3-none-any.whl#sha256=00",
    ]
    found = parse_changes(CHANGES, parse_lines(lines, "requirements"))
    assert [(one.name, one.version) for one in found] == [
        ("t-lib", "2.0"),
        ("t-app", "1.0"),
        ("my-tool", "0.3"),
        ("t-url", "1.0+local"),
    ]
    assert [one.direct_url for one in found] == [
        None,
        None,
        {
            "url": "https://host/my/tool",
            "vcs_info": {"vcs": "git", "commit_id": "0123abc", "requested_revision": "v3"},
        },
        {"url": "http://host/t_url-1.0-py3-none-any.whl", "archive_info": {}},
    ]


FORESEEN = """\
Would install 3 packages
 + t-lib==1.1
 + t-old @ file:///wh/t_old-1.0-py3-none-any.whl
 + tool @ git+file:///srv/tool@df73fc2
"""
DOCUMENT = """\
{"schema": {"version": "preview"}, "changes": [
  {"name": "t-old", "version": "0.9", "action": "uninstalled"},
  {"name": "t-old", "version": "1.0", "action": "installed"},
  {"name": "tool", "version": "0.7", "action": "installed"}], "dry_run": true}
"""


@pytest.mark.parametrize(
    ("document", "version"), [(DOCUMENT, "0.7"), ("", ""), ("[]", ""), ('{"changes": [1]}', "")]
)
def test_the_list_of_a_dry_run(document: str, version: str) -> None:
    found = parse_changes(FORESEEN, (), document)
    assert [(one.name, one.version) for one in found] == [
        ("t-lib", "1.1"),
        ("t-old", "1.0"),
        ("tool", version),
    ]
    assert found[2].direct_url == {
        "url": "file:///srv/tool",
        "vcs_info": {"vcs": "git", "commit_id": "df73fc2", "requested_revision": "df73fc2"},
    }


def test_an_older_uv_without_json(bench: Callable[..., Bench]) -> None:
    made = bench(Completed(2, "", "error: unexpected argument '--output-format' found\n"), OK)
    assert made.uv.install(["a"], dry_run=True) == [Reported("a", "1.0")]
    assert made.script.calls[1][-1] == "--dry-run"


def test_failures_that_a_damaged_cache_can_cause_are_retried_once_without_the_cache(
    bench: Callable[..., Bench],
) -> None:
    made = bench(Completed(1, "", "error: something else\n"), OK)
    made.uv.install(["a"])
    assert made.script.calls[1] == [*made.script.calls[0], "--no-cache"]
