"""The wheelhouse holds what its lists say, complete and in agreement with the conda channel."""

from __future__ import annotations

import hashlib
import html.parser
import subprocess
import sys
import urllib.parse
import zipfile
from email.parser import HeaderParser

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lab import build, paths, simple_index, wheel_downloads, wheelhouse, wheels
from lab.errors import LabError
from lab.mirror import Mirror

TARGET = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
    "extra": "",
}


class Links(html.parser.HTMLParser):
    """Collects (href, requires-python, text) of a page's links."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            given = dict(attributes)
            self.found.append([given["href"], given.get("data-requires-python"), ""])

    def handle_data(self, data):
        if self.found and not self.found[-1][2]:
            self.found[-1][2] = data


@pytest.fixture(scope="module")
def site():
    """The lab's site with a wheelhouse in it."""
    build.build(["wheelhouse"], print)
    return paths.site_dir()


def make_wheel(folder, name, version, python=">=3.9"):
    """Write the smallest wheel that pip installs."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        needs = f"Requires-Python: {python}\n" if python else ""
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        archive.writestr(f"{info}/METADATA", text)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


# -- the lists -----------------------------------------------------------------------------------


def test_the_lists_are_sorted_versions_only():
    for listing in (wheelhouse.constraints_file(), wheelhouse._MORE):
        lines = [x for x in listing.read_text().splitlines() if not x.startswith("#")]
        assert lines == sorted(lines), listing
        for line in lines:
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            assert requirement.url is None
            assert canonicalize_name(requirement.name) == requirement.name


def test_the_constraints_name_each_project_once():
    listed = wheelhouse.constraints_file().read_text().splitlines()
    names = [line.partition("==")[0] for line in listed if "==" in line]
    assert len(names) == len(set(names))


def test_torch_is_the_build_without_cuda():
    pins = dict(wheelhouse.pins())
    assert Version(pins["torch"]).local == "cpu"
    assert not [name for name in pins if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_what_conda_owns_too_has_the_channels_version():
    stack = {
        name: version
        for name, _, version in (
            line.partition("==")
            for line in wheelhouse.constraints_file().read_text().splitlines()
            if "==" in line
        )
    }
    channel = {
        canonicalize_name(name): version
        for name, version in wheels.pins(wheels.pin_list(wheelhouse.PYTHON)).items()
    }
    shared = set(stack) & set(channel)
    assert {"numpy", "packaging", "setuptools"} <= shared
    assert {name: stack[name] for name in shared} == {name: channel[name] for name in shared}


def test_some_projects_have_several_versions():
    versions = {}
    for name, version in wheelhouse.pins():
        versions.setdefault(name, set()).add(version)
    for name in ("six", "tqdm", "requests", "packaging", "pip", "wheel"):
        assert len(versions[name]) >= 2, name


def test_rounds_name_a_project_once_and_lose_nothing():
    pins = wheelhouse.pins()
    rounds = wheel_downloads.rounds(pins)
    assert sorted(pin for one in rounds for pin in one) == sorted(pins)
    for one in rounds:
        assert len({name for name, _ in one}) == len(one)


# -- what was built ------------------------------------------------------------------------------


def test_the_folder_holds_exactly_the_pins(site):
    found = {wheel_downloads.pin_of(wheel) for wheel in paths.wheels_dir().glob("*.whl")}
    assert found == set(wheelhouse.pins())


def test_everything_can_be_read_by_everybody(site):
    for folder in (paths.wheels_dir(), paths.simple_dir()):
        for path in (folder, *folder.rglob("*")):
            wanted = 0o755 if path.is_dir() else 0o644
            assert path.stat().st_mode & wanted == wanted, path


def test_every_requirement_of_the_stack_is_met_inside_it(site):
    stack = {}
    for line in wheelhouse.constraints_file().read_text().splitlines():
        name, _, version = line.partition("==")
        if version:
            stack[name] = Version(version)
    unmet = []
    for wheel in paths.wheels_dir().glob("*.whl"):
        name, version = wheel_downloads.pin_of(wheel)
        if stack.get(name) != Version(version):
            continue
        message = HeaderParser().parsestr(simple_index.metadata(wheel).decode())
        for text in message.get_all("Requires-Dist", []):
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate(TARGET):
                continue
            have = stack.get(canonicalize_name(requirement.name))
            if have is None or not requirement.specifier.contains(have, prereleases=True):
                unmet.append(f"{name} needs {text}, the stack has {have}")
    assert unmet == []


def test_the_index_has_every_wheel_with_its_hash(site):
    projects = Links((paths.simple_dir() / "index.html").read_text()).found
    assert [text for _, _, text in projects] == sorted({name for name, _ in wheelhouse.pins()})
    seen = set()
    for href, _, name in projects:
        page = paths.simple_dir() / href / "index.html"
        for link, _, text in Links(page.read_text()).found:
            url, _, fragment = link.partition("#")
            wheel = (page.parent / urllib.parse.unquote(url)).resolve()
            assert wheel.name == text
            assert wheel_downloads.pin_of(wheel)[0] == name
            assert fragment == f"sha256={simple_index.sha256(wheel)}"
            seen.add(wheel.name)
    assert seen == {wheel.name for wheel in paths.wheels_dir().glob("*.whl")}


def test_building_again_does_nothing(site):
    before = paths.wheels_dir().stat().st_ino
    assert build.build(["wheelhouse"], print) == []
    assert paths.wheels_dir().stat().st_ino == before


@pytest.mark.parametrize("source", ["index", "links"])
def test_pip_installs_from_the_mirror(site, tmp_path, source):
    with Mirror(site) as mirror:
        where = {
            "index": ["--index-url", f"{mirror.url}/simple/"],
            "links": ["--no-index", "--find-links", f"{mirror.url}/wheels/"],
        }[source]
        command = [
            sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--no-cache-dir",
            "--target", tmp_path / "there", *where, "six==1.16.0", "tqdm==4.66.5",
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PIP_CONFIG_FILE": "/dev/null",
        }
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert answer.returncode == 0, answer.stderr
        assert (tmp_path / "there" / "six-1.16.0.dist-info").is_dir()
        wheel = "/wheels/tqdm-4.66.5-py3-none-any.whl"
        assert mirror.counts()[wheel]["requests"] == 1
        assert (f"{wheel}.metadata" in mirror.counts()) == (source == "index")


def test_pip_refuses_a_wheel_that_was_tampered_with(site, tmp_path):
    with Mirror(site) as mirror:
        mirror.fault("/wheels/six-*", "tamper")
        command = [
            sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--no-cache-dir",
            "--target", tmp_path / "there", "--index-url", f"{mirror.url}/simple/", "six==1.17.0",
        ]  # fmt: skip
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PIP_CONFIG_FILE": "/dev/null",
        }
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert answer.returncode != 0
    assert "DO NOT MATCH THE HASHES" in answer.stderr


# -- the index and failures, on wheels made here -------------------------------------------------


def test_the_index_of_small_wheels(tmp_path):
    made = [
        make_wheel(tmp_path, "aa_bb", "1.0", python=">=3.9,<4"),
        make_wheel(tmp_path, "aa_bb", "2.0+local", python=None),
    ]
    target = tmp_path / "simple"
    target.mkdir()
    simple_index.write_index(made, target, "../../wheels/")
    digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in made]
    assert Links((target / "aa-bb" / "index.html").read_text()).found == [
        [f"../../wheels/{made[0].name}#sha256={digests[0]}", ">=3.9,<4", made[0].name],
        [
            f"../../wheels/aa_bb-2.0%2Blocal-py3-none-any.whl#sha256={digests[1]}",
            None,
            made[1].name,
        ],
    ]


def test_metadata_beside_a_wheel_is_announced_with_its_hash(tmp_path):
    wheel = make_wheel(tmp_path, "aa", "1.0")
    simple_index.write_metadata(wheel)
    content = (tmp_path / f"{wheel.name}.metadata").read_bytes()
    assert content == simple_index.metadata(wheel)
    assert b"Name: aa\n" in content
    target = tmp_path / "simple"
    target.mkdir()
    simple_index.write_index([wheel], target, "../../wheels/")
    page = (target / "aa" / "index.html").read_text()
    digest = hashlib.sha256(content).hexdigest()
    assert f'data-core-metadata="sha256={digest}"' in page
    assert f'data-dist-info-metadata="sha256={digest}"' in page


def test_vendored_metadata_is_not_taken_for_the_wheel_s_own(tmp_path):
    wheel = make_wheel(tmp_path, "aa", "1.0")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("aa/_vendor/bb-2.0.dist-info/METADATA", "Name: bb\n")
    assert b"Name: aa\n" in simple_index.metadata(wheel)
    empty = tmp_path / "cc-1.0-py3-none-any.whl"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("cc-1.0/bb-2.0.dist-info/METADATA", "Name: bb\n")
    with pytest.raises(ValueError, match="no METADATA in cc-1"):
        simple_index.metadata(empty)


def test_old_wheels_are_linked_and_stale_ones_are_not(tmp_path):
    old, work = tmp_path / "old", tmp_path / "work"
    old.mkdir()
    work.mkdir()
    kept = make_wheel(old, "aa", "1.0")
    make_wheel(old, "aa", "2.0")
    assert wheelhouse._keep([("aa", "1.0"), ("bb", "1.0")], old, work) == {("aa", "1.0")}
    assert [path.name for path in work.iterdir()] == [kept.name]
    assert (work / kept.name).samefile(kept)


def test_a_missing_torch_names_the_variable(monkeypatch, tmp_path):
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "index" / "torch").mkdir(parents=True)
    (tmp_path / "index" / "torch" / "index.html").write_text("<html></html>")
    monkeypatch.setenv(wheelhouse.TORCH_INDEX, (tmp_path / "index").as_uri())
    with pytest.raises(LabError, match=r"torch==2\.13\.0\+cpu.*set \$LLMFLEET_TORCH_INDEX"):
        wheelhouse._pip_download([("torch", "2.13.0+cpu")], tmp_path)


def test_the_torch_index_is_used_for_torch_alone(monkeypatch, tmp_path):
    commands = []

    def note(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheel_downloads.subprocess, "run", note)
    monkeypatch.setenv(wheelhouse.TORCH_INDEX, "https://index.invalid/cpu")
    wheelhouse._pip_download([("torch", "2.13.0+cpu")], tmp_path)
    wheelhouse._pip_download([("six", "1.17.0")], tmp_path)
    assert ["https://index.invalid/cpu" in command for command in commands] == [True, False]
