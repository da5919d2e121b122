"""Plans for installations, and the steps with installers that a test wrote."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._host.glibc import host_glibc
from ansible_collections.llmfleet.conda.plugins.module_utils._installation import (
    installer_run as _installer_run,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.change import (
    InstallationChange,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.module import run
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.plan import (
    InstallationRequest,
    host_platform,
    observe_installation,
    plan_installation,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._installation.subject import (
    InstallationOutcome,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.access import Access
from ansible_collections.llmfleet.conda.plugins.plugin_utils._published_installers import rows_for
from ansible_collections.llmfleet.conda.tests.unit.plugins.fake_prefix import FakePrefix, snapshot
from ansible_collections.llmfleet.conda.tests.unit.plugins.killed import each_kill

# Has the interface of the real ones (constructor 3.16): -b, -p PREFIX, -u; a prefix that exists needs -u.
SCRIPT = """\
#!/bin/bash
set -e
while getopts "bup:" option; do
  case $option in p) prefix=$OPTARG ;; u) update=1 ;; b) ;; *) exit 1 ;; esac
done
if [ -e "$prefix" ] && [ -z "$update" ]; then echo "ERROR: exists: '$prefix'" >&2; exit 1; fi
mkdir -p "$prefix/conda-meta" "$prefix/bin" "$prefix/pkgs"
touch "$prefix/.installer.info"
{extra}
printf '#!/bin/bash\\necho conda 24.7.1\\n' > "$prefix/bin/python"
chmod +x "$prefix/bin/python"
echo '{python}' > "$prefix/conda-meta/python-3.11.9-0.json"
echo '{conda}' > "$prefix/conda-meta/conda-24.7.1-0.json"
echo "made by the installer" > "$prefix/conda-meta/history"
echo "channels: [defaults]" > "$prefix/.condarc"
echo "installation finished."
"""
CONDA = {"name": "conda", "version": "24.7.1", "build": "0", "files": [], "depends": ["python"]}
PYTHON = {"name": "python", "version": "3.11.9", "build": "0", "files": ["bin/python"]}
MISSING = "py312_99.9-0"


class Place:
    """An installer on disk and the prefix it is for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prefix = path / "opt" / "mc"
        self.script = path / "Miniconda3-py311_24.7.1-test-Linux-x86_64.sh"
        self.write()

    def write(self, extra: str = "") -> None:
        text = SCRIPT.format(python=json.dumps(PYTHON), conda=json.dumps(CONDA), extra=extra)
        self.script.write_text(text)

    def request(self, **options: Any) -> InstallationRequest:
        digest = hashlib.sha256(self.script.read_bytes()).hexdigest()
        defaults = {
            "version": "py311_24.7.1-test",
            "installer_path": str(self.script),
            "checksum": f"sha256:{digest}",
            "timeout": 30.0,
        }
        return InstallationRequest(prefix=str(self.prefix), **{**defaults, **options})

    def run(self, check: bool = False, **options: Any) -> InstallationOutcome:
        return run(self.request(**options), check, InstallationChange)

    def both(self, **options: Any) -> InstallationOutcome:
        """Check mode writes nothing and foretells the run; afterwards there is nothing to do."""
        before = snapshot(self.path)
        foretold = self.run(check=True, **options)
        assert snapshot(self.path) == before
        done = self.run(**options)
        assert (foretold.changed, foretold.plan) == (done.changed, done.plan)
        assert (foretold.before, foretold.after) == (done.before, done.after)
        assert list(self.path.rglob("*llmfleet*")) == []
        settled = snapshot(self.path)
        assert not self.run(**options).changed
        assert snapshot(self.path) == settled
        return done


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Place(tmp_path)


def test_installs_once(place: Place) -> None:
    done = place.both()
    assert done.plan.action == "install"
    assert done.observed.version == "24.7.1"
    assert done.observed.state.python_version == "3.11"


def test_installs_into_an_empty_directory(place: Place) -> None:
    place.prefix.mkdir(parents=True)
    assert place.both().plan.action == "install"


@pytest.mark.parametrize("program", ["_conda", "conda.exe"])
def test_an_installer_that_a_person_cut_off_is_run_again_over_what_it_left(
    place: Place, program: str
) -> None:
    place.prefix.mkdir(parents=True)
    (place.prefix / "pkgs").mkdir()
    (place.prefix / program).write_text("")
    (place.prefix / "notebook.ipynb").write_text("work")
    done = place.both()
    assert done.plan.action == "repair"
    assert (place.prefix / "notebook.ipynb").read_text() == "work"


def test_a_failing_installer_leaves_nothing(place: Place) -> None:
    place.write(extra="echo 'No space left on device' >&2; exit 1")
    with pytest.raises(CondaModuleError, match=r"failed \(exit status 1\)") as error:
        place.run()
    assert "make room" in (error.value.hint or "")
    assert not place.prefix.parent.exists()


def test_hanging_installer_is_ended(place: Place) -> None:
    place.write(extra="sleep 60")
    with pytest.raises(CondaModuleError) as error:
        place.run(timeout=1.0)
    assert "timeout" in (error.value.hint or "")
    assert not place.prefix.parent.exists()


# What the installer of a site brings beside packages (constructor's extra_files) has any name.
UNKNOWN = 'mkdir "$prefix/site"; echo brought > "$prefix/site/motd"; '
ENDS = {"killed": "kill -9 $$", "failing": "exit 1"}


@pytest.mark.parametrize("end", ENDS)
def test_the_rest_of_a_killed_or_failing_installer_is_no_obstacle(place: Place, end: str) -> None:
    place.write(extra=UNKNOWN + ENDS[end])
    with pytest.raises(CondaModuleError, match=r"failed \(exit status"):
        place.run()
    assert [path.name for path in place.prefix.rglob("*") if path.is_file()] == [
        ".llmfleet-made",
        "motd",
    ]
    (place.prefix / "notes.txt").write_text("work")
    place.write()
    assert place.both().plan.action == "reinstall"
    assert (place.prefix / "notes.txt").read_text() == "work"
    assert (place.prefix / "site" / "motd").read_text() == "brought\n"


@pytest.mark.parametrize("end", ENDS)
def test_it_can_be_removed_as_well(place: Place, end: str) -> None:
    place.write(extra=UNKNOWN + ENDS[end])
    with pytest.raises(CondaModuleError, match=r"failed \(exit status"):
        place.run()
    (warning,) = place.run(state="absent").warnings
    assert "still contains 1 file that neither conda nor pip put there: site/motd" in warning
    assert not place.run(state="absent").changed


@pytest.mark.parametrize("end", ENDS)
def test_peoples_files_come_back_from_where_they_waited_for_it(place: Place, end: str) -> None:
    place.run()
    (place.prefix / "notes.txt").write_text("work")
    place.run(state="absent")
    aside = place.prefix.parent / ".mc.llmfleet-aside"
    place.write(extra=UNKNOWN + ENDS[end])
    with pytest.raises(CondaModuleError, match=r"failed \(exit status"):
        place.run()
    # A child that was cut off is taken back by the next run.
    assert aside.exists() == (end == "killed")
    place.write()
    assert place.run().changed
    assert (place.prefix / "notes.txt").read_text() == "work"
    assert (place.prefix / "site" / "motd").read_text() == "brought\n"
    assert not aside.exists()
    assert not place.run().changed


@pytest.mark.parametrize("check", [False, True])
def test_a_wrong_checksum_changes_nothing(place: Place, check: bool) -> None:
    before = snapshot(place.path)
    if not check:
        with pytest.raises(CondaModuleError, match="option checksum") as error:
            place.run(checksum="sha256:" + "0" * 64)
        assert "Nothing was changed" in str(error.value)
    assert snapshot(place.path) == before


def test_missing_installer_file(place: Place) -> None:
    before = snapshot(place.path)
    with pytest.raises(CondaModuleError, match="option installer_path cannot be read"):
        place.run(installer_path=str(place.path / "no.sh"))
    assert snapshot(place.path) == before


@pytest.mark.parametrize("check", [False, True])
def test_host_with_old_glibc_is_refused_first(place: Place, check: bool) -> None:
    before = snapshot(place.path)
    with pytest.raises(CondaModuleError) as error:
        place.run(check=check, minimum_glibc="99.1")
    needs = "The installer needs glibc 99.1 or newer (the option minimum_glibc)"
    assert f"{needs}; this host has glibc {host_glibc()}." in str(error.value)
    assert "Nothing was changed" in str(error.value)
    assert snapshot(place.path) == before


def test_existing_installation_is_not_checked_for_glibc(place: Place) -> None:
    place.run()
    assert not place.run(minimum_glibc="99.1").changed
    assert place.run(minimum_glibc="99.1", state="absent").changed


def test_removal(place: Place) -> None:
    place.run()
    done = place.both(state="absent")
    assert done.plan.action == "remove"
    assert not place.prefix.exists()


def test_removal_refuses_environments_by_default(place: Place) -> None:
    place.run()
    FakePrefix(place.prefix / "envs" / "llm")
    before = snapshot(place.path)
    with pytest.raises(CondaModuleError, match="still contains the environments llm"):
        place.run(state="absent")
    assert snapshot(place.path) == before
    place.both(state="absent", remove_environments=True)
    assert not place.prefix.exists()


def test_repair_keeps_users_files(place: Place) -> None:
    place.run()
    condarc = place.prefix / ".condarc"
    condarc.write_text("channels: [lab]\n")
    (place.prefix / "conda-meta/history").write_text("# update specs: ['six']\n")
    env = FakePrefix(place.prefix / "envs" / "llm")
    (place.prefix / "bin/python").unlink()
    assert not place.run(repair=False).changed
    done = place.both()
    assert done.plan.action == "repair"
    assert "python is damaged: bin/python" in done.plan.reasons
    assert condarc.read_text() == "channels: [lab]\n"
    assert "six" in (place.prefix / "conda-meta/history").read_text()
    assert env.path.is_dir()


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("what", ["a file inside", "a file itself", "an environment"])
def test_refuses_prefix_with_other_files(place: Place, state: str, what: str) -> None:
    if what == "an environment":
        FakePrefix(place.prefix).link("six")
    elif what == "a file itself":
        place.prefix.parent.mkdir()
        place.prefix.write_text("precious")
    else:
        place.prefix.mkdir(parents=True)
        (place.prefix / "thesis.tex").write_text("")
    before = snapshot(place.path)
    for check in (True, False):
        with pytest.raises(CondaModuleError, match="Nothing was changed"):
            place.run(check=check, state=state)
    assert snapshot(place.path) == before


def test_absent_without_installation_changes_nothing(place: Place) -> None:
    before = snapshot(place.path)
    assert not place.run(state="absent").changed
    assert snapshot(place.path) == before


@pytest.mark.parametrize(
    ("installed", "wanted", "action"),
    [
        ("24.7.1", "py312_24.7.1-0", ""),
        ("24.7.1", "py312_24.9.0-0", "upgrade"),
        ("24.7.1", "py312_24.10.0-0", "upgrade"),
        ("24.11.1", "py312_24.9.2-0", ""),
        ("4.12.0", "py312_24.7.1-0", "upgrade"),
        ("not a version!", "py312_24.7.1-0", ""),
    ],
)
def test_only_an_older_conda_is_upgraded(
    place: Place, installed: str, wanted: str, action: str
) -> None:
    base = FakePrefix(place.prefix)
    base.link("python", "3.12.0")
    base.link("conda", installed)
    request = place.request(version=wanted)
    plan = plan_installation(request, observe_installation(request.prefix), "Linux", "x86_64")
    assert plan.action == action
    if action:
        assert plan.conda_version == wanted.split("_")[1].split("-")[0]


@pytest.mark.parametrize(
    ("installed", "pin", "action"),
    [
        ("24.7.1", "24.7.1", ""),
        ("24.7.1", "==24.7.1", ""),
        ("24.7.1", "=24.7", ""),
        ("24.7.1", "24.*", ""),
        ("24.7.1", ">=24.5,<25", ""),
        ("24.7.1", "24.9.2", "upgrade"),
        ("24.7.1", "24.5.0", "downgrade"),
        ("24.7.1", "==24.5.0", "downgrade"),
        ("24.7.1", ">=25|24.9.*", "upgrade"),
        ("26.1.0", "25.*", "downgrade"),
        ("26.1.0", ">=25,<26", "downgrade"),
        ("25.9.0", "24.*|26.*", "upgrade"),
        ("24.7.1", "!=24.7.1", "upgrade"),
        ("not a version!", "24.7.1", "upgrade"),
    ],
)
def test_pin_decides_condas_version(place: Place, installed: str, pin: str, action: str) -> None:
    base = FakePrefix(place.prefix)
    base.link("python", "3.12.0")
    base.link("conda", installed)
    # The installer's own version, older or newer, says nothing then.
    for version in ("py312_23.1.0-0", "py312_26.5.3-1"):
        request = place.request(version=version, conda_version=pin)
        plan = plan_installation(request, observe_installation(request.prefix), "Linux", "x86_64")
        assert plan.action == action
        assert plan.conda_version == (pin if action else None)
        assert plan.installer is None


@pytest.mark.parametrize("pin", ["latest!", ">=24,,", "^24.*$", ""])
def test_refuses_invalid_pin(place: Place, pin: str) -> None:
    if not pin:
        assert place.request(conda_version=pin).conda_spec is None
        return
    for state_of_the_host in ("nothing", "installation"):
        with pytest.raises(CondaModuleError, match="option conda_version"):
            place.run(conda_version=pin)
        assert place.prefix.exists() == (state_of_the_host == "installation")
        if state_of_the_host == "nothing":
            place.run()


def test_permissions_alone_are_a_change(place: Place) -> None:
    place.run()
    place.prefix.chmod(0o755)
    access = Access(mode=0o750)
    done = place.both(access=access)
    assert done.plan.action == "access"
    assert done.plan.installer is None
    assert place.prefix.stat().st_mode & 0o777 == 0o750
    assert "has the mode 0755" in done.before
    assert done.after.endswith("mode 0750\n")


def test_a_new_installation_has_the_permissions_at_once(place: Place) -> None:
    done = place.both(access=Access(mode=0o700, group=str(os.getgid()), group_writable=("envs",)))
    assert done.plan.action == "install"
    assert place.prefix.stat().st_mode & 0o777 == 0o700
    assert (place.prefix / "envs").stat().st_mode & 0o2070 == 0o2070


def test_removal_updates_condas_list_of_environments(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pwd, "getpwall", list)
    place.run()
    listing = tmp_path / "home" / ".conda" / "environments.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text(f"{place.prefix}\n{place.prefix}/envs/a\n/elsewhere\n")
    place.run(state="absent", check=True)
    assert listing.read_text().startswith(str(place.prefix))
    place.run(state="absent")
    assert listing.read_text() == "/elsewhere\n"


@pytest.mark.parametrize(
    ("system", "arch"),
    [("Linux", "x86_64"), ("Linux", "aarch64"), ("MacOSX", "x86_64"), ("MacOSX", "arm64")],
)
def test_the_installer_is_chosen_by_the_facts_of_the_host(
    place: Place, system: str, arch: str
) -> None:
    version = "py312_24.7.1-0"
    rows = rows_for({"version": version})
    request = InstallationRequest(prefix=str(place.prefix), version=version, catalogue=rows)
    plan = plan_installation(request, observe_installation(request.prefix), system, arch)
    assert plan.installer is not None
    assert plan.installer.file_name == f"Miniconda3-py312_24.7.1-0-{system}-{arch}.sh"


def test_invalid_options_are_refused_first(place: Place) -> None:
    for options in (
        {"version": MISSING, "installer_path": None, "checksum": None},
        {"version": None, "installer_path": None},
        {"checksum": "md5:1"},
        {"checksum": None},
    ):
        with pytest.raises(CondaModuleError, match="Nothing was changed"):
            place.run(**options)
    assert not place.prefix.parent.exists()


def test_platform_name_of_installers() -> None:
    system, arch = host_platform()
    assert system == {"linux": "Linux", "darwin": "MacOSX"}[sys.platform]
    assert arch


@pytest.mark.parametrize("lost", ["conda-24.7.1-0.json", "history"])
def test_a_base_that_lost_a_record_keeps_its_environments(place: Place, lost: str) -> None:
    place.run()
    FakePrefix(place.prefix / "envs" / "llm").link("numpy", files={"lib/numpy.py": b"work"})
    before = snapshot(place.prefix / "envs")
    (found,) = (place.prefix / "conda-meta").glob(lost.replace("24.7.1-0", "24*"))
    found.unlink()
    done = place.both()
    assert done.plan.action == "repair"
    assert found.exists()
    assert snapshot(place.prefix / "envs") == before


@pytest.fixture
def cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The module was killed when its installer had linked all packages and had more to do."""
    child = _installer_run.run

    def killed(*arguments: Any, **options: Any) -> Any:
        child(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(_installer_run, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        place.run()
    monkeypatch.setattr(_installer_run, "run", child)
    (place.prefix / ".installer.info").unlink()
    (place.prefix / "conda-meta/history").write_text("")
    (place.prefix / "pkgs/mine.conda").write_text("fetched meanwhile")
    (place.prefix / ".condarc").write_text("channels: [lab]\n")
    (place.prefix / "condarc.d").mkdir()
    for name in ("rc.yml", "mine.yml"):
        (place.prefix / "condarc.d" / name).write_text("")
    (place.prefix / ".tmp7kg07evd").write_text("python -m compileall")
    brought = {"name": "rc", "version": "1", "build": "0", "files": ["condarc.d/rc.yml"]}
    (place.prefix / "conda-meta/rc-1-0.json").write_text(json.dumps(brought))
    return place


def test_interrupted_installation_is_completed(cut_off: Place) -> None:
    """No record tells of it: all packages are there and whole."""
    env = FakePrefix(cut_off.prefix / "envs" / "llm")
    cut_off.write(extra='test ! -e "$prefix/condarc.d/rc.yml"; test ! -e "$prefix/bin/python"')
    done = cut_off.both()
    assert (cut_off.prefix / "condarc.d/mine.yml").exists()
    assert not (cut_off.prefix / ".tmp7kg07evd").exists()
    assert done.plan.action == "repair"
    assert (cut_off.prefix / ".installer.info").exists()
    assert (cut_off.prefix / "conda-meta/history").read_text() == "made by the installer\n"
    assert (cut_off.prefix / ".condarc").read_text() == "channels: [lab]\n"
    assert (cut_off.prefix / "pkgs/mine.conda").exists()
    assert env.path.is_dir()


def test_installation_stays_unfinished_when_the_next_run_fails(cut_off: Place) -> None:
    cut_off.write(extra="exit 1")
    with pytest.raises(CondaModuleError, match=r"failed \(exit status 1\)"):
        cut_off.run()
    cut_off.write()
    cut_off.both()
    assert (cut_off.prefix / ".installer.info").exists()


def test_continued_installation_may_be_killed_too(
    cut_off: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there may be no record of anything, and a history with nothing in it."""
    env = FakePrefix(cut_off.prefix / "envs" / "llm")

    def killed(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_installer_run, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            cut_off.run()
    assert list((cut_off.prefix / "conda-meta").glob("*.json")) == []
    done = cut_off.both()
    assert done.plan.action == "repair"
    assert done.observed.version == "24.7.1"
    assert (cut_off.prefix / "conda-meta/history").read_text() == "made by the installer\n"
    assert (cut_off.prefix / ".condarc").read_text() == "channels: [lab]\n"
    assert env.path.is_dir()


def test_repair_killed_before_its_installer_starts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records are gone by then; it must not be taken for somebody else's files."""
    place.run()
    env = FakePrefix(place.prefix / "envs" / "llm")
    (place.prefix / "bin/python").unlink()
    (place.prefix / "conda-meta/conda-24.7.1-0.json").write_text("{")
    forget = _installer_run._forget_damaged

    def killed(*arguments: Any) -> None:
        forget(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_installer_run, "_forget_damaged", killed)
        with pytest.raises(KeyboardInterrupt):
            place.run()
    assert list((place.prefix / "conda-meta").glob("*.json")) == []
    shutil.rmtree(env.path)
    done = place.both()
    assert done.plan.action == "repair"
    assert done.observed.version == "24.7.1"


def test_no_installer_runs_over_a_changed_base(cut_off: Place) -> None:
    """It would bring back the versions of its own."""
    history = cut_off.prefix / "conda-meta/history"
    history.write_text(
        "==> 2026-01-02 03:04:05 <==\n"
        f"# cmd: {cut_off.prefix}/bin/conda install six\n# update specs: ['six']\n"
    )
    done = cut_off.both()
    assert done.plan.action == "repair"
    assert not (cut_off.prefix / ".installer.info").exists()
    assert "six" in history.read_text()


def test_completed_installer_is_not_run_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = InstallationChange._install

    def killed(*arguments: Any) -> None:
        install(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(InstallationChange, "_install", killed)
    with pytest.raises(KeyboardInterrupt):
        place.run()
    monkeypatch.setattr(InstallationChange, "_install", install)
    (place.prefix / ".installer.info").unlink()
    assert place.both().plan.action == "repair"
    assert not (place.prefix / ".installer.info").exists()


def test_leftover_lock_is_removed(place: Place) -> None:
    place.run()
    left = place.prefix.parent / ".mc.llmfleet.lock"
    left.write_text("")
    assert not place.run(check=True).changed
    assert left.exists()
    assert not place.run().changed
    assert not left.exists()


@pytest.mark.parametrize("check", [True, False])
def test_refuses_directory_at_the_path_of_a_package_file(place: Place, check: bool) -> None:
    place.run()
    python = place.prefix / "bin" / "python"
    python.unlink()
    (python / "mine").mkdir(parents=True)
    (python / "mine" / "thesis.tex").write_text("work")
    before = snapshot(place.path)
    with pytest.raises(
        CondaModuleError,
        match=r"package python has a file at that path; the directory contains mine\. Noth",
    ):
        place.run(check=check)
    assert snapshot(place.path) == before


def test_kill_at_any_point_while_installing_over_leftovers(place: Place) -> None:
    place.run()
    (place.prefix / "notebooks").mkdir()
    (place.prefix / "notebooks" / "model.ipynb").write_text("work")
    (place.prefix / "LICENSE").write_text("work")
    place.run(state="absent")
    left = place.prefix

    def start(number: int) -> Any:
        place.prefix = place.path / str(number) / "mc"
        shutil.copytree(left, place.prefix)
        return place.run

    for number in each_kill(start, step=3):
        before = snapshot(place.prefix.parent)
        state = "present" if number % 2 else "absent"
        foretold = place.run(check=True, state=state)
        assert snapshot(place.prefix.parent) == before
        assert place.run(state=state).changed == foretold.changed
        for name in ("notebooks/model.ipynb", "LICENSE"):
            assert (place.prefix / name).read_text() == "work", (number, name)
        assert not place.run(state=state).changed
        assert place.run(state="present").observed.is_installation
