"""The installation and environment layers on fake prefixes, intact and damaged."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check import (
    prefix as llm_checks_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.prefix import (
    ENVIRONMENT_CHECKS,
    INSTALLATION_CHECKS,
    observe,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.request import Finding, Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    ProcessUser,
    Seen,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import locked
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.two_owners import note_replaced

if TYPE_CHECKING:
    from .conftest import Prefix


def look(prefix: Prefix, name: str, **options: Any) -> Finding:
    checks = {**INSTALLATION_CHECKS, **ENVIRONMENT_CHECKS}
    request = Request(prefix=str(prefix.path), **options)
    return checks[name](observe(str(prefix.path)), request)


@pytest.fixture
def full(prefix: Prefix) -> Prefix:
    """conda's numpy, pip's torch that needs it, and conda itself."""
    prefix.record("conda", "24.7.1", depends=["python >=3.8", "__glibc >=2.17"])
    code = prefix.code("numpy", "answer = 42\n")
    prefix.record("numpy", "2.1.0", files=(code,), depends=["python"])
    prefix.pip_package("torch", "2.13.0", requires=("numpy>=2; extra == 'x'", "filelock>=3"))
    prefix.pip_package("filelock", "3.20")
    return prefix


@pytest.mark.parametrize("name", [*INSTALLATION_CHECKS, *ENVIRONMENT_CHECKS])
def test_a_sound_prefix_passes(full: Prefix, name: str) -> None:
    finding = look(full, name)
    assert finding.status == "pass", finding.detail
    assert finding.detail.endswith(".")


@pytest.mark.parametrize("name", ["installation.exists", "environment.exists"])
def test_a_missing_prefix_is_a_failure_not_an_exception(prefix: Prefix, name: str) -> None:
    shutil.rmtree(prefix.path)
    finding = look(prefix, name)
    assert finding.status == "fail"
    assert "does not exist" in finding.detail
    assert str(prefix.path) in finding.detail


@pytest.mark.parametrize("name", ["installation.exists", "environment.exists"])
def test_a_foreign_directory_is_not_an_environment(prefix: Prefix, name: str) -> None:
    (prefix.meta / "history").unlink()
    finding = look(prefix, name)
    assert finding.status == "fail"
    assert "conda-meta/history" in finding.detail


def test_a_file_is_no_environment(prefix: Prefix) -> None:
    shutil.rmtree(prefix.path)
    prefix.path.write_text("x", encoding="utf-8")
    assert look(prefix, "environment.exists").status == "fail"


def test_an_environment_without_conda_is_no_installation(prefix: Prefix) -> None:
    finding = look(prefix, "installation.exists")
    assert finding.status == "fail"
    assert "without conda" in finding.detail


def test_the_version_of_conda_comes_from_its_record(full: Prefix) -> None:
    assert look(full, "installation.exists").measured == {"conda_version": "24.7.1"}


def test_a_prefix_that_may_not_be_read(full: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if str(path) == str(full.path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    finding = look(full, "environment.exists")
    assert finding.status == "fail"
    assert "Permission denied" in finding.detail


def test_a_truncated_record(full: Prefix) -> None:
    path = next(full.meta.glob("numpy-*.json"))
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    finding = look(full, "environment.records")
    assert finding.status == "fail"
    assert path.name in finding.detail


def test_a_record_for_another_platform(full: Prefix) -> None:
    full.record("libfoo", "1.0", subdir="linux-ppc64le")
    finding = look(full, "environment.records")
    assert finding.status == "fail"
    assert "libfoo for linux-ppc64le" in finding.detail


@pytest.mark.parametrize("inside", [True, False])
def test_an_interrupted_change(full: Prefix, inside: bool) -> None:
    journal = full.path.parent / f".{full.path.name}.llmfleet-journal"
    if inside:
        journal = full.meta / ".llmfleet-journal"
    journal.write_text(json.dumps({"operation": "install"}), encoding="utf-8")
    finding = look(full, "environment.records")
    assert finding.status == "fail"
    assert "install was interrupted" in finding.detail
    assert str(journal) in finding.detail


def test_a_deleted_file_is_named_with_its_package(full: Prefix) -> None:
    (full.site_packages / "numpy" / "__init__.py").unlink()
    finding = look(full, "environment.files")
    assert finding.status == "fail"
    assert "numpy (" in finding.detail
    assert "site-packages/numpy/__init__.py" in finding.detail
    assert list(finding.measured["damaged"]) == ["numpy"]


def test_a_truncated_file(full: Prefix) -> None:
    (full.site_packages / "numpy" / "__init__.py").write_text("a", encoding="utf-8")
    assert look(full, "environment.files").status == "fail"


def test_compiled_files_do_not_count(full: Prefix) -> None:
    full.record("six", "1.16", files=(), paths_data={})
    path = full.meta / "six-1.16-0.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["files"] = ["lib/__pycache__/six.pyc"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert look(full, "environment.files").status == "pass"


def test_many_damaged_packages_are_counted(full: Prefix) -> None:
    for name in ("pa", "pb", "pc", "pd"):
        files = (full.code(name, "x = 1\n"), full.code(f"{name}_more", "x = 1\n"))
        full.record(name, "1", files=files)
        for file in files:
            (full.path / file).unlink()
    detail = look(full, "environment.files").detail
    assert "pa (" in detail
    assert " and 1 more)" in detail
    assert "and 1 more packages" in detail


@pytest.mark.parametrize(
    ("python", "asked", "status"),
    [
        ("3.11.7", None, "pass"),
        ("3.11.7", "3.11", "pass"),
        ("3.11.7", "3.11.7", "pass"),
        ("3.11.7", "3", "pass"),
        ("3.11.7", ">=3.10,<3.12", "pass"),
        ("3.11.7", "3.12", "fail"),
        ("3.11.7", "3.1", "fail"),
        ("3.11.7", "3.11.8", "fail"),
        ("3.11.7", ">=3.12", "fail"),
    ],
)
def test_the_version_of_python(prefix: Prefix, python: str, asked: str | None, status: str) -> None:
    for record in prefix.meta.glob("python-*.json"):
        record.unlink()
    prefix.record("python", python)
    finding = look(prefix, "environment.python", python_version=asked)
    assert finding.status == status
    assert python in finding.detail


def test_an_interpreter_that_cannot_be_executed(prefix: Prefix) -> None:
    (prefix.path / "bin" / "python").unlink()
    finding = look(prefix, "environment.python")
    assert finding.status == "fail"
    assert "bin/python" in finding.detail


def test_an_environment_without_python(prefix: Prefix) -> None:
    next(prefix.meta.glob("python-*.json")).unlink()
    assert look(prefix, "environment.python").status == "skip"
    for options in ({"python_version": "3.11"}, {"imports": {"numpy": ""}}):
        finding = look(prefix, "environment.python", **options)
        assert finding.status == "fail"
        assert "no Python" in finding.detail


def test_a_missing_file_of_a_pip_distribution(full: Prefix) -> None:
    (full.site_packages / "torch" / "__init__.py").unlink()
    finding = look(full, "environment.distributions")
    assert finding.status == "fail"
    assert "torch (torch/__init__.py" in finding.detail
    assert look(full, "environment.files").status == "pass"


def test_a_distribution_without_metadata(full: Prefix) -> None:
    (full.site_packages / "torch-2.13.0.dist-info" / "METADATA").unlink()
    finding = look(full, "environment.distributions")
    assert finding.status == "fail"
    assert "METADATA" in finding.detail


def test_a_missing_requirement_of_a_pip_distribution(full: Prefix) -> None:
    shutil.rmtree(full.site_packages / "filelock-3.20.dist-info")
    finding = look(full, "environment.requirements")
    assert finding.status == "fail"
    assert "torch 2.13.0 requires filelock>=3, which is not installed" in finding.detail


def test_a_requirement_of_a_pip_distribution_in_a_wrong_version(prefix: Prefix) -> None:
    prefix.pip_package("torch", "2.13.0", requires=("numpy>=2",))
    prefix.pip_package("numpy", "1.26.4")
    finding = look(prefix, "environment.requirements")
    assert finding.status == "fail"
    assert "requires numpy>=2, but 1.26.4 is installed" in finding.detail


def test_a_requirement_with_a_marker_for_another_python(prefix: Prefix) -> None:
    prefix.pip_package("torch", "2.13.0", requires=('tomli>=1; python_version < "3.8"',))
    assert look(prefix, "environment.requirements").status == "pass"


@pytest.mark.parametrize(
    ("depends", "words"),
    [
        (["libabsent >=1"], "requires libabsent >=1, which is not installed"),
        (["numpy >=3"], "requires numpy >=3, but 2.1.0 0 is installed"),
    ],
)
def test_a_dependency_of_condas(full: Prefix, depends: list[str], words: str) -> None:
    full.record("pandas", "2.2", depends=depends)
    finding = look(full, "environment.requirements")
    assert finding.status == "fail"
    assert f"conda's pandas 2.2 {words}" in finding.detail


def test_python_metadata_do_not_count_between_packages_of_conda(prefix: Prefix) -> None:
    code = prefix.pip_package("matplotlib", "3.9", requires=("pyparsing>=99", "not-in-conda"))
    info = "matplotlib-3.9.dist-info/METADATA"
    files = (
        str(code.relative_to(prefix.path)),
        str((prefix.site_packages / info).relative_to(prefix.path)),
    )
    prefix.record("matplotlib-base", "3.9", files=files)
    assert look(prefix, "environment.requirements").status == "pass"
    # If pip installs the required distribution, its version must match.
    prefix.pip_package("pyparsing", "3.1")
    finding = look(prefix, "environment.requirements")
    assert finding.status == "fail"
    assert "matplotlib 3.9 requires pyparsing>=99, but 3.1 is installed" in finding.detail


@pytest.mark.parametrize(
    ("channel", "ours"),
    [
        ("https://repo.anaconda.com/pkgs/main/linux-64", False),
        ("https://conda.anaconda.org/main/linux-64", False),
        ("https://mirror.example/anaconda/pkgs/r/noarch", False),
        ("pkgs/main", False),
        ("anaconda", False),
        ("https://mirror.example/ours/main/linux-64", True),
        ("defaults", False),
        ("https://conda.anaconda.org/conda-forge/linux-64", True),
        ("https://mirror.example/conda/lab/noarch", True),
        ("https://conda.anaconda.org/pytorch/linux-64", True),
    ],
)
def test_channels(full: Prefix, channel: str, ours: bool) -> None:
    full.record("openssl", "3.0", channel=channel)
    finding = look(full, "environment.channels")
    assert finding.status == ("pass" if ours else "fail")
    if not ours:
        assert "openssl 3.0" in finding.detail
        assert "allow_defaults" in finding.detail
        allowed = look(full, "environment.channels", allow_defaults=True)
        assert allowed.status == "pass"
        assert "1 of them from defaults" in allowed.detail


def test_distributions_for_another_python_are_listed(full: Prefix) -> None:
    library = full.path / "lib" / "python2.7"
    info = library / "site-packages" / "lost-1.0.dist-info"
    info.mkdir(parents=True)
    (full.path / "lib" / "python2.8").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lost\nVersion: 1.0\n\n")
    finding = look(full, "environment.other_pythons")
    assert finding.status == "pass"
    assert finding.measured == {"other_pythons": {"2.7": ["lost==1.0"]}}
    assert "lost==1.0" in finding.detail
    assert str(library) in finding.detail


def test_processes_are_listed_and_never_a_failure(
    full: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = (ProcessUser(60, "ada", "python serve.py", 7, "exe"),)
    monkeypatch.setattr(llm_checks_prefix, "look", lambda _places: Seen(users, unseen=1))
    finding = look(full, "environment.in_use")
    assert finding.status == "pass"
    assert "60 of ada (python serve.py)" in finding.detail
    assert "cannot see processes of other users" in finding.detail
    assert finding.measured["in_use"][0]["pid"] == 60
    monkeypatch.setattr(llm_checks_prefix, "look", lambda _places: Seen(problem="no lsof"))
    assert look(full, "environment.in_use").status == "skip"


def test_checks_change_nothing(full: Prefix, make_prefix: Callable[..., Prefix]) -> None:
    before = full.tree()
    for name in ENVIRONMENT_CHECKS:
        look(full, name, imports={"numpy": ""})
    assert full.tree() == before


def test_readings_survive_a_broken_link(full: Prefix, tmp_path: Path) -> None:
    (full.path / "lib" / "dangling").symlink_to(tmp_path / "nowhere")
    assert look(full, "environment.files").status == "pass"


def conda_distribution(prefix: Prefix, name: str, version: str) -> None:
    """A distribution as conda links it, with its record."""
    code = prefix.code(name, "")
    info = prefix.site_packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "INSTALLER").write_text("conda\n")
    files = tuple(str(file.relative_to(prefix.path)) for file in info.iterdir())
    prefix.record(name, version, files=(code, *files), depends=["python"])


def test_each_distribution_has_one_owner(full: Prefix) -> None:
    conda_distribution(full, "tqdm", "4.66.5")
    finding = look(full, "environment.owners")
    assert finding.status == "pass"
    assert finding.measured == {"conda": 1, "pip": 2, "both": []}


def test_a_distribution_of_two_owners_fails_by_name(full: Prefix) -> None:
    # conda overwrote the files of pip's version, and pip's metadata stayed.
    full.pip_package("tqdm", "4.70.1")
    conda_distribution(full, "tqdm", "4.66.5")
    finding = look(full, "environment.owners")
    assert finding.status == "fail"
    assert finding.detail == (
        "1 distribution has: tqdm (conda's 4.66.5, and tqdm-4.70.1.dist-info): metadata of both conda and"
        " pip, so their files may be a mixture. To give them to conda alone, run on the controller: ansible"
        " HOST -m llmfleet.conda.conda_package -a"
        f" 'installation=INSTALLATION prefix={full.path} packages=tqdm'"
    )


def test_pip_over_a_package_of_conda_counts_as_two_owners(full: Prefix) -> None:
    # pip removed conda's metadata and installed its own; conda's record still has the package.
    conda_distribution(full, "tqdm", "4.66.5")
    shutil.rmtree(full.site_packages / "tqdm-4.66.5.dist-info")
    full.pip_package("tqdm", "4.70.1")
    finding = look(full, "environment.owners")
    assert finding.status == "fail"
    assert "tqdm (conda's 4.66.5, and tqdm-4.70.1.dist-info)" in finding.detail


def test_what_a_task_let_pip_replace_has_one_owner(full: Prefix) -> None:
    conda_distribution(full, "tqdm", "4.66.5")
    shutil.rmtree(full.site_packages / "tqdm-4.66.5.dist-info")
    full.pip_package("tqdm", "4.70.1")
    state = observe_prefix(str(full.path), thorough=True)
    note_replaced(state, ["tqdm"])
    for name in ("environment.owners", "environment.files"):
        finding = look(full, name)
        assert finding.status == "pass", finding.detail


@pytest.mark.parametrize("name", ["installation.exists", "environment.exists"])
def test_what_is_not_there_yet_is_no_failure_in_check_mode(prefix: Prefix, name: str) -> None:
    shutil.rmtree(prefix.path)
    finding = look(prefix, name, check_mode=True)
    assert finding.status == "absent"
    assert "is not there yet" in finding.detail
    # Nothing will turn a directory of somebody else into an environment.
    prefix.path.mkdir()
    (prefix.path / "data").write_text("mine")
    assert look(prefix, name, check_mode=True).status == "fail"


def test_who_is_changing_the_environment_is_named(full: Prefix) -> None:
    with locked(str(full.path), operation="change"):
        started = time.monotonic()
        observed = observe(str(full.path), patience=1)
        assert time.monotonic() - started >= 1
    finding = ENVIRONMENT_CHECKS["environment.exists"](
        observed, Request(prefix=str(full.path), lock_timeout=1)
    )
    assert finding.status == "fail"
    assert (
        f"{full.path} is being changed by process {os.getpid()} (change, since " in finding.detail
    )
    assert "; waited 1 seconds." in finding.detail


def test_the_end_of_a_change_is_waited_for(full: Prefix) -> None:
    begun, done = threading.Event(), threading.Event()

    def change() -> None:
        with locked(str(full.path), operation="change"):
            record = next(full.meta.glob("numpy-*.json"))
            aside = record.rename(full.path / "aside")
            begun.set()
            done.wait(60)
            aside.rename(record)

    thread = threading.Thread(target=change)
    thread.start()
    begun.wait(60)
    threading.Timer(0.3, done.set).start()
    observed = observe(str(full.path), patience=60)
    thread.join()
    assert observed.busy == ""
    assert "numpy" in observed.state.records


def test_looking_for_a_lock_leaves_nothing_behind(full: Prefix) -> None:
    before = full.tree()
    assert observe(str(full.path)).busy == ""
    assert full.tree() == before
    assert sorted(path.name for path in full.path.parent.iterdir()) == ["env", "home"]
