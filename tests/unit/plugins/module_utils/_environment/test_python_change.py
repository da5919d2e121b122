"""Which of pip's distributions a change of Python may remove, and what stays of the old Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.python_change import (
    installed_by_pip,
    old_python,
    pip_removed,
    python_in,
    removal_warning,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.request import (
    Observed,
    Request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.old_python import (
    examine_old_python,
    remove_old_python,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import observe_prefix
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix

OLD = PackageRecord("python", "3.11.7", "0", subdir="linux-64")


def by_pip(prefix: Path, name: str, *requires: str, script: str = "", site: str = "3.11") -> None:
    """What pip writes for a distribution of one module."""
    packages = prefix / "lib" / f"python{site}" / "site-packages"
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Requires-Dist: {line}" for line in requires]
    headers = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *lines, "", ""]
    (info / "METADATA").write_text("\n".join(headers))
    (packages / f"{name}.py").write_text("")
    rows = [f"{name}.py,,", f"{name}-1.0.dist-info/METADATA,,", f"{name}-1.0.dist-info/RECORD,,"]
    if script:
        (prefix / "bin").mkdir(exist_ok=True)
        (prefix / "bin" / script).write_text("")
        rows.append(f"../../../bin/{script},,")
    (info / "RECORD").write_text("\n".join([*rows, ""]))


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Python 3.11 with pip's app, its lib, extra and other, and conda's six."""
    fake = FakePrefix(tmp_path / "env")
    fake.link("python", "3.11.7", files={"lib/python3.11/os.py": b"", "bin/python3.11": b""})
    site = "lib/python3.11/site-packages/six-1.0.dist-info"
    fake.link("six", files={f"{site}/METADATA": b"Name: six\nVersion: 1.0\n\n"})
    by_pip(fake.path, "app", "lib>=1", "extra; extra == 'more'", script="app")
    for name in ("lib", "extra", "other"):
        by_pip(fake.path, name)
    return fake.path


def switched(prefix: Path, new: str = "3.12") -> None:
    """What conda does when it links another Python: its own files of the old one go."""
    for path in (prefix / "conda-meta").glob("*.json"):
        path.unlink()
    for path in ("lib/python3.11/os.py", "bin/python3.11"):
        (prefix / path).unlink()
    info = prefix / "lib/python3.11/site-packages/six-1.0.dist-info"
    (info / "METADATA").unlink()
    info.rmdir()
    os.rename(prefix, prefix.parent / "old")
    fake = FakePrefix(prefix)
    files = {f"lib/python{new}/os.py": b"", f"bin/python{new}": b"", "bin/shared": b""}
    fake.link("python", f"{new}.1", files=files)
    for path in (prefix.parent / "old").rglob("*"):
        target = prefix / path.relative_to(prefix.parent / "old")
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            path.rename(target)


def request(prefix: Path, *later: str, **options: Any) -> Request:
    """A request of a task that a later task installs these lines after."""
    return Request(
        installation="/opt/mc",
        prefix=str(prefix),
        wanted=(),
        whole=True,
        pip_later=later,
        **options,
    )


@pytest.mark.parametrize(
    ("later", "lost"),
    [
        ((), ["app", "extra", "lib", "other"]),
        (("app", "other>=1  # both"), ["extra"]),
        (("APP[more]",), ["other"]),
        (("app[more]; python_version < '3'", "other"), ["app", "extra", "lib"]),
        (("app[more]\nother --hash=sha256:" + "0" * 64,), []),
        (("--no-binary :all:", "app[more]", "other @ https://h/other-1.0.whl"), []),
    ],
)
def test_what_no_later_task_installs_is_refused(
    prefix: Path, later: tuple[str, ...], lost: list[str]
) -> None:
    theirs = installed_by_pip(observe_prefix(str(prefix)), "3.11")
    assert sorted(theirs) == ["app", "extra", "lib", "other"]
    if not lost:
        removed = pip_removed(request(prefix, *later), theirs, OLD, "3.12")
        assert removed[0] == "app==1.0 (pip, Python 3.11)"
        assert len(removed) == 4
        return
    with pytest.raises(CondaModuleError) as error:
        pip_removed(request(prefix, *later), theirs, OLD, "3.12")
    assert error.value.facts["pip_distributions"] == [f"{name}==1.0" for name in lost]
    assert "replace Python 3.11 by 3.12" in error.value.message
    allowed = request(prefix, *later, on_python_change="remove")
    removed = pip_removed(allowed, theirs, OLD, None)
    assert "other==1.0" in removal_warning(allowed, removed, "3.11", None)


def test_the_source_of_a_distribution_is_shown_without_secrets(prefix: Path) -> None:
    info = prefix / "lib/python3.11/site-packages/lib-1.0.dist-info"
    (info / "direct_url.json").write_text('{"url": "https://me:geheim@h/lib.whl"}')
    theirs = installed_by_pip(observe_prefix(str(prefix)), "3.11")
    with pytest.raises(CondaModuleError, match=r"lib==1\.0 @ https://") as error:
        pip_removed(request(prefix), theirs, OLD, "3.12")
    assert "geheim" not in str(error.value.as_result())


def test_the_python_among_the_lines() -> None:
    assert python_in(["(frozen)", "python 3.12.1 0 lab", "python_abi 3.12 0"]) == "3.12"
    assert python_in(["python-dateutil 2 0", "six 1 0"]) is None


@pytest.mark.parametrize("where", ["record", "lost", "unreadable"])
def test_the_old_python_is_known_after_an_interruption(prefix: Path, where: str) -> None:
    state = observe_prefix(str(prefix))
    lost = ()
    record = prefix / "conda-meta" / "python-3.11.7-0.json"
    if where == "lost":
        record.unlink()
        lost = (OLD,)
    elif where == "unreadable":
        record.write_text("{")
    state = observe_prefix(str(prefix))
    found = old_python(Observed(state, lost=lost))
    assert found is not None
    assert found.version == "3.11.7"


def test_only_what_conda_or_pip_left_goes(prefix: Path) -> None:
    by_pip(prefix, "both", script="shared")
    by_pip(prefix, "new", site="3.12", script="app2")
    rows = prefix / "lib/python3.11/site-packages/other-1.0.dist-info/RECORD"
    rows.write_text(rows.read_text() + "../../../bin/app2,,\n../../../conda-meta/history,,\n")
    mine = prefix / "lib/python3.11/site-packages/mine.py"
    mine.write_text("")
    cached = mine.parent / "__pycache__" / "mine.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_text("")
    switched(prefix)
    told = remove_old_python(str(prefix), "3.11")
    assert "lib/python3.11/site-packages/mine.py. It stays" in told
    left = [path for path in (prefix / "lib/python3.11").rglob("*") if path.is_file()]
    assert left == [mine]
    # Files that the new Python's packages have as well stay, and so does what is conda's own.
    assert sorted(os.listdir(prefix / "bin")) == ["app2", "python3.12", "shared"]
    assert (prefix / "conda-meta/history").exists()
    mine.unlink()
    assert remove_old_python(str(prefix), "3.11") == ""
    assert sorted(os.listdir(prefix / "lib")) == ["python3.12"]
    assert remove_old_python(str(prefix), "3.11") == ""


def test_the_directory_of_the_current_python_stays(prefix: Path) -> None:
    before = sorted(prefix.rglob("*"))
    assert remove_old_python(str(prefix), "3.11") == ""
    assert sorted(prefix.rglob("*")) == before
    old = examine_old_python(str(prefix), "3.11")
    assert old is not None
    assert old.foreign == ()


def test_a_link_is_not_followed(prefix: Path, tmp_path: Path) -> None:
    switched(prefix)
    os.rename(prefix / "lib/python3.11", tmp_path / "elsewhere")
    (prefix / "lib/python3.11").symlink_to(tmp_path / "elsewhere")
    before = sorted((tmp_path / "elsewhere").rglob("*"))
    assert remove_old_python(str(prefix), "3.11") == ""
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before
