"""Transactions: locks, journal and parents, also when a process is killed in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix import (
    transaction as _transaction,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    add_to_journal,
    journalled,
    locked,
    make_parents,
    pending_journal,
    remove_empty,
    remove_old_locks,
)
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot

WORKER = """
import json, os, sys
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import journalled, locked
prefix, caches = sys.argv[1], json.loads(sys.argv[2])
with locked(prefix, operation="install", caches=caches, timeout=30):
    with journalled(prefix, operation="install", details={"specs": ["six"]}):
        print("inside", flush=True)
        sys.stdin.read()
"""


@contextmanager
def transaction(
    prefix: str,
    *,
    operation: str,
    caches: Iterable[str] = (),
    timeout: float = 600,
    details: dict[str, Any] | None = None,
) -> Iterator[None]:
    """The lock and the journal together, as the cycle takes them."""
    with locked(prefix, operation=operation, caches=caches, timeout=timeout):  # noqa: SIM117
        with journalled(prefix, operation=operation, details=details):
            yield


class Worker:
    """A process in the middle of a transaction."""

    def __init__(self, prefix: Path, caches: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(prefix), json.dumps(caches or [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "inside\n"

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def finish(self) -> None:
        self.process.communicate("")
        assert self.process.returncode == 0

    def kill(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def test_new_prefix_has_no_leftovers(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    with transaction(str(prefix), operation="create"):
        journal = pending_journal(str(prefix))
        assert journal is not None
        assert journal["operation"] == "create"
        assert journal["pid"] == os.getpid()
        assert not prefix.exists()
        prefix.mkdir()
    assert pending_journal(str(prefix)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["env"]


def test_environment_has_no_leftovers(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    before = snapshot(tmp_path)
    with transaction(str(env.path), operation="install", details={"specs": ["six"]}):
        journal = pending_journal(str(env.path))
        assert journal is not None
        assert journal["specs"] == ["six"]
        assert journal["prefix"] == str(env.path)
        assert not list(env.meta.glob("*.json"))
    assert snapshot(tmp_path) == before


def test_failure_removes_the_journal(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    before = snapshot(tmp_path)
    with pytest.raises(CondaModuleError), transaction(str(env.path), operation="install"):
        raise CondaModuleError("conda failed")
    assert snapshot(tmp_path) == before


def test_a_killed_run_leaves_its_journal_and_no_lock(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    with Worker(env.path) as worker:
        pid = worker.process.pid
        worker.kill()
    journal = pending_journal(str(env.path))
    assert journal is not None
    assert (journal["operation"], journal["pid"], journal["specs"]) == ("install", pid, ["six"])
    before = snapshot(tmp_path)
    assert pending_journal(str(env.path)) == journal
    assert snapshot(tmp_path) == before
    with transaction(str(env.path), operation="repair", timeout=2):
        pass
    assert pending_journal(str(env.path)) is None
    assert sorted(path.name for path in env.meta.iterdir()) == ["history"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_journal_of_another_module_is_put_back(tmp_path: Path, fails: bool) -> None:
    env = FakePrefix(tmp_path / "env")
    prefix = str(env.path)
    journal = env.meta / ".llmfleet-journal"
    cut_off = {"operation": "pip", "prefix": prefix, "pid": 1, "lines": ["six"]}
    journal.write_text(json.dumps(cut_off))
    with contextlib.suppress(KeyError), journalled(prefix, operation="change", keeps=("pip",)):
        assert json.loads(journal.read_text())["operation"] == "change"
        if fails:
            raise KeyError("of the caller")
    assert json.loads(journal.read_text()) == cut_off
    with journalled(prefix, operation="change"):
        pass
    assert pending_journal(prefix) is None


def test_a_killed_creation_leaves_its_journal_beside_the_prefix(tmp_path: Path) -> None:
    prefix = tmp_path / "deep" / "er" / "env"
    with Worker(prefix) as worker:
        worker.kill()
    assert not prefix.exists()
    journal = pending_journal(str(prefix))
    assert journal is not None
    assert Path(journal["journal"]).parent == prefix.parent
    # The half-made environment may hold a conda-meta by now: the journal beside it must still be found.
    FakePrefix(prefix)
    assert pending_journal(str(prefix)) is not None
    with transaction(str(prefix), operation="create", timeout=2):
        pass
    assert pending_journal(str(prefix)) is None
    assert [path.name for path in prefix.parent.iterdir()] == ["env"]


def test_journal_of_a_removal_survives_the_prefix(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    with journalled(str(env.path), operation="remove"):
        shutil.rmtree(env.path)
        journal = pending_journal(str(env.path))
        assert journal is not None
        assert journal["operation"] == "remove"
        assert Path(journal["journal"]).parent == tmp_path
    assert pending_journal(str(env.path)) is None
    assert list(tmp_path.iterdir()) == []


def test_interrupted_removal_leaves_its_journal(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")

    def remove() -> None:
        with journalled(str(env.path), operation="remove"):
            shutil.rmtree(env.meta)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove()
    journal = pending_journal(str(env.path))
    assert journal is not None
    assert (journal["operation"], journal["pid"]) == ("remove", os.getpid())


def test_an_interrupt_leaves_the_journal_like_a_kill(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    with pytest.raises(KeyboardInterrupt), transaction(str(env.path), operation="install"):
        raise KeyboardInterrupt
    assert pending_journal(str(env.path)) is not None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00\x00"])
def test_unreadable_journal_counts_as_a_journal(tmp_path: Path, content: str) -> None:
    env = FakePrefix(tmp_path / "env")
    (env.meta / ".llmfleet-journal").write_text(content)
    assert pending_journal(str(env.path)) == {"journal": str(env.meta / ".llmfleet-journal")}


def test_no_journal_without_a_prefix(tmp_path: Path) -> None:
    assert pending_journal(str(tmp_path / "none" / "deeper")) is None
    (tmp_path / "file").write_text("")
    assert pending_journal(str(tmp_path / "file")) is None


def test_two_processes_do_not_change_one_prefix_together(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    with Worker(env.path) as worker:
        with (
            pytest.raises(CondaModuleError, match=rf"process {worker.process.pid} \(install"),
            transaction(str(env.path), operation="remove", timeout=0.3),
        ):
            pytest.fail("two transactions on one prefix")
        worker.finish()
    with transaction(str(env.path), operation="remove", timeout=0.3):
        pass


def test_two_prefixes_with_one_cache_wait_for_each_other(tmp_path: Path) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    link = tmp_path / "link"
    link.symlink_to(cache)
    with Worker(tmp_path / "one", [str(cache)]):
        with (
            pytest.raises(CondaModuleError, match=r"pkgs.*is locked by process"),
            transaction(str(tmp_path / "two"), operation="x", caches=[str(link)], timeout=0.3),
        ):
            pytest.fail("two transactions on one cache")
        with transaction(str(tmp_path / "two"), operation="x", timeout=0.3):
            pass
    assert [path.name for path in tmp_path.iterdir() if "two" in path.name] == []


def test_duplicate_and_missing_caches_are_ignored(tmp_path: Path) -> None:
    cache = tmp_path / "pkgs"
    cache.mkdir()
    caches = [str(cache), f"{cache}/", str(tmp_path / "absent")]
    with transaction(str(tmp_path / "env"), operation="x", caches=caches, timeout=1):
        assert (cache / ".llmfleet.lock").exists()
    assert list(cache.iterdir()) == []
    assert not (tmp_path / "absent").exists()


def test_created_parents_stay_after_success(tmp_path: Path) -> None:
    prefix = tmp_path / "a" / "b" / "env"
    with transaction(str(prefix), operation="create"):
        prefix.mkdir()
    assert prefix.is_dir()


def test_parents_are_removed_again_after_a_failure(tmp_path: Path) -> None:
    prefix = tmp_path / "a" / "b" / "env"
    seen = []

    def create() -> None:
        with transaction(str(prefix), operation="create"):
            seen.append(prefix.parent.is_dir())
            raise CondaModuleError("no")

    with pytest.raises(CondaModuleError, match=r"^no$"):
        create()
    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_parents_with_files_stay(tmp_path: Path) -> None:
    prefix = tmp_path / "a" / "b" / "env"

    def create() -> None:
        with transaction(str(prefix), operation="create"):
            (tmp_path / "a" / "somebody").write_text("")
            raise CondaModuleError("no")

    with pytest.raises(CondaModuleError, match=r"^no$"):
        create()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["somebody"]


def test_parent_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CondaModuleError, match=r"Cannot create the directory .*: Not a directory"
    ) as error:
        make_parents(str(tmp_path / "file" / "b" / "env"))
    assert error.value.prefix == str(tmp_path / "file" / "b" / "env")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_created_parents_are_returned_deepest_first(tmp_path: Path) -> None:
    made = make_parents(str(tmp_path / "a" / "b" / "env"))
    assert made == [str(tmp_path / "a" / "b"), str(tmp_path / "a")]
    assert make_parents(str(tmp_path / "a" / "b" / "env")) == []
    remove_empty(made)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_written_stops_before_any_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = FakePrefix(tmp_path / "env")
    before = snapshot(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_transaction.os, "fsync", full)
    with (
        pytest.raises(CondaModuleError, match=r"No space left on device. Nothing was changed"),
        transaction(str(env.path), operation="install"),
    ):
        pytest.fail("the block must not run")
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_owner_of_a_prefix_and_root_exclude_each_other() -> None:
    """The owner can write only inside of the prefix, root takes the lock beside it as well."""
    nobody = 65534
    # What pytest makes for temporary files is closed to other users.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        env = FakePrefix(Path(directory) / "env")
        for path in (env.path, env.meta):
            os.chown(path, nobody, nobody)
        # Imported before the change of user, who may not read the checkout.
        first, rest = WORKER.replace("timeout=30", "timeout=0.3").split("locked\n", 1)
        code = f"{first}locked\nos.setgid({nobody}); os.setuid({nobody})\n{rest}"
        command = [sys.executable, "-c", code, str(env.path), "[]"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with transaction(str(env.path), operation="as root"):
            refused = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False, timeout=60
            )
        assert "(as root, since" in refused.stderr
        assert refused.returncode != 0
        alone = subprocess.run(
            command,
            input="",
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=60,
        )
        assert (alone.stdout, alone.returncode) == ("inside\n", 0), alone.stderr
        assert os.listdir(env.meta) == ["history"]


@pytest.mark.parametrize("operation", ["change", "pip"])
def test_a_child_that_was_killed_leaves_the_journal(tmp_path: Path, operation: str) -> None:
    env = FakePrefix(tmp_path / "env")

    def change(cut_off: bool) -> None:
        with journalled(str(env.path), operation=operation):
            raise CondaModuleError("ended by signal 9", cut_off=cut_off)

    with pytest.raises(CondaModuleError):
        change(cut_off=True)
    journal = pending_journal(str(env.path))
    assert journal is not None
    assert journal["operation"] == operation
    with pytest.raises(CondaModuleError):
        change(cut_off=False)
    assert pending_journal(str(env.path)) is None


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_removal_that_failed_halfway_leaves_its_journal(tmp_path: Path, cut_off: bool) -> None:
    """Without it, what is left would be somebody else's files, which the next run must not touch."""
    env = FakePrefix(tmp_path / "env")

    def remove(victim: Path) -> None:
        with journalled(str(env.path), operation="remove"):
            shutil.rmtree(victim)
            raise CondaModuleError("lib cannot be removed", cut_off=cut_off)

    with pytest.raises(CondaModuleError):
        remove(env.meta)
    journal = pending_journal(str(env.path))
    assert journal is not None
    assert journal["operation"] == "remove"
    with pytest.raises(CondaModuleError):
        remove(env.path)
    # All files are gone; what a killed conda had still to forget is not.
    assert (pending_journal(str(env.path)) is not None) == cut_off


def test_journal_records_progress(tmp_path: Path) -> None:
    prefix = str(tmp_path / "env")
    add_to_journal(prefix, installer="begun")
    assert list(tmp_path.iterdir()) == []
    with journalled(prefix, operation="install", details={"specs": ["six"]}):
        add_to_journal(prefix, installer="begun")
        journal = pending_journal(prefix)
        assert journal is not None
        assert (journal["operation"], journal["specs"]) == ("install", ["six"])
        assert journal["installer"] == "begun"
        assert "journal" not in json.loads(Path(journal["journal"]).read_text())
    assert list(tmp_path.iterdir()) == []


def test_journal_of_an_installation_survives_its_incomplete_prefix(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")

    def install() -> None:
        with journalled(str(env.path), operation="install"):
            shutil.rmtree(env.path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install()
    journal = pending_journal(str(env.path))
    assert journal is not None
    assert journal["operation"] == "install"


def test_free_locks_are_removed(tmp_path: Path) -> None:
    env = FakePrefix(tmp_path / "env")
    before = snapshot(tmp_path)
    locks = [tmp_path / ".env.llmfleet.lock", env.meta / ".llmfleet.lock"]
    for path in locks:
        path.write_text("{}")
    remove_old_locks(str(env.path))
    assert snapshot(tmp_path) == before
