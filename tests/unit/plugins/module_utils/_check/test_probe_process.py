"""The probe in a real interpreter: its reports, and the handling of crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._check import inside as llm_probe
from ansible_collections.llmfleet.conda.plugins.module_utils._check import (
    inside_checks as llm_probe_checks,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe import (
    Limits,
    Report,
    Step,
    clean_environment,
    explain_death,
    run_steps,
    scratch_directory,
    source_of,
    user_environment,
    what_users_add,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed

if TYPE_CHECKING:
    from .conftest import Prefix


def probe(
    prefix: Prefix,
    *names: str,
    later: bool = True,
    limits: Limits | None = None,
    environment: dict[str, str] | None = None,
    isolated: bool = True,
) -> dict[str, Report]:
    """Import the names in the prefix's interpreter, then look at it once more in a later layer."""
    where = {"prefix": str(prefix.path)}
    steps = [Step("imports.interpreter", "imports", "check_interpreter", where)]
    steps += [
        Step(f"imports.{name}", "imports", "check_import", {"name": name, **where})
        for name in names
    ]
    if later:
        steps.append(Step("kernel.later", "kernel", "check_interpreter", where))
    with scratch_directory() as scratch:
        return run_steps(
            prefix.python,
            steps,
            environment=environment or clean_environment(scratch),
            limits=limits or Limits.starting_now(60, 30),
            isolated=isolated,
        )


def test_a_sound_import(prefix: Prefix) -> None:
    prefix.pip_package("calm", "1.2.3")
    reports = probe(prefix, "calm")
    assert list(reports) == ["imports.interpreter", "imports.calm", "kernel.later"]
    assert all(report.passed for report in reports.values())
    assert reports["imports.calm"].measured["version"] == "1.2.3"
    assert reports["imports.calm"].detail == "calm 1.2.3 is imported."
    assert reports["imports.interpreter"].seconds > 0
    version = reports["imports.interpreter"].measured["sys_version"]
    assert version.startswith(sys.version.split()[0])


def test_a_foreign_interpreter(prefix: Prefix) -> None:
    where = {"prefix": str(prefix.path / "elsewhere")}
    step = Step("imports.interpreter", "imports", "check_interpreter", where)
    with scratch_directory() as scratch:
        report = run_steps(
            prefix.python,
            [step],
            environment=clean_environment(scratch),
            limits=Limits.starting_now(60, 30),
            isolated=True,
        )["imports.interpreter"]
    assert not report.passed
    assert not report.crashed
    assert "elsewhere" in report.detail


@pytest.mark.parametrize(
    ("name", "module"), [("py-yaml.ish", "yamlish"), ("Scikit_Thing", "skthing")]
)
def test_a_distribution_name_finds_its_module(prefix: Prefix, name: str, module: str) -> None:
    prefix.pip_package(name, "3.1", module=module)
    report = probe(prefix, name)[f"imports.{name}"]
    assert report.passed
    assert report.measured["import"] == module
    assert report.measured["version"] == "3.1"


def test_an_import_name_finds_its_distribution(prefix: Prefix) -> None:
    prefix.pip_package("py-yamlish", "3.1", module="yamlish")
    assert probe(prefix, "yamlish")["imports.yamlish"].measured["version"] == "3.1"


def test_a_package_without_metadata_tells_its_own_version(prefix: Prefix) -> None:
    prefix.code("bare", "__version__ = '0.9'\n")
    report = probe(prefix, "bare")["imports.bare"]
    assert report.passed
    assert report.measured["version"] == "0.9"


def test_a_version_that_differs_from_the_metadata_is_reported(prefix: Prefix) -> None:
    prefix.pip_package("mixed", "2.0", "__version__ = '1.0'\n")
    report = probe(prefix, "mixed")["imports.mixed"]
    assert report.measured["version"] == "2.0"
    assert "its __version__ is 1.0" in report.detail


def test_a_package_outside_the_environment_is_reported(prefix: Prefix, tmp_path: Path) -> None:
    source = tmp_path / "checkout" / "editable"
    source.mkdir(parents=True)
    (source / "__init__.py").touch()
    (prefix.site_packages / "editable.pth").write_text(str(source.parent), encoding="utf-8")
    report = probe(prefix, "editable")["imports.editable"]
    assert report.passed
    assert "outside the environment" in report.detail


def test_an_absent_package(prefix: Prefix) -> None:
    reports = probe(prefix, "absent")
    assert not reports["imports.absent"].passed
    assert not reports["imports.absent"].crashed
    assert "No module named 'absent'" in reports["imports.absent"].detail
    assert "kernel.later" not in reports


def test_a_failure_stops_after_its_layer(prefix: Prefix) -> None:
    prefix.pip_package("calm")
    reports = probe(prefix, "absent", "calm")
    assert reports["imports.calm"].passed
    assert "kernel.later" not in reports


def test_a_missing_part_of_a_package_names_package_and_module(prefix: Prefix) -> None:
    prefix.pip_package("torn", source="import torn._core\n")
    report = probe(prefix, "torn")["imports.torn"]
    assert not report.passed
    assert report.measured["missing_module"] == "torn._core"
    assert report.measured["package"] == "torn"


def test_a_lost_init_file_is_a_failure(prefix: Prefix) -> None:
    prefix.pip_package("hollow").unlink()
    report = probe(prefix, "hollow")["imports.hollow"]
    assert not report.passed
    assert "hollow/__init__.py" in report.detail


def test_an_empty_directory_is_no_package(prefix: Prefix) -> None:
    (prefix.site_packages / "ghost").mkdir()
    report = probe(prefix, "ghost")["imports.ghost"]
    assert not report.passed
    assert "ghost/__init__.py is missing" in report.detail


def test_a_namespace_package_is_one(prefix: Prefix) -> None:
    prefix.pip_package("wide-part", module="wide/part")
    report = probe(prefix, "wide")["imports.wide"]
    assert report.passed, report.detail
    assert report.measured["version"] == "1.0"


def test_a_missing_library_is_named_with_its_package(prefix: Prefix) -> None:
    prefix.pip_package("linked", source="import ctypes\nctypes.CDLL('libnowhere.so.7')\n")
    prefix.pip_package("user", source="import linked\n")
    report = probe(prefix, "user")["imports.user"]
    assert not report.passed
    assert report.measured["missing_file"] == "libnowhere.so.7"
    assert report.measured["package"] == "linked"
    assert "libnowhere.so.7" in report.detail


def test_the_original_exception_is_reported(prefix: Prefix) -> None:
    source = """
        try:
            import nosuch
        except ImportError as error:
            raise ImportError("\\n\\nIMPORTANT: PLEASE READ THIS\\n" + "advice\\n" * 100) from error
    """
    prefix.pip_package("wordy", source=textwrap.dedent(source))
    detail = probe(prefix, "wordy")["imports.wordy"].detail
    assert "No module named 'nosuch'" in detail
    assert "\n" not in detail
    assert len(detail) < 800


NOISE = """
    import os, sys
    print("hello on stdout")
    print('{"event": "result", "name": "imports.noisy", "passed": false}')
    sys.stdout.flush()
    os.write(1, b"raw bytes without an end")
    os.system("echo a child speaks")
    sys.stderr.write("warning\\n" * 1000)
    sys.stdout = None
"""


def test_noise_does_not_reach_the_report(prefix: Prefix) -> None:
    prefix.pip_package("noisy", source=textwrap.dedent(NOISE))
    prefix.pip_package("calm")
    reports = probe(prefix, "noisy", "calm")
    assert all(report.passed for report in reports.values())
    assert len(reports) == 4


def test_noise_before_the_probe_begins(prefix: Prefix) -> None:
    line = "import sys; sys.stdout.write('[1]\\n7\\nunfinished {'); sys.stdout.flush()\n"
    (prefix.site_packages / "talk.pth").write_text(line, encoding="utf-8")
    prefix.pip_package("calm")
    assert all(report.passed for report in probe(prefix, "calm").values())


SEGFAULT = "import ctypes\nctypes.string_at(0)\n"


def test_a_crash_is_a_failure_of_the_import_in_which_it_happened(prefix: Prefix) -> None:
    prefix.pip_package("crashing", source=SEGFAULT)
    prefix.pip_package("calm")
    reports = probe(prefix, "calm", "crashing", "absent")
    assert reports["imports.calm"].passed
    crash = reports["imports.crashing"]
    assert crash.crashed
    assert not crash.passed
    assert "SIGSEGV" in crash.detail
    assert crash.measured["package"] == "crashing"
    assert crash.measured["exit_status"] == -signal.SIGSEGV
    # A second process runs the rest of the layer; later layers are not reached.
    assert "No module named 'absent'" in reports["imports.absent"].detail
    assert "kernel.later" not in reports


def test_the_package_that_crashes_is_named_and_not_the_one_that_imports_it(prefix: Prefix) -> None:
    prefix.pip_package("crashing", source=SEGFAULT)
    prefix.pip_package("innocent", source="import crashing\n")
    crash = probe(prefix, "innocent")["imports.innocent"]
    assert crash.measured["package"] == "crashing"


@pytest.mark.parametrize("source", ["import os\nos._exit(0)\n", "import os\nos._exit(7)\n"])
def test_a_silent_end_is_a_failure(prefix: Prefix, source: str) -> None:
    prefix.pip_package("quitting", source=source)
    report = probe(prefix, "quitting")["imports.quitting"]
    assert report.crashed
    assert "exit status" in report.detail


def test_sys_exit_is_a_failure(prefix: Prefix) -> None:
    prefix.pip_package("leaving", source="import sys\nsys.exit('no licence')\n")
    report = probe(prefix, "leaving")["imports.leaving"]
    assert not report.passed
    assert not report.crashed
    assert "SystemExit: no licence" in report.detail


def test_the_last_lines_of_stderr_are_reported(prefix: Prefix) -> None:
    source = "import os\nos.write(2, b'one\\nthe disk is full\\n')\nos.abort()\n"
    prefix.pip_package("aborting", source=source)
    detail = probe(prefix, "aborting")["imports.aborting"].detail
    assert "SIGABRT" in detail
    assert "the disk is full" in detail


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1000)\n",
        "while True:\n    pass\n",
        "import ctypes\nctypes.PyDLL(None).sleep(1000)\n",
    ],
    ids=["sleeping", "busy", "in C code with the lock held"],
)
def test_a_hanging_import_ends_in_time(prefix: Prefix, source: str) -> None:
    prefix.pip_package("hanging", source=source)
    prefix.pip_package("calm")
    reports = probe(prefix, "hanging", "calm", limits=Limits.starting_now(60, 1))
    hung = reports["imports.hanging"]
    assert hung.crashed
    assert "did not finish within 1 s" in hung.detail
    assert hung.measured["package"] == "hanging"
    assert hung.seconds > 0.9
    assert reports["imports.calm"].passed


def test_the_time_for_all_checks_ends_too(prefix: Prefix) -> None:
    prefix.pip_package("hanging", source="import time\ntime.sleep(1000)\n")
    prefix.pip_package("calm")
    reports = probe(prefix, "hanging", "calm", limits=Limits.starting_now(1, 100))
    assert not reports["imports.hanging"].passed
    assert not reports["imports.calm"].passed
    assert "timeout of 1 s" in reports["imports.calm"].detail


def test_an_interpreter_that_is_stopped_is_killed(prefix: Prefix, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "ansible_collections.llmfleet.conda.plugins.module_utils._check.probe._GRACE", 0.5
    )
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n"
    prefix.pip_package("stopping", source=source)
    reports = probe(prefix, "stopping", limits=Limits.starting_now(1, 100))
    assert "timeout of 1 s for all checks" in reports["imports.stopping"].detail


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, "No such file"),
        ("#!/bin/sh\necho 'python: error while loading shared libraries: libpython3.so.1.0: "
         "cannot open shared object file: No such file or directory' >&2\nexit 127\n",
         "missing file libpython3.so.1.0"),
        ("no program\n", "cannot be started"),
    ],
    ids=["absent", "library missing", "not executable code"],
)  # fmt: skip
def test_an_interpreter_that_does_not_start(
    prefix: Prefix, program: str | None, words: str
) -> None:
    python = Path(prefix.python)
    python.unlink()
    if program is not None:
        python.write_text(program, encoding="utf-8")
        python.chmod(0o755)
    reports = probe(prefix, "json")
    assert list(reports) == ["imports.interpreter"]
    assert reports["imports.interpreter"].crashed
    assert words in reports["imports.interpreter"].detail


def test_secrets_in_messages_are_masked(prefix: Prefix) -> None:
    source = "raise RuntimeError('https://user:hunter2@mirror.example/simple')\n"
    prefix.pip_package("telling", source=source)
    detail = probe(prefix, "telling")["imports.telling"].detail
    assert "hunter2" not in detail
    assert "mirror.example" in detail


def test_nothing_is_written(prefix: Prefix, tmp_path: Path) -> None:
    source = """
        import os, pathlib, sys
        assert sys.dont_write_bytecode
        for name in ("MPLCONFIGDIR", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "TMPDIR", "HOME"):
            pathlib.Path(os.environ[name], "used").write_text("x")
        assert "HF_HUB_CACHE" not in os.environ
    """
    prefix.pip_package("caching", source=textwrap.dedent(source))
    before = prefix.tree()
    with scratch_directory(str(tmp_path)) as scratch:
        os.environ["HF_HUB_CACHE"] = str(tmp_path / "cache")
        try:
            environment = clean_environment(scratch)
        finally:
            del os.environ["HF_HUB_CACHE"]
        reports = probe(prefix, "caching", environment=environment)
        assert reports["imports.caching"].passed, reports["imports.caching"].detail
        assert os.path.exists(os.path.join(scratch, "used"))
    assert not os.path.exists(scratch)
    assert prefix.tree() == before
    assert os.listdir(os.environ["HOME"]) == []


def test_the_clean_run_does_not_see_the_users_paths(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "calm.py").write_text("__version__ = '9'\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    prefix.pip_package("calm", "1.0")
    assert str(prefix.path) in probe(prefix, "calm")["imports.calm"].measured["path"]
    with scratch_directory() as scratch:
        users = user_environment(scratch)
        report = probe(prefix, "calm", environment=users, isolated=False)["imports.calm"]
    assert report.measured["path"] == str(tmp_path / "shadow" / "calm.py")
    assert what_users_add("3.11") == {"PYTHONPATH": str(tmp_path / "shadow")}


def test_the_users_site_packages_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert what_users_add("3.11") == {}
    site = tmp_path / "home" / ".local" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    assert what_users_add("3.11") == {}
    (site / "numpy").mkdir()
    assert what_users_add("3.11") == {"user site-packages": str(site)}
    assert what_users_add("3.12") == {}
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    assert what_users_add("3.11") == {}


def test_the_source_is_found_inside_a_zip(tmp_path: Path) -> None:
    """Ansible carries module_utils to the host in a zip file and imports them from there."""
    archive = tmp_path / "payload.zip"
    folder = "ansible_collections/llmfleet/conda/plugins/module_utils"
    repository = Path(llm_probe.__file__).parent.parent
    with zipfile.ZipFile(archive, "w") as payload:
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            payload.writestr("/".join([*parts[:depth], "__init__.py"]), "")
        for package in {file.parent for file in repository.rglob("*/*.py")}:
            payload.writestr(f"{folder}/{package.relative_to(repository)}/__init__.py", "")
        for file in repository.rglob("*.py"):
            payload.write(file, f"{folder}/{file.relative_to(repository)}")
    code = (
        "from ansible_collections.llmfleet.conda.plugins.module_utils._check import inside\n"
        "from ansible_collections.llmfleet.conda.plugins.module_utils._check.probe "
        "import source_of\n"
        "import json; print(json.dumps([inside.__file__, source_of(inside)]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(archive)},
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    path, text = json.loads(result.stdout)
    assert "payload.zip" in path
    assert text == (repository / "_check" / "inside.py").read_text(encoding="utf-8")


def test_the_source_is_found_beside_the_tests() -> None:
    for module in (llm_probe, llm_probe_checks):
        assert source_of(module) == Path(str(module.__file__)).read_text(encoding="utf-8")


def test_unknown_signals_and_long_output_are_reported() -> None:
    limits = Limits.starting_now(10, 5)
    detail, measured = explain_death(Completed(-200, "", "x" * 5000), limits)
    assert "signal 200" in detail
    assert len(detail) < 1600
    assert measured == {"exit_status": -200}
