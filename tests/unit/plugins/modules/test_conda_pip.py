"""conda_pip from its options to its result, on prefixes made of a few files and a scripted pip."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import change as pip_change
from ansible_collections.llmfleet.conda.plugins.module_utils._pip import module as conda_pip
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.change import PipChange
from ansible_collections.llmfleet.conda.plugins.module_utils._pip.installers.report import Reported
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import locked
from ansible_collections.llmfleet.conda.tests.unit.plugins.snapshot import changes, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.wheel_factory import metadata_text

SITE = Path("lib", "python3.11", "site-packages")
JOURNAL = Path("conda-meta", ".llmfleet-journal")


class World:
    """A conda environment of files only; its Python cannot run."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.site = prefix / SITE
        self.site.mkdir(parents=True)
        (prefix / "conda-meta").mkdir()
        (prefix / "conda-meta" / "history").write_text("")
        self.record("python", "3.11.7")
        self.put("pip", "24.2", owner="conda")

    def record(self, name: str, version: str, *files: str) -> None:
        """Write the record of a conda package."""
        content = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "subdir": "linux-64",
            "channel": "lab",
            "files": list(files),
        }
        path = self.prefix / "conda-meta" / f"{name}-{version}-0.json"
        path.write_text(json.dumps(content))

    def put(self, name: str, version: str, *requires: str, owner: str = "pip", **more: Any) -> Path:
        """Install a distribution; returns its dist-info."""
        self.drop(name)
        info = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata_text(name, version, requires, **more))
        (info / "RECORD").write_text(f"{info.name}/METADATA,,\n")
        (info / "INSTALLER").write_text(f"{owner}\n")
        if owner == "conda":
            self.record(name, version, f"{SITE}/{info.name}/METADATA")
        return info

    def drop(self, name: str) -> None:
        """Remove a distribution, whoever owns it."""
        for info in self.site.glob(f"{name.replace('-', '_')}-*.dist-info"):
            for file in info.iterdir():
                file.unlink()
            info.rmdir()


@dataclass
class ScriptedPip:
    """Does to the world what the script says, and keeps what it was asked."""

    world: World
    installs: Sequence[Reported | Exception | Sequence[Reported]] = ()
    checks: Sequence[str] = ()
    can_report: bool = True
    tells_requirements: bool = True
    lies: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)
    compiled: list[set[str]] = field(default_factory=list)

    def __call__(self, *arguments: Any, **more: Any) -> ScriptedPip:
        self.made.append({"arguments": arguments, **more})
        return self

    def install(
        self, lines: Sequence[str], constraints: Sequence[str] = (), **how: bool
    ) -> list[Reported]:
        turn = len(self.asked)
        self.asked.append({"lines": list(lines), "constraints": list(constraints), **how})
        answer = self.installs[min(turn, len(self.installs) - 1)]
        if isinstance(answer, Exception):
            raise answer
        answers = [answer] if isinstance(answer, Reported) else list(answer)
        if not how.get("dry_run") and not self.lies:
            for one in answers:
                self.world.put(one.name, one.version, *one.requires)
        return answers

    def uninstall(self, names: Sequence[str]) -> None:
        self.asked.append({"remove": list(names)})
        for name in names if not self.lies else ():
            self.world.drop(name)

    def check(self) -> list[str]:
        return list(self.checks)

    def compile(self, names: set[str]) -> None:
        self.compiled.append(names)

    def overlook(self, site_packages: str, paths: Sequence[str]) -> None:
        self.asked.append({"overlook": [Path(path).name for path in paths]})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "envs" / "llm")


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the module on the world; returns its result."""

    def run(
        *lines: str,
        pip: ScriptedPip | None = None,
        uv: ScriptedPip | None = None,
        dry: bool = False,
        **more: Any,
    ) -> Any:
        options = {"prefix": str(world.prefix), "requirements": list(lines), **more}
        options = {name: value for name, value in options.items() if value is not None}
        warnings: list[str] = []
        # Ansible keeps warnings for the whole process, and here many modules run in one.
        monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: warnings.append(text))

        def change(request: Any, check_mode: bool) -> PipChange:
            scripted: Any = {"make_pip": pip, "make_uv": uv}
            how = {name: value for name, value in scripted.items() if value}
            return PipChange(request, check_mode, **how)

        arguments = {**options, "_ansible_check_mode": dry, "_ansible_diff": True}
        capsys.readouterr()
        with patch_module_args(arguments), suppress(SystemExit):
            conda_pip.main(make_change=change)
        result = json.loads(capsys.readouterr().out)
        return {**result, "warnings": warnings}

    return run


def test_nothing_to_do_starts_nothing_and_writes_nothing(world: World, call: Call) -> None:
    world.put("app", "1.0", "lib>=1")
    world.put("lib", "1.5")
    before = snapshot(world.prefix.parent)
    for check in (True, False):
        result = call("app>=1", "lib<2", "gone; python_version < '3'", dry=check)
        assert not result.get("failed"), result
        assert not result["changed"]
        assert result["diff"]["before"] == result["diff"]["after"]
        assert result["diff"]["after"].splitlines() == [
            "app==1.0 (pip)",
            "lib==1.5 (pip)",
            "pip==24.2 (conda)",
        ]
        assert result["plan"] == {"install": [], "reinstall": [], "remove": [], "reasons": []}
        assert {"name": "pip", "version": "24.2", "owner": "conda"} in result["packages"]
        assert result["warnings"] == []
    assert changes(before, snapshot(world.prefix.parent)) == []


def test_check_mode_foresees_the_run_and_writes_nothing(world: World, call: Call) -> None:
    pip = ScriptedPip(world, [[Reported("app", "1.0", ("lib",)), Reported("lib", "2.0")]])
    before = snapshot(world.prefix.parent)
    foreseen = call("app", pip=pip, dry=True)
    assert changes(before, snapshot(world.prefix.parent)) == []
    done = call("app", pip=pip)
    assert foreseen["changed"]
    assert done["changed"]
    assert foreseen["diff"] == done["diff"]
    assert foreseen["plan"] == done["plan"]
    assert [asked["dry_run"] for asked in pip.asked] == [True, False]
    # The last checks what is there after the change.
    assert [made["writes"] for made in pip.made] == [False, True, True]
    assert pip.asked[1]["constraints"] == ["pip==24.2"]
    again = call("app", pip=pip)
    assert not again["changed"]
    assert len(pip.asked) == 2
    assert not (world.prefix / JOURNAL).exists()


def test_what_pip_promised_must_be_there(world: World, call: Call) -> None:
    pip = ScriptedPip(world, [Reported("app", "1.0")], lies=True)
    result = call("app", pip=pip)
    assert result["failed"]
    for expected in (
        "pip reported success, but",
        "app is not installed",
        "app 1.0 is not installed",
        str(world.prefix),
    ):
        assert expected in result["msg"]
    world.put("app", "1.0")
    result = call("app", pip=pip, state="absent")
    assert "app is still installed" in result["msg"]


def test_what_conda_owns_must_be_as_before(world: World, call: Call) -> None:
    world.put("numpy", "1.26.4", owner="conda")
    pip = ScriptedPip(world, [[Reported("app", "1.0"), Reported("numpy", "2.0")]])
    result = call("app", pip=pip)
    assert "conda's numpy 1.26.4 was replaced by 2.0" in result["msg"]


def test_damage_that_stays_is_an_error(world: World, call: Call) -> None:
    info = world.put("app", "1.0")
    (info / "RECORD").write_text("app.py,,\n")
    pip = ScriptedPip(world, [Reported("app", "1.0")], lies=True)
    result = call("app", pip=pip)
    assert "app is still damaged (app.py)" in result["msg"]
    assert "repair: false" in result["hint"]
    assert pip.asked[0]["lines"] == ["app==1.0"]
    assert pip.asked[0]["force_reinstall"]


def test_conda_in_the_way_is_explained(world: World, call: Call) -> None:
    world.put("numpy", "1.26.4", owner="conda")
    conflict = CondaModuleError("No set of versions", kind="conflict", said="The conflict")
    wanted = [Reported("app", "2.0", ("numpy>=2",)), Reported("numpy", "2.1")]
    pip = ScriptedPip(world, [conflict, wanted])
    result = call("app", pip=pip)
    assert result["msg"].startswith(
        "pip would have to replace packages that conda owns: numpy 1.26.4 with 2.1 "
        "because app 2.0 requires numpy>=2. Nothing was changed."
    )
    assert result["conda_owned"] == ["numpy"]
    assert pip.asked[0]["constraints"] == ["numpy==1.26.4", "pip==24.2"]
    assert pip.asked[1]["constraints"] == []
    assert pip.asked[1]["dry_run"]


def test_constraints_for_conda_s_own_are_not_passed_on_when_told(world: World, call: Call) -> None:
    world.put("numpy", "1.26.4", owner="conda")
    pip = ScriptedPip(world, [Reported("app", "2.0")])
    full = ["numpy==2.5.5", "app==2.0"]
    result = call("app", pip=pip, constraints=["app<3"], constraints_for_pip=full)
    assert result["changed"], result
    assert pip.asked[0]["constraints"] == ["app<3", "app==2.0", "numpy==1.26.4", "pip==24.2"]


def test_extras_in_constraints_for_pip_are_refused(call: Call) -> None:
    result = call("app", constraints_for_pip=["lib[cli]==1"])
    assert result["failed"]
    assert (
        "The option constraints_for_pip: extras are not allowed in 'lib[cli]==1'" in result["msg"]
    )


@pytest.mark.parametrize(
    "second",
    [CondaModuleError("No set of versions", kind="conflict"), [Reported("app", "2.0")]],
    ids=["conflict without conda too", "conda is not replaced"],
)
def test_a_conflict_of_the_lines_stays_one(second: Any, world: World, call: Call) -> None:
    conflict = CondaModuleError("No set of versions", kind="conflict")
    result = call("app", pip=ScriptedPip(world, [conflict, second]))
    assert result["msg"].startswith("No set of versions")
    assert result["kind"] == "conflict"


def test_told_to_replace_there_are_no_pins(world: World, call: Call) -> None:
    world.put("numpy", "1.26.4", owner="conda")
    pip = ScriptedPip(world, [Reported("numpy", "2.1")])
    foreseen = call("numpy>=2", pip=pip, dry=True, replace_conda_packages=True)
    done = call("numpy>=2", pip=pip, replace_conda_packages=True)
    assert foreseen["diff"] == done["diff"]
    assert "numpy==2.1 (pip)" in done["diff"]["after"]
    assert pip.asked[0]["constraints"] == []


def test_pip_check_fails_a_change(world: World, call: Call) -> None:
    line = "old 1.0 has requirement lib<2, but you have lib 2.0."
    pip = ScriptedPip(world, [Reported("lib", "2.0")], [line])
    result = call("lib", pip=pip)
    assert result["failed"]
    assert result["kind"] == "pip_check"
    assert line in result["msg"]
    assert result["changed"]
    world.drop("lib")
    result = call("lib", pip=pip, check=False)
    assert not result.get("failed"), result
    assert result["changed"]


@pytest.mark.parametrize(
    ("line", "before"),
    [
        ("sad 1.0 requires gone, which is not installed.", True),
        ("sad 1.0 has requirement far[x]<2,>=1, but you have far 3.0.", True),
        ("sad 1.0 is not supported on this platform", True),
        ("sad 2.0 is not supported on this platform", False),
        ("sad 1.0 requires lib, which is not installed.", False),
        ("lib 2.0 is not supported on this platform", False),
        ("something else", False),
    ],
)
def test_what_did_not_fit_before_is_a_warning(
    line: str, before: bool, world: World, call: Call
) -> None:
    world.put("sad", "1.0", "gone>=1", "far[x]>=1,<2")
    world.put("far", "3.0")
    result = call("lib", pip=ScriptedPip(world, [Reported("lib", "2.0")], [line]))
    assert bool(result.get("failed")) is not before, result
    assert result["warnings"] == (
        [f"pip check reports a problem that existed before this task: {line}"] if before else []
    )


def test_check_mode_foresees_what_would_not_fit(world: World, call: Call) -> None:
    world.put("old", "1.0", "lib<2")
    world.put("lib", "1.0")
    pip = ScriptedPip(world, [Reported("lib", "2.0")])
    result = call("lib>=2", pip=pip, dry=True)
    assert "old 1.0 has requirement lib<2, but you have lib 2.0." in result["msg"]
    assert "would leave" in result["msg"]


def test_latest_does_what_was_resolved(world: World, call: Call) -> None:
    world.put("app", "1.0")
    world.put("numpy", "1.26.4", owner="conda")
    newer = [Reported("app", "2.0"), Reported("lib", "3.0")]
    pip = ScriptedPip(world, [newer, newer, []])
    done = call("app", pip=pip, state="latest")
    assert done["changed"]
    assert [asked["dry_run"] for asked in pip.asked] == [True, False]
    assert pip.asked[1]["constraints"] == [
        "numpy==1.26.4",
        "pip==24.2",
        "app==2.0",
        "lib==3.0",
    ]
    again = call("app", pip=pip, state="latest")
    assert not again["changed"]
    assert len(pip.asked) == 3


def test_what_another_run_did_meanwhile_is_not_done_again(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = world.put("app", "1.0")
    (half / "METADATA").unlink()
    pip = ScriptedPip(world, [Reported("app", "1.0")])
    real = locked

    @contextmanager
    def late(*arguments: Any, **more: Any) -> Iterator[None]:
        with real(*arguments, **more):
            world.put("app", "1.0")
            yield

    monkeypatch.setattr(pip_change, "locked", late)
    result = call("app", pip=pip)
    assert not result["changed"]
    assert pip.asked == []
    assert (half / "METADATA").exists()


def test_old_damage_that_is_to_stay_does_not_disturb(world: World, call: Call) -> None:
    (world.put("app", "1.0") / "RECORD").write_text("app.py,,\n")
    pip = ScriptedPip(world, [Reported("lib", "2.0")])
    result = call("app", "lib", pip=pip, repair=False)
    assert result["changed"]
    assert [asked["lines"] for asked in pip.asked] == [["app", "lib"]]


def test_removal(world: World, call: Call) -> None:
    world.put("app", "1.0")
    pip = ScriptedPip(world, [])
    foreseen = call("app", "other", pip=pip, dry=True, state="absent")
    assert pip.asked == []
    done = call("app", "other", pip=pip, state="absent")
    assert foreseen["diff"] == done["diff"]
    assert pip.asked == [{"remove": ["app"]}]
    assert done["plan"]["remove"] == ["app"]


def test_remains_are_overlooked_in_check_mode_and_swept_in_the_run(
    world: World, call: Call
) -> None:
    info = world.put("app", "1.0")
    (info / "METADATA").unlink()
    pip = ScriptedPip(world, [Reported("app", "1.1")])
    foreseen = call("app", pip=pip, dry=True)
    assert info.exists()
    assert pip.asked[0] == {"overlook": ["app-1.0.dist-info"]}
    done = call("app", pip=pip)
    assert not info.exists()
    assert foreseen["diff"] == done["diff"]
    assert "app==1.0 (pip, incomplete)\n" in done["diff"]["before"]


def test_unknown_extras_are_warned_of(world: World, call: Call) -> None:
    world.put("app", "1.0")
    result = call("app[cli]")
    assert not result["changed"]
    assert result["warnings"] == [
        "app[cli]: the installed distribution does not provide this extra"
    ]


def test_an_old_pip_cannot_foresee(world: World, call: Call) -> None:
    pip = ScriptedPip(world, [Reported("app", "1.0")], can_report=False)
    result = call("app", pip=pip, dry=True)
    assert "has no dry run" in result["msg"]
    assert "22.2" in result["hint"]
    assert call("app", pip=pip)["changed"]


def test_without_pip(world: World, call: Call) -> None:
    world.drop("pip")
    result = call("app")
    assert result["msg"].startswith("There is no pip in the environment")
    assert "llmfleet.conda.conda_env" in result["hint"]
    foreseen = call("app>=1", dry=True)
    assert foreseen["changed"]
    assert foreseen["diff"]["after"] == "app>=1 (to be resolved)\n"


def test_a_pypy_environment_evaluates_its_own_markers(world: World, call: Call) -> None:
    record = world.prefix / "conda-meta" / "python-3.11.7-0.json"
    record.write_text(record.read_text().replace('"build": "0"', '"build": "0_73_pypy"'))
    result = call("gone; platform_python_implementation == 'CPython'")
    assert not result["changed"]


def test_credentials_are_masked_in_the_invocation(world: World, call: Call) -> None:
    world.put("app", "1.0")
    result = call(
        "app",
        index_url="https://robot:open-sesame@host/simple",
        extra_index_urls=["https://host/t/tk-secret-token/simple"],
        find_links=["https://other:swordfish@host/wheels"],
    )
    text = json.dumps(result)
    assert "host/simple" in text
    for secret in ("open-sesame", "tk-secret-token", "swordfish"):
        assert secret not in text


def test_a_missing_option_is_named(call: Call, world: World) -> None:
    assert "name, prefix" in call("app", prefix=None)["msg"]
    assert "mutually exclusive" in call("app", name="llm")["msg"]
    assert "installation" in call("app", prefix=None, name="llm")["msg"]
    assert "timeout" in call("app", timeout="soon")["msg"]
    assert "state" in call("app", state="newest")["msg"]


@pytest.mark.parametrize("operation", ["create", "change", "remove"])
def test_a_journal_of_conda_s_is_left_alone(operation: str, world: World, call: Call) -> None:
    text = json.dumps({"operation": operation})
    (world.prefix / JOURNAL).write_text(text)
    pip = ScriptedPip(world, [Reported("app", "1.0")])
    for dry in (True, False):
        result = call("app", pip=pip, dry=dry)
        assert f"({operation}) was interrupted" in result["msg"]
        result = call("pip", pip=pip, dry=dry)
        assert not result.get("failed"), result
        assert not result["changed"]
    assert pip.asked == []
    assert (world.prefix / JOURNAL).read_text() == text


def test_a_journal_of_pip_s_is_dealt_with(world: World, call: Call) -> None:
    (world.prefix / JOURNAL).write_text(json.dumps({"operation": "pip"}))
    left = world.site / "~pp"
    left.mkdir()
    pip = ScriptedPip(world, [Reported("app", "1.0")])
    assert call("app", pip=pip, dry=True)["changed"]
    assert left.exists()
    assert (world.prefix / JOURNAL).exists()
    assert call("app", pip=pip)["changed"]
    assert not left.exists()
    assert not (world.prefix / JOURNAL).exists()
    # What that run had installed may not be compiled; what conda owns is conda's.
    assert [names >= {"app"} for names in pip.compiled] == [True]
    assert "pip" not in pip.compiled[0]


@pytest.mark.parametrize("lost", ["METADATA", "RECORD"])
def test_what_a_killed_installer_had_begun_is_not_in_its_way(
    lost: str, world: World, call: Call
) -> None:
    """A dependency of what is not there yet: uv cannot read it, and nothing that is there asks for it."""
    begun = world.put("dependency", "1.0")
    if lost == "RECORD":
        (begun / "RECORD").write_text("")
    else:
        (begun / "METADATA").unlink()
    pip = ScriptedPip(world, [Reported("app", "1.0")])
    assert call("app", pip=pip)["changed"]
    assert begun.exists()
    world.drop("app")
    (world.prefix / JOURNAL).write_text(json.dumps({"operation": "pip"}))
    pip = ScriptedPip(world, [Reported("app", "1.0")])
    assert call("app", pip=pip, dry=True)["changed"]
    assert begun.exists()
    assert call("app", pip=pip)["changed"]
    assert not begun.exists()


def test_a_lock_left_by_a_run_that_had_done_all_goes(world: World, call: Call) -> None:
    world.put("app", "1.0")
    lock = world.prefix / "conda-meta" / ".llmfleet.lock"
    lock.write_text("{}")
    assert not call("app", dry=True)["changed"]
    assert lock.exists()
    assert not call("app")["changed"]
    assert not lock.exists()


def test_the_journal_is_there_while_pip_works(world: World, call: Call) -> None:
    seen: list[Any] = []

    class Looking(ScriptedPip):
        def install(self, *arguments: Any, **how: bool) -> list[Reported]:
            journal = world.prefix / JOURNAL
            seen.append(json.loads(journal.read_text()) if journal.exists() else None)
            return super().install(*arguments, **how)

    assert call("app", pip=Looking(world, [Reported("app", "1.0")]))["changed"]
    assert [(one["operation"], one["install"]) for one in seen] == [("pip", ["app"])]
    # What is only asked is no change.
    newer = [Reported("app", "1.0")]
    assert not call("app", pip=Looking(world, [newer]), state="latest")["changed"]
    assert seen[1] is None


def test_a_failed_pip_leaves_no_files_without_metadata(world: World, call: Call) -> None:
    class Failing(ScriptedPip):
        def install(self, *arguments: Any, **how: bool) -> list[Reported]:
            (world.site / "app").mkdir()
            (world.site / "app" / "__init__.py").touch()
            return super().install(*arguments, **how)

    before = snapshot(world.prefix)
    result = call("app", pip=Failing(world, [CondaModuleError("the disk is full")]))
    assert result["failed"]
    assert set(snapshot(world.prefix)) == set(before)


def test_uv_in_place_of_pip(world: World, call: Call, tmp_path: Path) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    world.drop("pip")
    uv = ScriptedPip(world, [Reported("app", "1.0")])
    how = {"installer": "uv", "uv_executable": str(program), "uv": uv}
    foreseen, done = call("app", dry=True, **how), call("app", **how)
    assert (foreseen["installer"], done["installer"]) == ("uv", "uv")
    assert foreseen["diff"] == done["diff"]
    assert uv.made[1]["arguments"][:3] == (
        str(world.prefix),
        str(world.prefix / "bin" / "python"),
        str(program),
    )
    line = "The package `sad` requires `gone>=1`, but it's not installed"
    world.put("sad", "1.0", "gone>=1")
    uv.checks = [line]
    uv.installs = [Reported("lib", "1.0")]
    assert call("lib", **how)["warnings"] == [
        f"pip check reports a problem that existed before this task: {line}"
    ]
    uv.checks = ["The package `lib` requires `far`, but it's not installed"]
    world.drop("lib")
    assert call("lib", **how)["kind"] == "pip_check"


def test_uv_that_is_not_there(world: World, call: Call) -> None:
    how = {"installer": "uv", "uv_executable": "/no/such/uv"}
    result = call("app", **how)
    assert result["msg"].startswith(
        "The option uv_executable names /no/such/uv, which is not an executable file"
    )
    assert "uv_executable" in result["hint"]
    # An earlier task of the play may bring it.
    assert call("app", dry=True, **how)["diff"]["after"].endswith(
        "(to be resolved)\npip==24.2 (conda)\n"
    )
    assert not call("pip", **how)["changed"]
    assert "requires an absolute path" in call("app", installer="uv", uv_executable="")["msg"]
    assert "cannot be used with installer: pip" in call("app", uv_executable="/bin/uv")["msg"]
