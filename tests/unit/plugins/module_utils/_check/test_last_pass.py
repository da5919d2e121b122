"""When the checks inside the interpreter run again, and when their last pass stands."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check import depends, last_pass
from ansible_collections.llmfleet.conda.plugins.module_utils._check.last_pass import (
    LastPass,
    Moment,
    too_old,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import (
    Request,
    Thresholds,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.run import Checker, Outcome

if TYPE_CHECKING:
    from .conftest import Prefix

EASY = Thresholds(min_glibc="2.0", min_free_disk_mb=0, min_free_inodes=0, min_memory_mb=1)
HOUR = 3600.0


@pytest.fixture
def count(tmp_path: Path) -> Path:
    """A file to which the package ``calm`` adds a byte whenever it is imported."""
    return tmp_path / "imported"


@pytest.fixture
def calm(prefix: Prefix, count: Path, monkeypatch: pytest.MonkeyPatch) -> Prefix:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    source = f"with open({str(count)!r}, 'a') as stream:\n    stream.write('x')\n"
    prefix.pip_package("calm", "1.5", source)
    code = prefix.code("numpy", "answer = 42\n")
    prefix.record("numpy", "2.1.0", files=(code,), depends=["python"])
    return prefix


def check(prefix: Prefix, **options: Any) -> Outcome:
    # The kernel's clock for files has ticks of milliseconds: a change in the same tick prevents a note.
    time.sleep(0.05)
    known: dict[str, Any] = {"imports": {"calm": ""}, "max_age": 24, "thresholds": EASY}
    return Checker(Request(prefix=str(prefix.path), label="llm", **{**known, **options})).run()


def imported(count: Path) -> int:
    return len(count.read_text()) if count.exists() else 0


def note(prefix: Prefix) -> Path:
    return prefix.meta / ".llmfleet-verified"


def later(prefix: Prefix, name: str) -> str:
    found = {result.name: result for result in check(prefix).results}
    return found[name].detail


def test_a_pass_is_not_repeated_and_the_report_says_since_when(calm: Prefix, count: Path) -> None:
    first = check(calm)
    assert (first.status, imported(count)) == ("pass", 1)
    assert first.last_passes == ()
    second = check(calm)
    assert (second.status, imported(count)) == ("pass", 1)
    since = last_pass.read(str(calm.path)).since  # type: ignore[union-attr]
    assert second.last_passes == (
        {"environment": "llm", "reused": True, "since": since, "reason": ""},
    )
    inside = [result for result in second.results if result.layer == "imports"]
    assert [result.name for result in inside] == [
        "imports.interpreter",
        "imports.calm",
        "imports.user_environment",
    ]
    for result in inside:
        assert result.detail.endswith(f" Not run again: nothing changed since {since}.")
    assert second.facts == first.facts


def test_the_note_is_private_and_nothing_else_is_left(calm: Prefix) -> None:
    before = set(calm.tree())
    check(calm)
    assert set(calm.tree()) - before == {str(note(calm))}
    status = note(calm).stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o600, os.geteuid())


@pytest.mark.parametrize("options", [{"max_age": 0}, {"check_mode": True}, {"checks": ["quick"]}])
def test_nothing_is_written_without_need(calm: Prefix, options: dict[str, Any]) -> None:
    before = calm.tree()
    assert check(calm, **options).status == "pass"
    assert calm.tree() == before


def test_check_mode_believes_a_pass(calm: Prefix, count: Path) -> None:
    check(calm)
    before = calm.tree()
    assert check(calm, check_mode=True).last_passes[0]["reused"] is True
    assert imported(count) == 1
    assert calm.tree() == before


def test_a_failure_is_not_noted(calm: Prefix) -> None:
    assert check(calm, imports={"calm": "", "absent": ""}).status == "fail"
    assert not note(calm).exists()


# -- what makes the checks run again ---------------------------------------------------------------


def same_size_and_time(path: Path, old: str, new: str) -> None:
    """Change a file as somebody does who hides it: size and time of modification stay."""
    status, text = path.stat(), path.read_text()
    assert old in text
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def edited_file(calm: Prefix) -> None:
    same_size_and_time(calm.site_packages / "numpy" / "__init__.py", "42", "43")


def edited_pip_file(calm: Prefix) -> None:
    same_size_and_time(calm.site_packages / "calm" / "__init__.py", "'a'", '"a"')


def edited_record(calm: Prefix) -> None:
    same_size_and_time(calm.meta / "numpy-2.1.0-0.json", '"build": "0"', '"build": "1"')


def new_record(calm: Prefix) -> None:
    calm.record("six", "1.17.0")


def new_distribution(calm: Prefix) -> None:
    calm.pip_package("six", "1.17.0")


def other_python(calm: Prefix) -> None:
    python = calm.path / "bin" / "python"
    real = python.resolve()
    python.unlink()
    python.symlink_to(shutil.copy2(real, calm.path / "bin" / "other-python"))


def shadowing_module(calm: Prefix) -> None:
    (calm.site_packages / "calm.py").write_text("raise ImportError\n")


def new_startup_file(calm: Prefix) -> None:
    (calm.site_packages / "startup.pth").write_text("import sys\n")


def shadowing_submodule(calm: Prefix) -> None:
    (calm.site_packages / "numpy" / "json.py").write_text("")


CHANGES: dict[Callable[[Prefix], None], str] = {
    edited_file: "files of packages changed",
    edited_pip_file: "files of packages changed",
    edited_record: "the package records changed",
    new_record: "the package records changed",
    new_distribution: "the Python distributions changed",
    other_python: "the interpreter changed",
    shadowing_module: "the Python distributions changed",
    new_startup_file: "the Python distributions changed",
    shadowing_submodule: "files of packages changed",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_makes_the_checks_run_again(
    calm: Prefix, count: Path, change: Callable[[Prefix], None]
) -> None:
    check(calm)
    assert check(calm).last_passes[0]["reused"] is True
    change(calm)
    outcome = check(calm)
    assert outcome.last_passes[0]["reused"] is False
    assert outcome.last_passes[0]["reason"] == CHANGES[change]
    assert change is not shadowing_module or imported(count) in (1, 2)
    assert not any("Not run again" in result.detail for result in outcome.results)


def test_code_outside_of_the_environment_is_watched(calm: Prefix, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.py").write_text("answer = 42\n")
    # As an installation in editable mode leaves it.
    (calm.site_packages / "mine.pth").write_text(f"{outside}\n")
    options = {"imports": {"mine": ""}}
    assert check(calm, **options).status == "pass"
    assert check(calm, **options).last_passes[0]["reused"] is True
    changed = "files that the checks had loaded changed"
    same_size_and_time(outside / "mine.py", "42", "43")
    assert check(calm, **options).last_passes[0]["reason"] == changed
    assert check(calm, **options).last_passes[0]["reused"] is True
    # A module that would be found instead of another one.
    (outside / "numpy.py").write_text("")
    assert check(calm, **options).last_passes[0]["reason"] == changed


@pytest.mark.parametrize(
    "options",
    [
        {"imports": {"calm": ">=1"}},
        {"imports": {"calm": "", "numpy": ""}},
        {"checks": ["imports.interpreter"]},
    ],
)
def test_other_checks_run(calm: Prefix, options: dict[str, Any]) -> None:
    check(calm)
    outcome = check(calm, **options)
    assert outcome.last_passes[0]["reason"] == "other checks are requested"


def test_other_limits_and_variables_are_other_checks(
    calm: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(calm)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert check(calm).last_passes[0]["reason"] == "other checks are requested"
    monkeypatch.setenv("SSH_CLIENT", "10.0.0.1 50000 22")
    assert check(calm).last_passes[0]["reused"] is True


def test_modules_of_the_user_make_the_imports_run(
    calm: Prefix, count: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(calm)
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(mine))
    for _ in range(2):
        outcome = check(calm)
        assert outcome.last_passes[0]["reused"] is False
        assert outcome.last_passes[0]["reason"] == "the user has modules or variables of their own"


def test_a_model_is_watched(calm: Prefix, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    options = {"model": str(model), "skip_checks": ["workload"]}
    check(calm, **options)
    assert check(calm, **options).last_passes[0]["reused"] is True
    same_size_and_time(model / "config.json", "{}", "[]")
    assert check(calm, **options).last_passes[0]["reason"] == "the files of the model changed"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sys/module/nvidia/version", "580.65.06\n"),
        ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: H200\n"),
    ],
)
def test_driver_and_gpus_are_a_part(calm: Prefix, tmp_path: Path, file: str, text: str) -> None:
    request = Request(prefix=str(calm.path))
    observed = depends_observed(calm)
    root = tmp_path / "root"
    before, _newest = depends.state_digests(observed, request, (), root=str(root))
    (root / file).parent.mkdir(parents=True)
    (root / file).write_text(text)
    after, _newest = depends.state_digests(observed, request, (), root=str(root))
    assert depends.changed_part(before, after) == "the driver, the GPUs or the kernel changed"
    if file.endswith("version"):
        (root / file).write_text("580.95.05\n")
        newer, _newest = depends.state_digests(observed, request, (), root=str(root))
        assert newer["driver"] != after["driver"]


def depends_observed(calm: Prefix) -> Any:
    from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import observe

    return observe(str(calm.path))


# -- time ------------------------------------------------------------------------------------------

THEN = Moment(1_000_000.0, "boot", 5_000.0)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (Moment(1_000_000.0 + HOUR, "boot", 5_000.0 + HOUR), ""),
        (Moment(1_000_000.0 + 24 * HOUR, "boot", 5_000.0 + 24 * HOUR), "older than 24 hours"),
        (Moment(1_000_000.0 + HOUR, "another", 50.0), "the host was restarted"),
        (Moment(999_999.0, "boot", 5_000.0 + HOUR), "the clock of the host was set back"),
        # It was set back after a while, and looks young now.
        (Moment(1_000_000.0 + HOUR, "boot", 5_000.0 + 30 * HOUR), "clock of the host was set back"),
        # The kernel's count decides if the clock was set back by less than it may be corrected.
        (
            Moment(1_000_000.0 + 24 * HOUR - 60, "boot", 5_000.0 + 24 * HOUR),
            "older than 24 hours",
        ),
        # A clock that was set forward makes a pass older, never younger.
        (Moment(1_000_000.0 + 48 * HOUR, "boot", 5_000.0 + HOUR), "older than 24 hours"),
    ],
)
def test_age(moment: Moment, reason: str) -> None:
    told = too_old(LastPass("", {}, THEN), moment, 24)
    assert (reason in told) if reason else told == ""


def test_a_system_without_a_boot_id_has_its_clock_only() -> None:
    last = LastPass("", {}, Moment(1_000_000.0, "", 5_000.0))
    assert too_old(last, Moment(1_000_000.0 + HOUR, "", 10.0), 24) == ""
    assert "older than" in too_old(last, Moment(1_000_000.0 + 25 * HOUR, "", 10.0), 24)


def test_an_old_pass_is_repeated(
    calm: Prefix, count: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(calm)
    now = last_pass.now()
    tomorrow = replace(now, wall=now.wall + 25 * HOUR, uptime=now.uptime + 25 * HOUR)
    monkeypatch.setattr(last_pass, "now", lambda: tomorrow)
    outcome = check(calm)
    assert outcome.last_passes[0]["reason"] == "the last pass is older than 24 hours"
    assert imported(count) == 2
    assert check(calm).last_passes[0]["reused"] is True


# -- the note --------------------------------------------------------------------------------------


def rewritten(calm: Prefix, **changes: Any) -> None:
    data = json.loads(gzip.decompress(note(calm).read_bytes()))
    note(calm).write_bytes(gzip.compress(json.dumps({**data, **changes}).encode()))


def not_gzip(calm: Prefix) -> None:
    note(calm).write_bytes(b"{}")


def cut_off(calm: Prefix) -> None:
    note(calm).write_bytes(note(calm).read_bytes()[:100])


def other_format(calm: Prefix) -> None:
    rewritten(calm, format=2)


def without_reports(calm: Prefix) -> None:
    rewritten(calm, reports=7)


def writable_by_others(calm: Prefix) -> None:
    note(calm).chmod(0o622)


def a_link(calm: Prefix) -> None:
    note(calm).rename(calm.path / "elsewhere")
    note(calm).symlink_to(calm.path / "elsewhere")


def hard_linked(calm: Prefix) -> None:
    os.link(note(calm), calm.path / "elsewhere")


def a_pipe(calm: Prefix) -> None:
    note(calm).unlink()
    os.mkfifo(note(calm))


NOTES = (
    not_gzip,
    cut_off,
    other_format,
    without_reports,
    writable_by_others,
    a_link,
    hard_linked,
    a_pipe,
)


@pytest.mark.parametrize("spoil", NOTES, ids=lambda spoil: spoil.__name__)
def test_a_note_that_cannot_be_trusted_is_replaced(
    calm: Prefix, count: Path, spoil: Callable[[Prefix], None]
) -> None:
    check(calm)
    spoil(calm)
    assert check(calm).last_passes == ()
    assert imported(count) == 2
    assert check(calm).last_passes[0]["reused"] is True
    assert imported(count) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_note_of_another_user_is_not_believed(calm: Prefix, count: Path) -> None:
    check(calm)
    os.chown(note(calm), 12345, -1)
    assert check(calm).last_passes == ()
    assert imported(count) == 2


def test_a_linked_directory_is_not_written_to(calm: Prefix, tmp_path: Path) -> None:
    calm.meta.rename(tmp_path / "meta")
    calm.meta.symlink_to(tmp_path / "meta")
    before = sorted(path.name for path in (tmp_path / "meta").iterdir())
    assert check(calm).status == "pass"
    assert sorted(path.name for path in (tmp_path / "meta").iterdir()) == before


def test_a_file_that_changes_while_the_checks_run_prevents_the_note(
    calm: Prefix, count: Path
) -> None:
    # The import itself changes a file of the environment, as a concurrent change would.
    target = calm.site_packages / "numpy" / "__init__.py"
    code = calm.site_packages / "calm" / "__init__.py"
    code.write_text(code.read_text() + f"import os; os.utime({str(target)!r})\n")
    record = next(calm.site_packages.glob("calm-*.dist-info")) / "RECORD"
    record.write_text(record.read_text().replace("calm/__init__.py,", "calm/other.py,"))
    for times in (1, 2):
        assert check(calm, skip_checks=["environment"]).status == "pass"
        assert imported(count) == times
    assert not note(calm).exists()
