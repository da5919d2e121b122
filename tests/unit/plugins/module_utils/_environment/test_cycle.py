"""The whole cycle for an environment, with a fake conda that links packages from a table."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core import room as core_room
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    apply as environment_apply,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
    EnvironmentChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    parse_lock,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.metadata import Notes
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import (
    result_of,
    run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.subject import (
    EnvironmentOutcome,
    diff_of,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    removal as prefix_removal,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import AccessManager
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.claim import claim
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.history import requests
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import LEFT
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.killed import each_kill

# Knows six 1.0 and 2.0, tqdm 1.0 which needs six, sole 1.0, and two versions of python. "name=version" and
# "name>=version" only.
CONDA = """\
#!{python} -I
import json, os, re, shutil, sys
from pathlib import Path
here = Path({here!r})
argv = sys.argv[1:]
with open(here / "calls", "a") as stream:
    stream.write(json.dumps(argv) + "\\n")
mode = (here / "mode").read_text() if (here / "mode").exists() else ""
if mode == "refuse":
    print(json.dumps({{"exception_name": "PackagesNotFoundError", "message": "no such thing"}}))
    sys.exit(1)
if mode == "conflict":
    # Output of conda 26.7.1 with libmamba, shortened.
    print(json.dumps({{"exception_name": "SpecsConfigurationConflictError", "message":
        "Requested specs conflict with configured specs.  pinned specs: \\n    - six=1"}}))
    sys.exit(1)
command, prefix, rest = argv[0], Path(argv[2]), [
    a for before, a in zip(argv[2:], argv[3:]) if not a.startswith("-") and before != "--channel"]
if mode.startswith("without ") and set(mode.split()[1:]) & set(rest):
    print(json.dumps({{"exception_name": "UnsatisfiableError", "message": "that cannot be"}}))
    sys.exit(1)
if mode == "die":
    # As when it is killed while it removes: no environment any more, and not gone either.
    (prefix / "conda-meta" / "history").unlink()
    os.kill(os.getpid(), 9)
if mode == "full":
    # The state after conda has rolled back its links.
    (prefix / "conda-meta" / "tqdm-1.0-0.json").touch()
    print(json.dumps({{"exception_name": "NoSpaceLeftError", "message": "No space left on device"}}))
    sys.exit(1)
known = {{"six": ["1.0", "2.0"], "tqdm": ["1.0"], "sole": ["1.0"], "python": ["3.11.7", "3.12.1"]}}
needs = {{"tqdm": ["six"]}}
meta = prefix / "conda-meta"
def content(name):
    return f"code of {{name}}\\n"
linked = {{}}
if command != "create" and meta.is_dir():
    for path in meta.glob("*.json"):
        data = json.loads(path.read_text())
        linked[data["name"]] = data["version"]
wanted = dict(linked)
force = "--force-reinstall" in argv
if "--file" in argv:
    for line in Path(argv[argv.index("--file") + 1]).read_text().splitlines()[1:]:
        name, version, _build = line.rsplit("/", 1)[1].rsplit("-", 2)
        wanted[name] = version
elif command == "remove":
    gone = set(linked) if "--all" in argv else set(rest)
    if "--force" not in argv: gone |= {{name for name, depends in needs.items() if gone & set(depends)}}
    wanted = {{name: version for name, version in linked.items() if name not in gone}}
else:
    for spec in rest:
        name, operator, version = re.fullmatch(r"([a-z]+)(>?==?)?([0-9.]*).*", spec).groups()
        newest = known[name][-1]
        update = "--update-specs" in argv
        wanted[name] = version if operator in ("=", "==") else (
            linked[name] if name in linked and not update and not operator else newest)
        for depend in needs.get(name, []):
            wanted.setdefault(depend, known[depend][-1])
def item(name, version):
    return {{"name": name, "version": version, "build_string": "0", "channel": "lab"}}
again = set(re.match("[a-z]+", spec).group() for spec in rest) if force else set()
changed = [n for n in wanted if linked.get(n) != wanted[n] or n in again]
gone = [n for n in linked if wanted.get(n) != linked[n] or n in again]
if "--dry-run" not in argv and mode != "lie":
    if command == "create":
        # Foreign files stay, as with the real conda.
        for name in ("conda-meta", "lib"): shutil.rmtree(prefix / name, ignore_errors=True)
        meta.mkdir(parents=True)
    for name in gone:
        (meta / f"{{name}}-{{linked[name]}}-0.json").unlink()
        (prefix / "lib" / f"{{name}}.py").unlink(missing_ok=True)
    for name in changed:
        (prefix / "lib").mkdir(exist_ok=True)
        (prefix / "lib" / f"{{name}}.py").write_text(content(name))
        path = f"lib/{{name}}.py"
        (meta / f"{{name}}-{{wanted[name]}}-0.json").write_text(json.dumps({{
            "name": name, "version": wanted[name], "build": "0", "channel": "lab", "files": [path],
            "depends": needs.get(name, []),
            "paths_data": {{"paths": [{{"_path": path, "size_in_bytes": len(content(name))}}]}}}}))
    with open(meta / "history", "a") as stream:
        stream.write("==> 2026-01-02 03:04:05 <==\\n# cmd: " + " ".join([command, *rest]) + "\\n")
        stream.writelines(f"-lab/noarch::{{n}}-{{linked[n]}}-0\\n" for n in gone if n not in again)
        stream.writelines(f"+lab/noarch::{{n}}-{{wanted[n]}}-0\\n" for n in changed if n not in again)
        if rest and "--file" not in argv:
            stream.write(f"# {{'remove' if command == 'remove' else 'update'}} specs: {{rest}}\\n")
actions = {{"LINK": [item(n, wanted[n]) for n in changed], "UNLINK": [item(n, linked[n]) for n in gone]}}
print(json.dumps({{"success": True, "actions": actions}}))
"""


class World:
    """A place with the fake conda, and a prefix to be managed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prefix = path / "env"
        self.installation = path / "base"
        self.tools = path / "tools"
        self.tools.mkdir()
        executable = self.tools / "conda"
        executable.write_text(CONDA.format(python=sys.executable, here=str(self.tools)))
        executable.chmod(0o755)

    def mode(self, mode: str) -> None:
        (self.tools / "mode").write_text(mode)

    def calls(self) -> list[list[str]]:
        try:
            return list(map(json.loads, (self.tools / "calls").read_text().splitlines()))
        except FileNotFoundError:
            return []

    def request(self, *packages: str, **options: Any) -> Request:
        defaults = {
            "prefix": str(self.prefix),
            "whole": True,
            "executable": str(self.tools / "conda"),
            "timeout": 30.0,
        }
        noted = {
            key: options.pop(key)
            for key in ("frozen", "pinned", "variables", "owner", "group")
            if key in options
        }
        return Request(
            installation=str(self.installation),
            wanted=parse_specs(packages),
            notes=Notes(**noted),
            **{**defaults, **options},
        )

    def run(self, *packages: str, check: bool = False, **options: Any) -> EnvironmentOutcome:
        return run(self.request(*packages, **options), check, EnvironmentChange)

    def both(self, *packages: str, **options: Any) -> EnvironmentOutcome:
        """The contract: check mode writes nothing and predicts the run; afterwards no changes are needed."""
        before = snapshot(self.prefix) if self.prefix.exists() else None
        foretold = self.run(*packages, check=True, **options)
        assert (snapshot(self.prefix) if self.prefix.exists() else None) == before
        done = self.run(*packages, **options)
        request = self.request(*packages, **options)
        assert foretold.changed == done.changed
        assert diff_of(request, foretold) == diff_of(request, done)
        assert foretold.plan == done.plan
        assert self.leftovers() == []
        if options.get("state") != "latest":
            started = len(self.calls())
            again = self.run(*packages, **options)
            assert not again.changed
            assert not again.plan
            assert len(self.calls()) == started
        return done

    def half_made(self) -> None:
        """Leave the state of a creation during which conda and the module were killed."""
        said = {"operation": "create", "directory": claim(str(self.prefix))}
        (self.prefix / "lib").mkdir()
        (self.path / ".env.llmfleet-journal").write_text(json.dumps(said))

    def killed_removal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module is killed when all but the records is gone."""

        def killed(_prefix: str, _left: object) -> None:
            raise KeyboardInterrupt

        (self.prefix / "mine").write_text("")
        with monkeypatch.context() as patch:
            patch.setattr(prefix_removal, "_leave_word", killed)
            with pytest.raises(KeyboardInterrupt):
                self.run(state="absent")
        (self.prefix / "mine").unlink()

    def leftovers(self) -> list[str]:
        """Files of our own that a finished run must not leave."""
        return [str(path) for path in self.path.rglob("*llmfleet*")]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # However full the volume of the tests is, these changes do not fill it.
    monkeypatch.setattr(core_room, "AMPLE", 0)
    monkeypatch.setattr(core_room, "AMPLE_INODES", 0)
    return World(tmp_path)


def packages(outcome: EnvironmentOutcome) -> list[str]:
    return sorted(f"{item.name} {item.version}" for item in outcome.observed.state.records.values())


def test_create(world: World) -> None:
    done = world.both("tqdm", "six=1.0", channels=("lab",))
    assert done.changed
    assert done.plan.create
    assert packages(done) == ["six 1.0", "tqdm 1.0"]
    real = [call for call in world.calls() if "--dry-run" not in call]
    assert [call[0] for call in real] == ["create"]
    assert real[0][-2:] == ["tqdm", "six=1.0"]
    assert real[0][6:9] == ["--override-channels", "--channel", "lab"]


def leave(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """All volumes have so many bytes free, which is not ample."""
    found = SimpleNamespace(
        f_bavail=size // 512, f_frsize=512, f_files=0, f_favail=0, f_flag=0, f_bsize=512
    )
    monkeypatch.setattr(core_room, "AMPLE", 1 << 40)
    monkeypatch.setattr(os, "statvfs", lambda _path: found)


@pytest.mark.parametrize("check", [True, False])
def test_a_change_that_does_not_fit_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    world.run("six=1.0")
    before = snapshot(world.prefix)
    started = len(world.calls())
    leave(monkeypatch, 4096)
    with pytest.raises(CondaModuleError, match="Not enough free space for") as caught:
        world.run("six=1.0", "tqdm", check=check)
    assert caught.value.facts["error_kind"] == "disk_full"
    assert "llmfleet.conda.clean" in str(caught.value.hint)
    if check:
        assert snapshot(world.prefix) == before
    assert packages(world.run("six=1.0")) == ["six 1.0"]
    assert all("--dry-run" in call for call in world.calls()[started:])


def test_a_scarce_volume_costs_a_dry_run_and_no_change_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(monkeypatch, 1 << 30)
    assert world.run("six=1.0").changed
    assert ["--dry-run" in call for call in world.calls()] == [True, False]
    leave(monkeypatch, 0)
    assert not world.run("six=1.0").changed
    assert world.run(state="absent").changed
    assert len([call for call in world.calls() if "--dry-run" in call]) == 1


def frozen(world: World) -> bool:
    return (world.prefix / "conda-meta" / "frozen").exists()


def test_the_marker_is_set_and_removed_without_conda(world: World) -> None:
    world.run("six=1.0")
    started = len(world.calls())
    done = world.both("six", frozen=True)
    assert done.plan.reasons == ("the environment is not frozen, but must be",)
    assert (done.before, done.after) == (["six 1.0 0 lab"], ["(frozen)", "six 1.0 0 lab"])
    assert frozen(world)
    assert not world.run("six").changed
    assert world.both("six", frozen=False).changed
    assert not frozen(world)
    assert len(world.calls()) == started


def test_pins_and_variables_alone_start_no_conda(world: World) -> None:
    world.run("six=1.0")
    started = len(world.calls())
    done = world.both("six", pinned=("six<2",), variables={"A": "1"})
    assert done.plan.notes
    assert done.plan.reasons == (
        "the requested pins are not set: six<2",
        "the variable A does not have the requested value",
    )
    assert done.after == ["(pinned: six<2)", "(variable: A=********)", "six 1.0 0 lab"]
    assert len(world.calls()) == started
    assert not world.run("six").changed
    assert world.both("six", pinned=()).after == ["six 1.0 0 lab"]


def test_the_owner_changes_without_conda(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record belongs to another user until the owner changes: to do that for real takes root."""
    world.run("six=1.0")
    started = len(world.calls())
    given: set[int] = set()
    real = os.lstat
    record = world.prefix / "conda-meta" / "six-1.0-0.json"

    def lstat(path: str) -> os.stat_result:
        status = real(path)
        if path != str(record) or status.st_ino in given:
            return status
        return os.stat_result((*status[:4], 54321, *status[5:]))

    def chown(_self: AccessManager, name: str, directory: int | None) -> None:
        given.add(os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino)

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(AccessManager, "_chown", chown)
    me = str(os.getuid())
    done = world.both("six", owner=me)
    assert done.plan.notes
    assert done.plan.reasons == (f"the owner is 54321, not {me}",)
    assert done.before == ["(owner: 54321)", "six 1.0 0 lab"]
    assert done.after == [f"(owner: {me})", "six 1.0 0 lab"]
    assert len(world.calls()) == started


def test_created_with_pins_in_two_steps(world: World) -> None:
    done = world.both("six>=1.0", "sole", pinned=("six=2.0",), channels=("lab",))
    assert packages(done) == ["six 2.0", "sole 1.0"]
    real = [call for call in world.calls() if "--dry-run" not in call]
    assert [call[0] for call in real] == ["create", "install"]
    assert real[0][6:] == real[1][6:9] == ["--override-channels", "--channel", "lab"]
    assert real[1][-2:] == ["six>=1.0", "sole"]


def test_an_empty_environment_with_pins_and_variables(world: World) -> None:
    done = world.both(pinned=("six<2",), variables={"A": "1", "B": None}, frozen=True)
    assert done.after == ["(frozen)", "(pinned: six<2)", "(variable: A=********)"]
    assert world.both(state="absent", frozen=False).after is None


def test_a_change_by_a_pin_is_a_revision_and_no_request(world: World) -> None:
    world.run("six=2.0", "sole")
    history = (world.prefix / "conda-meta/history").read_text()
    done = world.both("sole", pinned=("six=1.0",))
    assert done.plan.not_requested == done.plan.install == ("six=1.0",)
    assert packages(done) == ["six 1.0", "sole 1.0"]
    assert (world.prefix / "conda-meta/history").read_text() == (
        f"{history}==> 2026-01-02 03:04:05 <==\n# cmd: install six=1.0\n"
        "-lab/noarch::six-2.0-0\n+lab/noarch::six-1.0-0\n"
    )


def test_a_solution_that_violates_a_pin_is_refused_before_the_change(world: World) -> None:
    """The fake ignores pins, like the classic solver when a spec contradicts one."""
    world.run("six=1.0")
    pinned = world.prefix / "conda-meta" / "pinned"
    pinned.write_text("six<2\n")
    before = snapshot(world.prefix)
    for options in ({}, {"pinned": ("six<2.0",)}, {"whole": False}):
        for check in (True, False):
            with pytest.raises(
                CondaModuleError, match=r"but the pin six<2(\.0)? forbids it"
            ) as caught:
                world.run("six=2.0", check=check, **options)
            assert caught.value.facts["error_kind"] == "pinned"
    assert snapshot(world.prefix) == before
    assert not world.run("six=1.0").changed


def test_pins_come_back_when_conda_fails(world: World) -> None:
    world.run("six=2.0", pinned=("six>1",))
    world.mode("refuse")
    with pytest.raises(CondaModuleError, match="honours the pins of the environment"):
        world.run("six=2.0", "sole", pinned=("sole=1.0",))
    assert (world.prefix / "conda-meta" / "pinned").read_text() == "six>1\n"


def test_existing_pins_are_named_when_conda_finds_no_solution(world: World) -> None:
    world.run("six=1.0")
    (world.prefix / "conda-meta" / "pinned").write_text("# ours\nsix<2\n")
    world.mode("refuse")
    with pytest.raises(CondaModuleError, match="the pins of the environment: six<2") as caught:
        world.run("sole")
    assert "conda-meta/pinned" in str(caught.value.hint)


@pytest.mark.parametrize("check", [True, False])
def test_a_solver_that_refuses_because_of_a_pin(world: World, check: bool) -> None:
    world.run("six=1.0", pinned=("six 1.*",))
    world.mode("conflict")
    with pytest.raises(
        CondaModuleError, match=r"honours the pins of the environment: six 1\.\*"
    ) as caught:
        world.run("six=2.0", check=check, whole=False)
    assert caught.value.facts["pins"] == ["six 1.*"]
    assert "conda-meta/pinned" in str(caught.value.hint)


def test_a_run_interrupted_between_pins_and_packages_is_completed(world: World) -> None:
    world.run("six=2.0")
    (world.prefix / "conda-meta" / "pinned").write_text("six=1.0\n")
    (world.prefix / "conda-meta" / ".llmfleet-journal").write_text('{"operation": "change"}')
    assert packages(world.run("six", pinned=("six=1.0",))) == ["six 1.0"]
    assert world.leftovers() == []


def test_force_reinstall(world: World) -> None:
    world.run("six=1.0", "sole")
    wanted = {"whole": False, "force_reinstall": True}
    for check in (True, False):
        done = world.run("six", check=check, **wanted)
        assert done.changed
        assert done.plan.reinstall == ("six",)
        assert done.before == ["six 1.0 0 lab (to be reinstalled)", "sole 1.0 0 lab"]
        assert done.after == ["six 1.0 0 lab", "sole 1.0 0 lab"]
    assert world.calls()[-1][-2:] == ["--force-reinstall", "six=1.0=0"]


def test_removing_a_package_with_an_unreadable_record_repairs_it_first(world: World) -> None:
    world.run("tqdm", "sole")
    (world.prefix / "conda-meta" / "six-2.0-0.json").write_text("{")
    done = world.both("six", whole=False, state="absent")
    assert packages(done) == ["sole 1.0"]
    assert not (world.prefix / "lib" / "six.py").exists()


def test_recreate_fetches_before_it_removes(world: World) -> None:
    world.run("six=1.0")
    started = len(world.calls())
    world.both(recreate=True, **lock("tqdm-1.0"))
    commands = [(call[0], "--download-only" in call) for call in world.calls()[started:]]
    assert commands == [("create", True), ("create", False)]


@pytest.mark.parametrize("wanted", [True, False])
def test_created_frozen_or_not(wanted: bool, world: World) -> None:
    world.both("six", frozen=wanted)
    assert frozen(world) is wanted


def test_a_task_that_sets_frozen_changes_a_frozen_environment(world: World) -> None:
    world.run("six=1.0", frozen=True)
    marker = world.prefix / "conda-meta" / "frozen"
    marker.write_text('{"message": "ours"}')
    with pytest.raises(CondaModuleError, match="is frozen"):
        world.run("six=2.0")
    done = world.both("six=2.0", frozen=True)
    assert packages(done) == ["six 2.0"]
    assert marker.read_text() == '{"message": "ours"}'
    world.mode("refuse")
    with pytest.raises(CondaModuleError, match="failed for"):
        world.run("six=1.0", frozen=False)
    assert marker.read_text() == '{"message": "ours"}'


def test_a_frozen_environment_is_removed_only_with_frozen_false(world: World) -> None:
    world.run("six", frozen=True)
    for given in (None, True):
        with pytest.raises(CondaModuleError, match="is frozen"):
            world.run(state="absent", frozen=given)
    world.both(state="absent", frozen=False)
    assert not world.prefix.exists()


def test_recreate_only_where_something_differs(world: World) -> None:
    world.run("tqdm", "sole")
    mine = world.prefix / "mine.txt"
    mine.write_text("")
    assert not world.run("tqdm", recreate=True).changed
    assert mine.exists()
    done = world.both("tqdm", "six=1.0", recreate=True)
    assert done.plan.recreate
    assert packages(done) == ["six 1.0", "tqdm 1.0"]
    assert mine.exists()
    assert not (world.prefix / "lib" / "sole.py").exists()


def test_recreate_of_a_lock_and_of_a_frozen_environment(world: World) -> None:
    world.run("sole", frozen=True)
    with pytest.raises(CondaModuleError, match="is frozen"):
        world.run("six=1.0", recreate=True)
    world.both(recreate=True, frozen=True, **lock("six-1.0"))
    assert frozen(world)


def test_recreate_keeps_the_environment_if_conda_finds_no_solution(world: World) -> None:
    world.run("six=1.0")
    before = snapshot(world.prefix)
    world.mode("refuse")
    with pytest.raises(CondaModuleError):
        world.run("six=2.0", recreate=True)
    assert snapshot(world.prefix) == before


def test_a_base_is_not_recreated(world: World) -> None:
    FakePrefix(world.installation).link("conda", "24.7.1")
    with pytest.raises(CondaModuleError, match="is a base environment"):
        world.run("six", prefix=str(world.installation), recreate=True)
    assert world.calls() == []


LOCKED = "https://host/lab/noarch/{}-0.conda"


def lock(*stems: str, digest: str = "") -> dict[str, Any]:
    return {"lock": parse_lock("\n".join(LOCKED.format(stem) + digest for stem in stems))}


def test_a_lock_is_created_and_kept(world: World) -> None:
    done = world.both(**lock("tqdm-1.0", "six-1.0"))
    assert packages(done) == ["six 1.0", "tqdm 1.0"]
    assert [call[0] for call in world.calls()] == ["create"]
    assert "--dry-run" not in world.calls()[0]


def test_a_lock_replaces_and_removes(world: World) -> None:
    world.run("tqdm", "six=1.0", "sole")
    started = len(world.calls())
    done = world.both(**lock("tqdm-1.0", "six-2.0"))
    assert packages(done) == ["six 2.0", "tqdm 1.0"]
    commands = [(call[0], *call[6:]) for call in world.calls()[started:]]
    assert commands[0] == ("remove", "--force", "sole")
    assert commands[1][:2] == ("install", "--file")
    assert len(commands) == 2


def test_a_lock_without_a_dependency_is_applied_as_it_is(world: World) -> None:
    world.run("tqdm")
    assert packages(world.both(**lock("tqdm-1.0"))) == ["tqdm 1.0"]


def test_a_lock_repairs(world: World) -> None:
    world.run("six=1.0", "sole")
    (world.prefix / "lib" / "six.py").unlink()
    (world.prefix / "conda-meta" / "sole-1.0-0.json").write_text("{")
    done = world.both(**lock("six-1.0", "sole-1.0"))
    assert done.plan.reinstall == ("six",)
    assert packages(done) == ["six 1.0", "sole 1.0"]


def test_a_digest_that_differs_fails(world: World) -> None:
    wanted = lock("six-1.0", digest="#sha256:" + "0" * 64)
    with pytest.raises(
        CondaModuleError, match="conda linked a different file than the lock names for six"
    ):
        world.run(**wanted)
    assert not world.prefix.exists()
    world.run("six=1.0")
    before = snapshot(world.prefix)
    foretold = world.run(check=True, **wanted)
    assert foretold.changed
    assert foretold.before == ["six 1.0 0 lab (not the locked file)"]
    assert foretold.after == ["six 1.0 0 lab"]
    assert snapshot(world.prefix) == before


def test_a_base_is_not_locked(world: World) -> None:
    base = FakePrefix(world.installation)
    base.link("conda", "24.7.1")
    with pytest.raises(CondaModuleError, match="is a base environment"):
        world.run(prefix=str(world.installation), **lock("six-1.0"))
    assert world.calls() == []


def test_create_in_an_empty_directory(world: World) -> None:
    world.prefix.mkdir()
    assert packages(world.both("sole")) == ["sole 1.0"]


def test_install_upgrade_and_downgrade(world: World) -> None:
    world.run("six=1.0")
    assert packages(world.both("six=1.0", "sole")) == ["six 1.0", "sole 1.0"]
    assert packages(world.both("six=2.0")) == ["six 2.0", "sole 1.0"]
    assert packages(world.both("six=1.0")) == ["six 1.0", "sole 1.0"]


def test_prune(world: World) -> None:
    world.run("tqdm", "sole")
    done = world.both("tqdm", prune=True)
    assert packages(done) == ["six 2.0", "tqdm 1.0"]
    assert done.plan.remove == ("sole",)


def test_latest_changes_only_when_there_is_something_newer(world: World) -> None:
    world.run("six=1.0")
    assert packages(world.both("six", state="latest")) == ["six 2.0"]
    again = world.run("six", state="latest")
    assert not again.changed
    assert again.plan.update == ("six",)


def test_remove_packages(world: World) -> None:
    world.run("tqdm", "sole")
    done = world.both("six", whole=False, state="absent")
    assert packages(done) == ["sole 1.0"]


def test_remove_the_environment(world: World) -> None:
    world.run("six")
    done = world.both(state="absent")
    assert done.changed
    assert not world.prefix.exists()


def test_foreign_files_remain_after_a_removal(world: World) -> None:
    world.run("six")
    mine = world.prefix / "work" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("work")
    foretold = world.run(state="absent", check=True)
    done = world.run(state="absent")
    assert foretold.changed
    assert done.changed
    assert foretold.warnings == done.warnings
    assert "1 file that neither conda nor pip put there: work/notes.txt" in done.warnings[0]
    assert [str(path.relative_to(world.prefix)) for path in sorted(world.prefix.rglob("*"))] == [
        ".llmfleet-left",
        "work",
        "work/notes.txt",
    ]
    again = world.run(state="absent")
    assert not again.changed
    assert not again.warnings
    assert world.both("six").changed
    assert mine.read_text() == "work"
    world.run(state="absent")
    assert world.both(state="absent", remove_foreign=True).changed
    assert not world.prefix.exists()


def test_repair_of_a_damaged_file_keeps_the_history(world: World) -> None:
    world.run("six=1.0")
    history = (world.prefix / "conda-meta/history").read_text()
    (world.prefix / "lib/six.py").write_text("")
    assert not world.run("six=1.0", repair=False).changed
    done = world.both("six=1.0")
    assert done.plan.reinstall == ("six",)
    assert done.before is not None
    assert "six 1.0 0 lab (damaged: lib/six.py)" in done.before
    assert (world.prefix / "conda-meta/history").read_text() == history
    assert world.calls()[-1][-1] == "six=1.0=0"


def test_repair_of_an_unreadable_record(world: World) -> None:
    world.run("six=1.0", "sole")
    (world.prefix / "conda-meta/sole-1.0-0.json").write_text('{"name": "so')
    done = world.both("six=1.0", "sole")
    assert done.changed
    assert packages(done) == ["six 1.0", "sole 1.0"]
    assert list((world.prefix / "conda-meta").glob("*.unreadable*")) == []


def test_a_directory_in_the_place_of_a_record_is_set_aside_and_kept(world: World) -> None:
    env = FakePrefix(world.prefix)
    env.link("six")
    record = world.prefix / "conda-meta" / "tqdm-1.0-0.json"
    (record / "notes").mkdir(parents=True)
    done = world.both("six", "tqdm")
    assert packages(done) == ["six 1.0", "tqdm 1.0"]
    assert (record.parent / f"{record.name}.unreadable" / "notes").is_dir()


def test_a_missing_dependency_is_reinstalled(world: World) -> None:
    world.run("tqdm")
    (world.prefix / "conda-meta/six-2.0-0.json").unlink()
    assert packages(world.both("tqdm")) == ["six 2.0", "tqdm 1.0"]


def test_nothing_to_do_starts_nothing_and_touches_nothing(world: World) -> None:
    world.run("six")
    calls, before = len(world.calls()), snapshot(world.path)
    done = world.run("six")
    assert not done.changed
    assert done.before == done.after == ["six 2.0 0 lab"]
    assert len(world.calls()) == calls
    assert snapshot(world.path) == before


def test_a_failing_conda_leaves_no_half_made_environment(world: World) -> None:
    world.mode("refuse")
    with pytest.raises(CondaModuleError, match="conda create failed"):
        world.run("six")
    assert not world.prefix.exists()
    assert world.leftovers() == []


def test_a_failing_conda_leaves_an_environment_as_it_was(world: World) -> None:
    world.run("six=1.0")
    (world.prefix / "conda-meta/bad-1.0-0.json").write_text("{")
    before = snapshot(world.prefix)
    world.mode("refuse")
    with pytest.raises(CondaModuleError, match="conda install failed"):
        world.run("six=2.0")
    assert snapshot(world.prefix) == before
    assert world.leftovers() == []


def test_a_record_truncated_by_a_full_disk_is_not_a_package(world: World) -> None:
    world.run("six=1.0")
    before = snapshot(world.prefix)
    world.mode("full")
    with pytest.raises(CondaModuleError, match="conda install failed"):
        world.run("tqdm")
    assert snapshot(world.prefix) == before
    world.mode("")
    assert world.run("tqdm").changed


@pytest.mark.parametrize(
    ("prepare", "options", "words"),
    [
        ([], {"packages": ["six"]}, "there is no environment"),
        (["six=1.0"], {"packages": ["six=2.0"]}, "six=2.0 is not installed"),
        (
            ["tqdm"],
            {"packages": ["six"], "whole": False, "state": "absent"},
            "six is still installed",
        ),
    ],
)
def test_a_false_success_of_conda_is_detected(
    world: World, prepare: list[str], options: dict[str, Any], words: str
) -> None:
    if prepare:
        world.run(*prepare)
    world.mode("lie")
    wanted = options.pop("packages")
    with pytest.raises(CondaModuleError) as error:
        world.run(*wanted, **options)
    assert words in str(error.value)


class TestRefused:
    """Prefixes that are refused, in check mode and in real runs."""

    def refused(self, world: World, words: str, *wanted: str, **options: Any) -> None:
        before = snapshot(world.path)
        for check in (True, False):
            with pytest.raises(CondaModuleError, match=words):
                world.run(*wanted, check=check, **options)
        assert snapshot(world.path) == before
        assert world.calls() == []

    @pytest.mark.parametrize("state", ["present", "latest", "absent"])
    def test_a_foreign_directory(self, world: World, state: str) -> None:
        world.prefix.mkdir()
        (world.prefix / "thesis.tex").write_text("")
        self.refused(world, "not a conda environment .*Nothing was changed", "six", state=state)

    @pytest.mark.parametrize("state", ["present", "absent"])
    def test_a_file(self, world: World, state: str) -> None:
        world.prefix.write_text("precious")
        self.refused(world, "not a conda environment", "six", state=state)

    def test_a_frozen_environment(self, world: World) -> None:
        env = FakePrefix(world.prefix)
        (env.meta / "frozen").write_text("{}")
        self.refused(world, "is frozen", "six")
        self.refused(world, "is frozen", state="absent")

    def test_removing_a_base(self, world: World) -> None:
        FakePrefix(world.prefix).link("conda", "24.7.1")
        self.refused(world, "is a base environment", state="absent")

    def test_removing_a_prefix_that_contains_other_environments(self, world: World) -> None:
        FakePrefix(world.prefix)
        (world.prefix / "envs").mkdir()
        self.refused(world, "contains other environments", state="absent")


def test_packages_without_an_environment(world: World) -> None:
    """A failure, except in check mode: an earlier task of the play may create the environment."""
    with pytest.raises(CondaModuleError, match="There is no conda environment"):
        world.run("six", whole=False)
    outcome = run(world.request("six", whole=False), True, EnvironmentChange)
    assert (outcome.changed, outcome.before) == (True, None)
    assert outcome.after == ["six (to be solved)"]
    assert world.calls() == []


def test_a_frozen_environment_without_changes_passes(world: World) -> None:
    env = FakePrefix(world.prefix)
    env.link("six")
    (env.meta / "frozen").write_text("{}")
    assert not world.run("six").changed


def test_absent_and_absent_already(world: World) -> None:
    assert not world.run(state="absent").changed
    assert not world.run("six", whole=False, state="absent").changed
    assert world.calls() == []


def test_check_mode_before_conda_is_there(world: World) -> None:
    request = world.request("six", executable=None)
    outcome = run(request, True, EnvironmentChange)
    assert outcome.changed
    assert outcome.after == ["six (to be solved)"]
    assert result_of(request, outcome)["unresolved"] == ["six"]


def test_all_is_resolved_where_conda_is(world: World) -> None:
    world.run("six")
    request = world.request("six")
    assert result_of(request, run(request, True, EnvironmentChange))["unresolved"] == []


def test_without_conda_no_leftovers_remain(world: World) -> None:
    request = world.request("six", executable=None)
    with pytest.raises(CondaModuleError, match="conda cannot be started"):
        run(request, False, EnvironmentChange)
    assert not world.prefix.exists()
    assert world.leftovers() == []


def test_our_half_created_environment_is_recreated(world: World) -> None:
    world.half_made()
    done = world.both("six")
    assert done.plan.recreate
    assert packages(done) == ["six 2.0"]
    assert not (world.path / ".env.llmfleet-journal").exists()


def test_our_half_created_environment_is_removed(world: World) -> None:
    world.half_made()
    assert world.run(state="absent").changed
    assert not world.prefix.exists()
    assert world.leftovers() == []


def test_the_next_run_completes_a_killed_removal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("six")
    listed = world.path / "home" / ".conda" / "environments.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{world.prefix}\n/other\n")
    world.killed_removal(monkeypatch)
    assert world.prefix.exists()
    done = world.both(state="absent")
    assert done.changed
    assert not world.prefix.exists()
    assert listed.read_text() == "/other\n"


def test_a_list_of_environments_emptied_by_a_killed_removal_is_restored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FakePrefix(world.path / "other").path
    world.run("six")
    listed = world.path / "home" / ".conda" / "environments.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{other}\n{world.prefix}\n")
    world.killed_removal(monkeypatch)
    listed.write_text("")
    assert world.run(state="absent").changed
    assert listed.read_text() == f"{other}\n"


def test_a_lock_file_left_by_a_completed_run_is_removed(world: World) -> None:
    world.run("six")
    (world.prefix / "conda-meta" / ".llmfleet.lock").write_text("{}")
    assert not world.run("six", check=True).changed
    assert (world.prefix / "conda-meta" / ".llmfleet.lock").exists()
    assert not world.run("six").changed
    assert world.leftovers() == []


def test_a_removed_environment_is_removed_from_condas_list(world: World) -> None:
    """conda was killed between the last file and its list of environments."""
    listed = world.path / "home" / ".conda" / "environments.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text(f"{world.prefix}\n/other\n")
    (world.path / ".env.llmfleet-journal").write_text('{"operation": "remove"}')
    assert not world.run(state="absent").changed
    assert listed.read_text() == "/other\n"
    assert world.leftovers() == []


def test_records_set_aside_by_a_killed_change_are_cleaned_up(world: World) -> None:
    world.run("six=1.0")
    meta, code = world.prefix / "conda-meta", world.prefix / "lib" / "six.py"
    code.with_name("six.py.c~").write_text("of the version before")
    (meta / "lost-1.0-0.json.unreadable").write_text("{")
    (meta / ".llmfleet-history").write_text((meta / "history").read_text())
    (meta / "history").write_text("# update specs: ['six==1.0']\n")
    (meta / ".llmfleet-journal").write_text('{"operation": "change"}')
    known = world.tools / "conda"
    known.write_text(
        known.read_text().replace('"sole": ["1.0"]', '"sole": ["1.0"], "lost": ["1.0"]')
    )
    done = world.run("six=1.0")
    assert packages(done) == ["lost 1.0", "six 1.0"]
    assert not list(world.prefix.rglob("*.c~"))
    assert not list(meta.glob("*.unreadable"))
    assert requests(str(world.prefix)) == {"six": "six=1.0"}
    assert world.leftovers() == []
    assert not world.run("six=1.0").changed


def cut_off(world: World, *lost: str) -> None:
    """Simulate a change that was killed after it had unlinked ``lost`` (names and versions)."""
    meta = world.prefix / "conda-meta"
    listed = [name.rsplit("-", 1) for name in lost]
    for name, version in listed:
        (meta / f"{name}-{version}-0.json").unlink()
    held = [[name, version, "0"] for name, version in listed]
    (meta / ".llmfleet-journal").write_text(json.dumps({"operation": "change", "held": held}))


def test_packages_lost_in_a_killed_change_are_restored_and_not_recorded_as_requests(
    world: World,
) -> None:
    world.run("six=1.0", "sole")
    cut_off(world, "six-1.0", "sole-1.0")
    done = world.both("six", "tqdm")
    assert packages(done) == ["six 1.0", "sole 1.0", "tqdm 1.0"]
    wished = {"six": "six=1.0", "sole": "sole", "tqdm": "tqdm"}
    assert requests(str(world.prefix)) == wished
    # One command for all: the one may hang on the other.
    installs = [call for call in world.calls() if call[0] == "install" and "--dry-run" not in call]
    assert len(installs) == 1


@pytest.mark.parametrize(
    ("impossible", "expected"),
    [
        ("six==1.0", ["six 2.0", "sole 1.0", "tqdm 1.0"]),
        ("six==1.0 six", ["sole 1.0", "tqdm 1.0"]),
    ],
)
def test_lost_packages_that_cannot_be_restored_in_their_old_version(
    world: World, impossible: str, expected: list[str]
) -> None:
    world.run("six=1.0", "sole")
    cut_off(world, "six-1.0")
    known = world.tools / "conda"
    known.write_text(known.read_text().replace('"tqdm": ["six"]', '"tqdm": []'))
    world.mode(f"without {impossible}")
    done = world.both("tqdm")
    assert packages(done) == expected
    told = [text for text in done.warnings if "six==1.0" in text]
    assert len(told) == (0 if "six 2.0" in expected else 1)


def test_a_failed_run_keeps_the_list_of_lost_packages(world: World) -> None:
    world.run("six=1.0", "sole")
    cut_off(world, "six-1.0")
    world.mode("without tqdm")
    with pytest.raises(CondaModuleError, match="conda install failed"):
        world.run("tqdm")
    world.mode("")
    assert packages(world.both("sole")) == ["six 1.0", "sole 1.0"]


def test_a_removal_restores_other_lost_packages(world: World) -> None:
    world.run("six=1.0", "sole")
    cut_off(world, "six-1.0")
    assert packages(world.both("sole", whole=False, state="absent")) == ["six 1.0"]


def test_the_journal_of_a_change_lists_the_packages_that_must_remain(world: World) -> None:
    world.run("six=1.0", "sole")
    world.mode("die")
    with pytest.raises(CondaModuleError, match="killed"):
        world.run("tqdm")
    journal = json.loads((world.prefix / "conda-meta/.llmfleet-journal").read_text())
    assert journal["held"] == [["six", "1.0", "0"], ["sole", "1.0", "0"]]


@pytest.mark.parametrize("make", [lambda world: None, lambda world: FakePrefix(world.prefix)])
def test_observing_and_planning_write_nothing(world: World, make: Callable[[World], Any]) -> None:
    make(world)
    before = snapshot(world.path)
    request = world.request("six")
    observed = observe(request)
    assert isinstance(observed, Observed)
    assert plan(request, observed)
    assert snapshot(world.path) == before


def put_peoples_files(world: World) -> None:
    for name in ("lib/mine.py", "work/deep/notes.txt", "conda-meta/backup/six.json", ".condarc"):
        (world.prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (world.prefix / name).write_text("work")


def disk(world: World) -> dict[str, Any]:
    return {name: what for name, what in snapshot(world.path).items() if name != "tools/calls"}


PEOPLES = ("lib/mine.py", "work/deep/notes.txt", "conda-meta/backup/six.json")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("recreate", "present"),
        ("recreate", "absent"),
        ("absent", "present"),
        ("absent", "absent"),
        ("create over files that were left", "present"),
        ("create over files that were left", "absent"),
    ],
)
def test_killed_at_any_step_no_foreign_file_is_lost_and_the_next_run_completes(
    world: World, first: str, then: str
) -> None:
    world.run("six=1.0")
    put_peoples_files(world)
    if first == "create over files that were left":
        world.run(state="absent")
    made = world.prefix
    work = {"state": "absent"} if first == "absent" else {"recreate": True}
    asked: tuple[str, ...] = () if then == "absent" else ("six=2.0",)

    def start(number: int) -> Callable[[], Any]:
        world.prefix = world.path / str(number) / "env"
        shutil.copytree(made, world.prefix)
        return lambda: world.run(*(() if first == "absent" else ("six=2.0",)), **work)

    # Each run starts some conda: the finer steps are those of test_set_aside.py.
    for _number in each_kill(start, step=7):
        before = snapshot(world.prefix.parent)
        foretold = world.run(*asked, check=True, state=then)
        assert snapshot(world.prefix.parent) == before
        done = world.run(*asked, state=then)
        assert foretold.changed == done.changed
        for name in PEOPLES:
            assert (world.prefix / name).read_text() == "work"
        assert done.observed.state.is_environment == (then == "present")
        assert not world.run(*asked, state=then).changed
        left = {path.name for path in world.prefix.parent.rglob("*llmfleet*")}
        # Every run ignores a journal that was truncated while it was written.
        left.discard(".env.llmfleet-journal-unfinished")
        assert left == ({LEFT} if then == "absent" else set())


@pytest.mark.parametrize("check", [True, False])
def test_a_directory_in_the_place_of_a_packages_file_is_refused(world: World, check: bool) -> None:
    world.run("six=1.0")
    file = world.prefix / "lib" / "six.py"
    file.unlink()
    file.mkdir()
    (file / "thesis.tex").write_text("work")
    before = snapshot(world.path)
    for asked in ({"repair": True}, {"repair": False, "packages": "six=2.0"}):
        package = str(asked.pop("packages", "six"))
        with pytest.raises(
            CondaModuleError,
            match=r"the package six has a file at that path; the directory contains thesis",
        ):
            world.run(package, check=check, **asked)
    assert snapshot(world.path) == before
    (file / "thesis.tex").unlink()
    file.rmdir()
    assert world.run("six", check=check).changed


def installed_by_pip(world: World, name: str = "app") -> Path:
    """What pip has written for a distribution for Python 3.11; returns its module."""
    site = world.prefix / "lib" / "python3.11" / "site-packages"
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n")
    (site / f"{name}.py").write_text("")
    return site / f"{name}.py"


def test_a_change_of_python_does_not_lose_what_pip_installed(world: World) -> None:
    world.run("python=3.11.7")
    module = installed_by_pip(world)
    before = snapshot(world.prefix)
    wanted = ("python=3.12.1", "six")
    for check in (True, False):
        with pytest.raises(CondaModuleError, match=r"app==1\.0\. Nothing was changed"):
            world.run(*wanted, check=check)
        with pytest.raises(CondaModuleError, match=r"remove Python 3\.11"):
            world.run("python", check=check, whole=False, state="absent")
        with pytest.raises(CondaModuleError, match=r"replace Python 3\.11 by 3\.12"):
            world.run("python", check=check, whole=False, state="latest")
    assert snapshot(world.prefix) == before
    # Other changes are none of its business.
    assert world.both("python=3.11.7", "six").plan.pip_removed == ()
    assert module.exists()
    own = module.parent / "own.py"
    own.write_text("")
    done = world.both(*wanted, pip_later=("app>=1",))
    assert done.plan.pip_removed == ("app==1.0 (pip, Python 3.11)",)
    result = result_of(world.request(*wanted), done)
    assert "app==1.0 (pip, Python 3.11)" in result["removed"]
    assert "app==1.0 (pip, Python 3.11)" in result["diff"]["before"]
    assert "app==1.0" not in result["diff"]["after"]
    assert not module.exists()
    assert own.exists()
    assert "This removes what pip installed there: app==1.0." in done.warnings[0]
    assert "own.py" in done.warnings[1]


def test_an_interrupted_change_of_python_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("python=3.11.7")
    module = installed_by_pip(world)

    def killed(_prefix: str, _version: str) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment_apply, "remove_old_python", killed)
        with pytest.raises(KeyboardInterrupt):
            world.run("python=3.12.1", on_python_change="remove")
    assert module.exists()
    # The task that was interrupted had allowed it.
    world.run("python=3.12.1")
    assert not module.parent.exists()
    assert world.leftovers() == []
