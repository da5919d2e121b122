"""Explicit locks: parsing their lines, and planning from them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._environment.explicit_lock import (
    LockError,
    foreign_platforms,
    parse_lock,
    pip_lines,
    plan_lock,
    unlike_lock,
    wrong_archives,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.package_plan import Plan
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import PrefixState
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord

MD5 = "0123456789abcdef" * 2
SHA = "0123456789abcdef" * 4
PLACE = "https://host/t/secret/lab/linux-64"


def linked(*records: PackageRecord, **more: Any) -> PrefixState:
    found = {record.name: record for record in records}
    return PrefixState("/opt/env", True, True, found, empty=False, **more)


def six(version: str = "1.16.0", channel: str = "lab", **more: Any) -> PackageRecord:
    return PackageRecord("six", version, "py_0", channel=channel, **more)


@pytest.mark.parametrize(
    ("digest", "md5", "sha256"),
    [
        ("", "", ""),
        (f"#{MD5}", MD5, ""),
        (f"#{MD5.upper()}", MD5, ""),
        (f"#md5:{MD5}", MD5, ""),
        (f"#sha256:{SHA}", "", SHA),
        (f"#{SHA}", "", SHA),
    ],
)
def test_a_line(digest: str, md5: str, sha256: str) -> None:
    (package,) = parse_lock(f"{PLACE}/Foo-bar-1.0-py_0.tar.bz2{digest}")
    assert (package.name, package.version, package.build) == ("foo-bar", "1.0", "py_0")
    assert (package.md5, package.sha256, package.subdir) == (md5, sha256, "linux-64")
    assert package.label == "foo-bar 1.0 py_0 lab"
    assert package.spec == "foo-bar=1.0=py_0"
    assert package.line == f"{PLACE}/Foo-bar-1.0-py_0.tar.bz2" + (f"#{md5}" if md5 else "")


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://host/lab/noarch/odd-1%210.5-0.conda", "odd 1!0.5 0 lab"),
        ("https://host/lab/noarch/odd-1!0.5-0.conda", "odd 1!0.5 0 lab"),
        ("https://host/pkgs/main/linux-64/a-1-b.conda", "a 1 b pkgs/main"),
        ("https://host/lab/label/dev/noarch/a-1-b.conda", "a 1 b lab/label/dev"),
        ("/srv/mirror/lab/noarch/a-1-b.conda", "a 1 b lab"),
    ],
)
def test_the_package_of_a_url(url: str, label: str) -> None:
    assert parse_lock(url)[0].label == label


def test_comments_and_blank_lines_are_skipped() -> None:
    text = f"# comment\r\n# platform: linux-64\r\n\r\n@EXPLICIT\r\n  {PLACE}/six-1-0.conda  \r\n"
    assert [package.name for package in parse_lock(text)] == ["six"]
    assert parse_lock("@EXPLICIT\n") == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("six=1.16", "the URL of a package"),
        ("six-1.16-0.conda", "the URL of a package"),
        ("https://host/lab/noarch/six.whl", "the URL of a package"),
        ("https://host/lab/noarch/a b-1-0.conda", "the URL of a package"),
        (f"{PLACE}/six-1.conda", "name-version-build"),
        (f"{PLACE}/six--0.conda", "name-version-build"),
        (f"{PLACE}/-1-0.conda", "name-version-build"),
        ("https://host/lab/six-1-0.conda", "must be a platform"),
        (f"{PLACE}/six-1-0.conda#12", "after '#'"),
        (f"{PLACE}/six-1-0.conda#sha256:{MD5}", "after '#'"),
        (f"{PLACE}/six-1-0.conda#md5:{SHA}", "after '#'"),
    ],
)
def test_refused_lines(line: str, said: str) -> None:
    with pytest.raises(LockError, match=r"^line 2: ") as caught:
        parse_lock(f"@EXPLICIT\n{line}")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_package_listed_twice_is_refused() -> None:
    with pytest.raises(LockError, match="line 2: the package six is listed twice"):
        parse_lock(f"{PLACE}/six-1-0.conda\n{PLACE}/six-2-0.conda")


@pytest.mark.parametrize(
    ("system", "machine", "foreign"),
    [
        ("Linux", "x86_64", ["linux-aarch64", "osx-64", "osx-arm64"]),
        ("Linux", "aarch64", ["linux-64", "osx-64", "osx-arm64"]),
        ("Darwin", "arm64", ["linux-64", "linux-aarch64"]),
    ],
)
def test_foreign_platforms(system: str, machine: str, foreign: list[str]) -> None:
    subdirs = ["noarch", "linux-64", "linux-aarch64", "osx-64", "osx-arm64"]
    lock = "\n".join(f"https://host/lab/{item}/{item}-1-0.conda" for item in subdirs)
    assert foreign_platforms(parse_lock(lock), system, machine) == foreign


SIX = f"{PLACE}/six-1.16.0-py_0.conda"


@pytest.mark.parametrize(
    "record", [six(), six(channel="http://mirror:1/lab/linux-64", md5=MD5.upper(), sha256=SHA)]
)
def test_nothing_to_do(record: PackageRecord) -> None:
    digest = f"#{MD5}" if record.md5 else ""
    assert plan_lock(parse_lock(SIX + digest), linked(record), {}) == Plan()


@pytest.mark.parametrize("record", [six("1.17.0"), six(channel="other")])
def test_a_package_with_another_version_or_channel_is_replaced(record: PackageRecord) -> None:
    plan = plan_lock(parse_lock(SIX), linked(record), {"six": ["lib/six.py"]})
    assert (plan.install, plan.reinstall, plan.remove) == (("six=1.16.0=py_0",), (), ())
    assert plan.reasons == (f"six 1.16.0 py_0 lab is in the lock, but {record.label} is installed",)


@pytest.mark.parametrize("digest", [f"#{MD5}", f"#sha256:{SHA}"])
def test_a_package_with_another_digest_is_reinstalled(digest: str) -> None:
    locked = parse_lock(SIX + digest)
    plan = plan_lock(locked, linked(six(md5="1" * 32, sha256="2" * 64)), {})
    assert (plan.install, plan.reinstall) == ((), ("six",))
    assert plan_lock(locked, linked(six()), {}).reinstall == ("six",)


def test_extra_damaged_and_unreadable_packages() -> None:
    state = linked(
        six(),
        PackageRecord("tqdm", "1", "0"),
        problems=("x is not a package record",),
        bad_records=("x-1-0.json",),
    )
    plan = plan_lock(parse_lock(SIX), state, {"six": ["lib/six.py"]})
    assert (plan.remove, plan.reinstall, plan.quarantine) == (("tqdm",), ("six",), ("x-1-0.json",))
    assert unlike_lock(parse_lock(SIX), state, {}) == [
        "tqdm is not in the lock",
        "x is not a package record",
    ]


def test_archives_with_another_digest_than_the_lock(tmp_path: Path) -> None:
    caches = [str(tmp_path / name) for name in ("one", "two", "three")]
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a-1!0-0.conda").write_bytes(b"archive")
    good = hashlib.sha256(b"archive").hexdigest()
    lines = [
        "https://host/lab/noarch/a-1%210-0.conda#sha256:{}",
        f"https://host/lab/noarch/not-there-1-0.conda#sha256:{SHA}",
        f"https://host/lab/noarch/undigested-1-0.conda#{MD5}",
    ]
    assert wrong_archives(parse_lock("\n".join(lines).format(good)), caches) == []
    assert wrong_archives(parse_lock("\n".join(lines).format(SHA)), caches) == ["a"]


def test_the_lines_for_pip_of_conda_lock() -> None:
    text = (
        "# Generated by conda-lock.\n# platform: linux-64\n@EXPLICIT\n"
        f"{PLACE}/six-1.16.0-py_0.conda#{MD5}\n"
        f"# pip idna @ https://host/idna-3.7-py3-none-any.whl#sha256={SHA}\n"
        "# pip uvicorn[standard]==0.30\n# pip is part of the environment\n"
    )
    assert [package.name for package in parse_lock(text)] == ["six"]
    assert pip_lines(text) == (
        f"idna @ https://host/idna-3.7-py3-none-any.whl#sha256={SHA}",
        "uvicorn[standard]==0.30",
    )
