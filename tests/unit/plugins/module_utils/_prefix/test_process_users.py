"""Who uses a prefix, read from a /proc of the test's own: no process but this one is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users import (
    Places,
    ProcFiles,
    Seen,
    places_of,
    read_mounts,
    shown_command,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.process_users_macos import (
    users_in,
)

HOST, CONTAINER = "mnt:[1]", "mnt:[2]"


class FakeProc:
    """A directory like /proc. Process 1 starts everything, 50 asks; the host is up for 1000 seconds."""

    def __init__(self, path: Path, prefix: Path) -> None:
        self.path = path
        self.prefix = prefix
        self.add(1, [])
        self.add(50, ["ansible"])
        (path / "self").symlink_to(path / "50")
        (path / "uptime").write_text("1000.5 2000.0\n")

    def add(
        self,
        pid: int,
        argv: list[str],
        *,
        exe: Path | None = None,
        maps: tuple[Path, ...] = (),
        cwd: Path = Path("/"),
        parent: int = 1,
        namespace: str = HOST,
        root: Path = Path("/"),
        deleted: bool = False,
    ) -> Path:
        """exe, maps: as the process sees them, below its root."""
        place = self.path / str(pid)
        (place / "ns").mkdir(parents=True)
        (place / "map_files").mkdir()
        end = " (deleted)" if deleted else ""
        program = exe or Path("/nowhere")
        (place / "exe").symlink_to(f"{program}{end}")
        (place / "root").symlink_to(root)
        (place / "cwd").symlink_to(cwd)
        (place / "ns" / "mnt").symlink_to(namespace)
        lines = []
        for number, file in enumerate((program, *maps)):
            real = Path(f"{root}{file}") if namespace == CONTAINER else file
            status = real.stat() if real.exists() else self.prefix.stat()
            addresses = f"{number}000-{number}fff"
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
            lines.append(f"{addresses} r-xp 00000000 {device} {status.st_ino}    {file}{end}\n")
            (place / "map_files" / addresses).symlink_to(real)
        (place / "maps").write_text("".join(["7fff-8fff rw-p 0 00:00 0   [stack]\n", *lines]))
        (place / "status").write_text(f"Name:\tname\nPPid:\t{parent}\nUid:\t7\t4242\t7\t7\n")
        (place / "cmdline").write_text("".join(f"{word}\0" for word in argv))
        ticks = 100 * os.sysconf("SC_CLK_TCK")
        (place / "stat").write_text(f"{pid} (a ) b) S {parent} {'0 ' * 17}{ticks} 0\n")
        return place

    def seen(self, nested: bool = False) -> Seen:
        return ProcFiles(places_of(str(self.prefix), nested), str(self.path), own=50).seen()

    def how(self, nested: bool = False) -> dict[int, str]:
        return {user.pid: user.how for user in self.seen(nested).users}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    path = tmp_path / "opt" / "env"
    for name in ("bin/python3.11", "lib/libssl.so", "conda-meta/history"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


@pytest.fixture
def proc(tmp_path: Path, prefix: Path) -> FakeProc:
    return FakeProc(tmp_path / "proc", prefix)


def test_a_program_of_the_prefix(proc: FakeProc, prefix: Path) -> None:
    proc.add(60, ["python", "serve.py"], exe=prefix / "bin/python3.11")
    proc.add(61, ["cat"], exe=Path("/bin/sh"))
    (user,) = proc.seen().users
    assert user.as_dict() == {
        "pid": 60,
        "user": "4242",
        "command": "python serve.py",
        "age_seconds": 900,
        "how": "exe",
    }


def test_a_library_of_the_prefix(proc: FakeProc, prefix: Path) -> None:
    proc.add(60, ["nginx"], exe=Path("/bin/sh"), maps=(prefix / "lib/libssl.so",))
    assert proc.how() == {60: "maps"}


def test_a_working_directory_in_the_prefix(proc: FakeProc, prefix: Path) -> None:
    proc.add(60, ["bash"], cwd=prefix / "lib")
    assert proc.how() == {60: "cwd"}


def test_a_hard_link_in_another_environment_does_not_count(proc: FakeProc, prefix: Path) -> None:
    other = prefix.parent / "other" / "lib"
    other.mkdir(parents=True)
    os.link(prefix / "lib/libssl.so", other / "libssl.so")
    proc.add(60, ["nginx"], exe=Path("/bin/sh"), maps=(other / "libssl.so",))
    assert proc.how() == {}


def test_the_same_path_in_a_container_does_not_count(
    proc: FakeProc, prefix: Path, tmp_path: Path
) -> None:
    root = tmp_path / "container"
    own = Path(f"{root}{prefix}") / "bin" / "python3.11"
    own.parent.mkdir(parents=True)
    own.write_text("the container's own")
    program = prefix / "bin/python3.11"
    proc.add(60, ["python"], exe=program, namespace=CONTAINER, root=root)
    assert proc.how() == {}


def test_the_prefix_under_another_path_in_a_container_counts(
    proc: FakeProc, prefix: Path, tmp_path: Path
) -> None:
    root = tmp_path / "container"
    root.mkdir()
    # Stands for a bind mount: the same directory under another path.
    (root / "conda").symlink_to(prefix)
    program = Path("/conda/bin/python3.11")
    proc.add(60, ["python"], exe=program, namespace=CONTAINER, root=root)
    assert proc.how() == {60: "exe"}


def test_one_file_under_another_path_counts(proc: FakeProc, prefix: Path, tmp_path: Path) -> None:
    # Device and inode in `maps` are those of the prefix's file, wherever it was mounted.
    place = proc.add(60, ["python"], exe=prefix / "bin/python3.11")
    elsewhere = tmp_path / "mounted" / "python"
    text = (place / "maps").read_text()
    (place / "maps").write_text(text.replace(f"{prefix}/bin/python3.11", str(elsewhere)))
    assert proc.how() == {60: "maps"}


def test_removed_file_counts_by_its_directory(proc: FakeProc, prefix: Path) -> None:
    gone = prefix / "lib/python3.10/numpy/core.so"
    proc.add(60, ["python"], exe=gone, deleted=True)
    assert proc.how() == {60: "exe"}


def test_nested_environment_counts_only_if_removed_too(proc: FakeProc, prefix: Path) -> None:
    for name in ("envs/llm", "elsewhere/own"):
        program = prefix / name / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text("")
        (prefix / name / "conda-meta").mkdir()
        (prefix / name / "conda-meta" / "history").write_text("")
    proc.add(60, ["python"], exe=prefix / "envs/llm/bin/python")
    proc.add(61, ["python"], exe=prefix / "elsewhere/own/bin/python")
    assert proc.how() == {}
    assert proc.how(nested=True) == {60: "exe", 61: "exe"}


def test_own_parents_and_children_do_not_count(
    proc: FakeProc, prefix: Path, tmp_path: Path
) -> None:
    program = prefix / "bin/python3.11"
    proc.add(40, ["sshd"], exe=program)
    status = proc.path / "50" / "status"
    status.write_text(status.read_text().replace("PPid:\t1", "PPid:\t40"))
    proc.add(70, ["probe"], exe=program, parent=50)
    proc.add(71, ["worker of the probe"], exe=program, parent=70)
    proc.add(72, ["a sibling"], exe=program, parent=40)
    assert proc.how() == {72: "exe"}


def test_processes_without_permission_are_suspects(
    proc: FakeProc, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.add(60, [f"{prefix}/bin/python", "x.py"], exe=prefix / "bin/python3.11")
    proc.add(61, ["other"], exe=Path("/bin/sh"))

    def denied(self: ProcFiles, pid: int) -> str:
        raise PermissionError

    monkeypatch.setattr(ProcFiles, "_how", denied)
    seen = proc.seen()
    assert (seen.users, seen.unseen) == ((), 2)
    assert [user.pid for user in seen.suspects] == [60]


def test_processes_that_end_during_the_check(proc: FakeProc, prefix: Path) -> None:
    place = proc.add(60, ["python"], exe=prefix / "bin/python3.11")
    (place / "maps").unlink()
    proc.add(61, []).joinpath("exe").unlink()
    assert proc.seen() == Seen()


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["vllm", "--api-key", "s3cret", "--port", "80"], "vllm --api-key ******** --port 80"),
        (["x", "--hf-token=abc", "HF_TOKEN=abc"], "x --hf-token=******** HF_TOKEN=********"),
        (["x", "https://ada:pw@host/a"], "x https://********@host/a"),
        (["x", "--token"], "x --token"),
        (["x", "a\nb"], "x a b"),
        (["/" + "x" * 200, "y"], "/" + "x" * 200 + " ..."),
        (["x", "y" * 200], "x ..."),
        (["x" * 5000], "x" * 1024 + "..."),
    ],
)
def test_commands_are_masked_and_shortened(argv: list[str], shown: str) -> None:
    assert shown_command(argv) == shown


def test_mounts(tmp_path: Path) -> None:
    path = tmp_path / "mountinfo"
    path.write_text(
        "36 35 98:0 /a /mnt\\040x rw - ext4 /dev/sda rw\n1 2 0:5 / / rw shared:1 - nfs4 s rw\n"
    )
    kinds = [(mount.point, mount.kind) for mount in read_mounts(str(path))]
    assert kinds == [("/mnt x", "ext4"), ("/", "nfs4")]


def test_the_output_of_lsof_and_ps(prefix: Path) -> None:
    """Of the form that the manual pages of macOS describe; nobody has recorded it on a Mac."""
    listed = "\n".join(
        [
            "p60", "fcwd", "n/", "ftxt", f"n{prefix}/bin/python3.11", "ftxt", "n/usr/lib/dyld",
            "p61", "fcwd", "n/", "ftxt", "n/bin/zsh", "ftxt", f"n{prefix}/lib/libssl.so",
            "p62", "fcwd", f"n{prefix}", "ftxt", "n/bin/zsh",
            "p63", "ftxt", "n/bin/zsh",
            "p70", "ftxt", f"n{prefix}/bin/python3.11",
        ]
    )  # fmt: skip
    processes = (
        "   60     1 ada   02:10 python serve.py --api-key abc\n"
        "   61     1 root  3-01:00:00 nginx\n"
        "   62     1 ada   00:05 -zsh\n"
        "   63     1 ada   00:05 -zsh\n"
        "   70    50 ada   00:01 probe\n"
        "   50     1 ada   00:02 ansible\n"
    )
    places: Places = places_of(str(prefix))
    seen = users_in(listed, processes, places, own=50, partly=True)
    assert [(user.pid, user.user, user.age_seconds, user.how) for user in seen.users] == [
        (60, "ada", 130, "exe"),
        (61, "root", 3 * 86400 + 3600, "maps"),
        (62, "ada", 5, "cwd"),
    ]
    assert seen.users[0].command == "python serve.py --api-key ********"
    assert seen.unseen
