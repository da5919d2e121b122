"""What becomes of a change whose prefix is in use, with processes that a test names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment import (
    change as environment_change,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.change import (
    EnvironmentChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.module import run
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.plan import plan
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Request,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
    change as installation_change,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationPlan,
    ObservedInstallation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import in_use as _in_use
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    Guard,
    InUseError,
    Unlinking,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    Places,
    ProcessUser,
    Seen,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.wanted import parse_specs
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

SERVICE = ProcessUser(60, "ada", "python serve.py", 7260, "exe")
SHELL = ProcessUser(61, "eve", "-bash", 5, "cwd")
NUMPY = Unlinking(frozenset({"numpy"}))


class Host:
    """Answers who uses the prefix: the last of ``answers`` for ever."""

    def __init__(self, *answers: Seen) -> None:
        self.answers = list(answers)
        self.looked = 0

    def __call__(self, _places: Places) -> Seen:
        self.looked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def guard(
    path: Path, host: Host, mode: str = "fail", *, check_mode: bool = False, timeout: float = 60
) -> Guard:
    return Guard(str(path), mode, timeout, check_mode, look=host)


@pytest.mark.parametrize("check_mode", [False, True])
def test_fail_names_process_user_command_and_age(tmp_path: Path, check_mode: bool) -> None:
    with pytest.raises(InUseError) as caught:
        guard(tmp_path, Host(Seen((SERVICE, SHELL))), check_mode=check_mode).check(NUMPY)
    assert caught.value.message == (
        f"{tmp_path} is in use: process 60 of ada (python serve.py; running for 2 h)."
        " The task removes or replaces files of numpy. Nothing was changed."
    )
    assert "set in_use" in str(caught.value.hint)
    assert [user["pid"] for user in caught.value.facts["in_use"]] == [60, 61]


def test_working_directory_counts_for_a_removal(tmp_path: Path) -> None:
    there = guard(tmp_path, Host(Seen((SHELL,))))
    there.check(NUMPY)
    assert there.found == [SHELL.as_dict()]
    with pytest.raises(InUseError, match="working directory only"):
        there.check(Unlinking(removal=True))


def test_change_without_unlinked_files_is_allowed(tmp_path: Path) -> None:
    host = Host(Seen((SERVICE,)))
    there = guard(tmp_path, host)
    there.check(Unlinking())
    assert host.looked == 0
    # conda is asked, and only adds.
    there.check(Unlinking(ask=list))
    assert (there.found, there.warnings) == ([], [])
    with pytest.raises(InUseError, match="files of openssl"):
        there.check(Unlinking(ask=lambda: ["openssl"]))


def test_conda_is_queried_only_if_needed(tmp_path: Path) -> None:
    def ask() -> list[str]:
        raise AssertionError("asked")

    guard(tmp_path, Host(Seen((SHELL,)))).check(Unlinking(ask=ask))


def test_warnings_of_warn_and_of_wait_in_check_mode(tmp_path: Path) -> None:
    there = guard(tmp_path, Host(Seen((SERVICE,))), "warn")
    there.check(NUMPY)
    (warning,) = there.warnings
    assert "process 60 of ada" in warning
    assert there.found == [SERVICE.as_dict()]
    there = guard(tmp_path, Host(Seen((SERVICE,))), "wait", check_mode=True)
    there.check(NUMPY)
    (warning,) = there.warnings
    assert "would wait up to 60 seconds" in warning


def test_wait_retries_when_no_process_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    host = Host(Seen((SERVICE,)), Seen((SERVICE,)), Seen())
    there = guard(tmp_path, host, "wait")
    attempts = []

    def attempt() -> str:
        attempts.append(host.looked)
        there.check(NUMPY)
        return "done"

    assert there.until_unused(attempt) == "done"
    # Seen under the lock, waited for outside of it, and looked at again under it.
    assert (attempts, host.looked) == ([0, 3], 4)
    assert there.found == []


@pytest.mark.parametrize(("mode", "looked"), [("fail", 1), ("wait", 1)])
def test_wait_fails_when_still_in_use(tmp_path: Path, mode: str, looked: int) -> None:
    host = Host(Seen((SERVICE,), unseen=3))
    there = guard(tmp_path, host, mode, timeout=0)
    with pytest.raises(InUseError) as caught:
        there.until_unused(lambda: there.check(NUMPY))
    assert host.looked == looked
    assert ("Waited 0 seconds" in caught.value.message) is (mode == "wait")
    assert "This user cannot see the processes of other users" in caught.value.message


def test_reports_processes_that_are_not_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_in_use, "shared_kind", lambda _prefix: "nfs4")
    seen = Seen(suspects=(SERVICE,), unseen=9, problem="lsof cannot be started")
    there = guard(tmp_path, Host(seen))
    there.check(NUMPY)
    known, hosts, processes = there.warnings
    assert "lsof cannot be started" in known
    assert "nfs4" in hosts
    assert "process 60 of ada" in processes
    there.check(Unlinking(ask=list))
    assert there.warnings == []


@pytest.mark.parametrize("mode", ["fail", "warn"])
def test_the_python_of_this_module_is_not_removed(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python3.11").write_text("")
    link = tmp_path / "python"
    link.symlink_to(tmp_path / "env" / "bin" / "python3.11")
    monkeypatch.setattr(sys, "executable", str(link))
    there = guard(tmp_path / "env", Host(Seen()), mode)
    for unlinking in (Unlinking(removal=True), Unlinking(ask=lambda: ["python"])):
        with pytest.raises(CondaModuleError, match="Ansible runs this module with") as caught:
            there.check(unlinking)
        assert "ansible_python_interpreter" in str(caught.value.hint)
    there.check(NUMPY)


def test_packages_unlinked_by_an_environment_plan(tmp_path: Path) -> None:
    environment = FakePrefix(tmp_path / "env")
    for name in ("six", "tqdm"):
        environment.link(name, "1.0")

    def unlinked(*specs: str, after: tuple[str, ...] = (), **more: object) -> Unlinking:
        request = Request(
            str(tmp_path),
            str(environment.path),
            parse_specs(specs),
            True,
            **more,  # type: ignore[arg-type]
        )
        observed = observe(request)
        todo = plan(request, observed)
        return environment_change.unlinked(request, todo, observed, lambda: list(after))

    before = ("six 1.0 0 lab", "tqdm 1.0 0 lab")
    assert unlinked("six=2.0").sure == {"six"}
    assert unlinked("six", prune=True).sure == {"tqdm"}
    added = unlinked("six", "new", after=(*before, "new 1.0 0 lab"))
    assert (added.sure, added.names()) == (frozenset(), set())
    assert unlinked("new", after=("six 2.0 0 lab", "tqdm 1.0 0 lab")).names() == {"six"}
    assert unlinked("six", state="latest", after=before).names() == set()
    assert unlinked(state="absent").removal
    assert unlinked("six=2", recreate=True).removal


def test_packages_unlinked_by_an_installation_plan() -> None:
    state = PrefixState("/opt/conda", True, True, {}, empty=False)
    observed = ObservedInstallation(state, damaged={"six": ["a"]}, missing=("tqdm",))

    def unlinked(action: str) -> Unlinking:
        return installation_change.unlinked(InstallationPlan(action), observed, lambda: ["python"])

    assert unlinked("remove") == Unlinking(removal=True, nested=True)
    assert unlinked("reinstall") == Unlinking(removal=True, nested=True)
    assert unlinked("repair").names() == {"six", "python"}
    assert unlinked("upgrade").names() == {"conda", "python"}
    assert unlinked("install") == unlinked("access") == Unlinking()


def test_environment_in_use_is_not_changed(tmp_path: Path) -> None:
    environment = FakePrefix(tmp_path / "env")
    environment.link("six", "1.0")
    request = Request(str(tmp_path), str(environment.path), [], True, state="absent")
    before = snapshot(tmp_path)
    for check_mode in (True, False):

        def change(request: Request, check_mode: bool) -> EnvironmentChange:
            made = EnvironmentChange(request, check_mode)
            made.guard.look = Host(Seen((SERVICE,)))
            return made

        with pytest.raises(InUseError):
            run(request, check_mode, change)
    assert snapshot(tmp_path) == before
    assert os.listdir(tmp_path) == ["env"]
