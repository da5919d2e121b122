"""The plan for a model, its cycle with a stand-in for the hub, and what the child's answers mean."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.cycle import Cycle
from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.process import Completed
from ansible_collections.llmfleet.conda.plugins.module_utils._hub import download as hub_download
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.cache import CachedModel, Observed
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.change import HubChange
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.download import (
    Download,
    Downloaded,
    download,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._hub.subject import (
    HubOutcome,
    HubSubject,
    Plan,
    Request,
    default_cache,
    plan,
    request_from,
)

ONE, TWO = "1" * 40, "2" * 40
MODEL = CachedModel("/srv/models", "org/name")
FROM_HUB = Request(MODEL, prefix="/opt/env")
WHOLE = Observed(True, ONE, {"a": 1})


@pytest.mark.parametrize(
    ("commit", "now", "there", "expected"),
    [
        ("", Observed(), Observed(), ("fetch", "", ())),
        ("", WHOLE, WHOLE, ("", "", ())),
        (ONE, WHOLE, WHOLE, ("", "", ())),
        # The branch's own commit is mended, wherever the branch is at the hub by now.
        ("", Observed(True, ONE, {"a": 1}, ("a",)), WHOLE, ("fetch", ONE, ("a",))),
        # Which files there are is not known: only the hub can tell.
        ("", Observed(True, ONE), Observed(True, ONE), ("fetch", "", ())),
        (TWO, WHOLE, Observed(True, TWO), ("fetch", TWO, ())),
        (TWO, WHOLE, Observed(True, TWO, {"a": 1}), ("point", TWO, ())),
        (TWO, Observed(True), Observed(True, TWO, {"a": 1}), ("point", TWO, ())),
        (TWO, WHOLE, Observed(True, TWO, {"a": 1}, ("a",)), ("fetch", TWO, ("a",))),
        ("", Observed(True, ONE, {}), Observed(True, ONE, {}), ("fetch", ONE, ())),
    ],
)
def test_the_plan(
    commit: str, now: Observed, there: Observed, expected: tuple[str, str, tuple[str, ...]]
) -> None:
    todo = plan(FROM_HUB, commit, now, there)
    if not expected[0]:
        assert todo == Plan()
        return
    assert (todo.action, todo.commit, todo.broken) == expected
    assert todo.reason
    ours = Request(MODEL, path="/srv/ours", on_host=True)
    if expected[0] == "fetch":
        assert plan(ours, commit, now, there).action == "import"


def test_absent_removes_any_state() -> None:
    request = Request(MODEL, state="absent")
    assert plan(request, "", Observed(True), Observed()).action == "remove"
    assert plan(request, "", Observed(), Observed()) == Plan()


def run(request: Request, check_mode: bool, fetch: Callable[[Download], Downloaded]) -> HubOutcome:
    subject = HubSubject(request)
    return Cycle(subject, lambda: HubChange(subject, check_mode, fetch), check_mode).run()


class Hub:
    """Fetches into the cache, as the child does it with an older huggingface_hub."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.asked: list[Download] = []
        self.masks: list[int] = []

    def __call__(self, wanted: Download) -> Downloaded:
        self.asked.append(wanted)
        mask = os.umask(0)
        os.umask(mask)
        self.masks.append(mask)
        cached = CachedModel(wanted.cache, wanted.model)
        for name, text in self.files.items():
            path = Path(cached.snapshot(ONE), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        listed = {name: {"size": len(text), "blob_id": "0"} for name, text in self.files.items()}
        return Downloaded(ONE, listed)


def test_check_mode_never_downloads(tmp_path: Path) -> None:
    cached = CachedModel(str(tmp_path / "models"), "org/name")
    request = Request(cached, prefix="/opt/env", token="hf_x")
    hub = Hub({"config.json": "{}"})
    foreseen = run(request, True, hub)
    assert (hub.asked, list(tmp_path.iterdir())) == ([], [])
    done = run(request, False, hub)
    assert (foreseen.before, foreseen.after) == (done.before, done.after)
    assert (foreseen.plan, done.observed.now.whole) == (done.plan, True)
    assert [(one.model, one.revision, one.token) for one in hub.asked] == [
        ("org/name", "main", "hf_x")
    ]
    again = run(request, False, hub)
    assert (again.plan, again.before, len(hub.asked)) == (Plan(), done.after, 1)


def test_incomplete_download_fails(tmp_path: Path) -> None:
    request = Request(CachedModel(str(tmp_path), "org/name"), prefix="/opt/env")

    def half(wanted: Download) -> Downloaded:
        return Downloaded(ONE, {"weights": {"size": 7, "blob_id": "0"}})

    with pytest.raises(
        CondaModuleError, match=r"is not as requested: missing or incomplete files: weights"
    ):
        run(request, False, half)


@pytest.mark.parametrize(("mode", "mask"), [(0o2775, 0o002), (0o755, 0o027), (0o2755, 0o027)])
def test_group_may_write_its_cache(tmp_path: Path, mode: int, mask: int) -> None:
    cache = tmp_path / "models"
    cache.mkdir()
    cache.chmod(mode)
    assert stat.S_IMODE(cache.stat().st_mode) == mode
    hub = Hub({"a": "1"})
    before = os.umask(0o027)
    try:
        run(Request(CachedModel(str(cache), "m"), prefix="/opt/env"), False, hub)
    finally:
        assert os.umask(before) == 0o027
    assert hub.masks == [mask]


# -- options ----------------------------------------------------------------------------------------

PARAMS: dict[str, Any] = {
    **dict.fromkeys(["installation", "name", "commit", "path", "endpoint", "token"]),
    "prefix": "/opt/env",
    "model": "org/name",
    "revision": "main",
    "remote_src": False,
    "include": [],
    "exclude": [],
    "cache_dir": "/srv/models",
    "state": "present",
    "timeout": 3600,
}


@pytest.mark.parametrize(
    "options",
    [
        {"model": "gpt2"},
        {"model": "Org.name/a_b-c.d"},
        {"revision": "refs/pr/1"},
        {"revision": ONE},
        {"commit": ONE},
        {"prefix": None, "path": "ours"},
        {"prefix": None, "state": "absent"},
    ],
)
def test_accepts_option_values(options: dict[str, Any]) -> None:
    request = request_from({**PARAMS, **options})
    assert request.cached.cache == "/srv/models"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "a/b/c"}, "option model"),
        ({"model": "../name"}, "option model"),
        ({"model": "org--name"}, "option model"),
        ({"model": "org/na me"}, "option model"),
        ({"model": ""}, "option model"),
        ({"revision": "../main"}, "option revision"),
        ({"revision": "/main"}, "option revision"),
        ({"revision": ""}, "option revision"),
        ({"commit": "abc"}, "option commit"),
        ({"revision": ONE, "commit": TWO}, "cannot be combined with a revision that is a commit"),
        ({"cache_dir": "models"}, "option cache_dir"),
        ({"path": "ours", "remote_src": True}, "option path must be absolute"),
        ({"prefix": None}, "name and prefix"),
    ],
)
def test_refuses_option_values(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CondaModuleError, match=words):
        request_from({**PARAMS, **options})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "/home/ada/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/var/c"}, "/var/c/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/var/c", "HF_HOME": "~/hf"}, "/home/ada/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "/models"}, "/models"),
    ],
)
def test_default_cache_of_the_user(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **variables}.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == expected


# -- the child --------------------------------------------------------------------------------------


@pytest.fixture
def wanted(tmp_path: Path) -> Download:
    """A download by an environment with a Python of its own."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    python.chmod(0o755)
    prefix = str(tmp_path / "env")
    return Download(
        prefix, "org/name", "main", "/srv/models", token="hf_secret", endpoint="http://h"
    )


def answering(monkeypatch: pytest.MonkeyPatch, done: Completed) -> list[dict[str, Any]]:
    """Let the child answer so; the list of how it was started."""
    calls: list[dict[str, Any]] = []

    def run(argv: list[str], **how: Any) -> Completed:
        calls.append({"argv": argv, **how})
        return done

    monkeypatch.setattr(hub_download, "run", run)
    return calls


def test_token_is_not_in_arguments_or_environment(
    wanted: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f'noise\nllmfleet-hub-model:{{"commit": "{ONE}"}}\n'
    calls = answering(monkeypatch, Completed(0, said, ""))
    assert download(wanted) == Downloaded(ONE, None)
    (call,) = calls
    assert call["argv"][:2] == [f"{wanted.prefix}/bin/python", "-I"]
    assert not any("hf_secret" in word for word in (*call["argv"], *call["env"].values()))
    assert json.loads(call["stdin"])["token"] == "hf_secret"
    assert call["env"]["HF_ENDPOINT"] == "http://h"


@pytest.mark.parametrize(
    ("endpoint", "environment", "sent"),
    [
        ("", "", None),
        ("https://huggingface.co", "", None),
        ("HTTPS://HuggingFace.co:443/", "", None),
        ("", "https://huggingface.co/", None),
        ("http://huggingface.co", "", False),
        ("https://hub.example.com", "", False),
        ("", "https://hub.example.com", False),
        ("https://hub.example.com", "https://huggingface.co", False),
        ("https://huggingface.co@hub.example.com", "", False),
        ("https://huggingface.co.example.com", "", False),
        ("https://huggingface.co:8443", "", False),
        ("huggingface.co", "", False),
        ("https://[huggingface.co", "", False),
    ],
)
def test_users_token_is_sent_only_to_the_official_hub(
    endpoint: str,
    environment: str,
    sent: bool | None,
    wanted: Download,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", environment)
    calls = answering(monkeypatch, Completed(0, f'llmfleet-hub-model:{{"commit": "{ONE}"}}\n', ""))
    download(dataclasses.replace(wanted, token="", endpoint=endpoint))
    download(dataclasses.replace(wanted, endpoint=endpoint))
    assert [json.loads(call["stdin"])["token"] for call in calls] == [sent, "hf_secret"]


@pytest.mark.parametrize(
    ("endpoint", "environment", "expected"),
    [
        ("", {}, None),
        ("https://huggingface.co", {}, None),
        ("https://hub.example.com", {}, "1"),
        ("", {"HF_ENDPOINT": "https://hub.example.com"}, "1"),
        # The variable of the task's environment wins.
        ("https://hub.example.com", {"HF_HUB_DISABLE_XET": "0"}, "0"),
        ("https://huggingface.co", {"HF_HUB_DISABLE_XET": "1"}, "1"),
    ],
)
def test_a_mirror_of_the_hub_is_used_without_xet(
    endpoint: str,
    environment: dict[str, str],
    expected: str | None,
    wanted: Download,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HF_ENDPOINT", "HF_HUB_DISABLE_XET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    calls = answering(monkeypatch, Completed(0, f'llmfleet-hub-model:{{"commit": "{ONE}"}}\n', ""))
    download(dataclasses.replace(wanted, endpoint=endpoint))
    assert calls[0]["env"].get("HF_HUB_DISABLE_XET") == expected


# A huggingface_hub whose download fails as httpx does: only the request of the cause names the host.
FAILING_HUB = """
class Request:
    url = "https://cas-bridge.xethub.hf.co/xet-bridge-us/abc?signature=secret"

class ConnectError(Exception):
    request = Request()

class LocalEntryNotFoundError(Exception):
    @property
    def request(self):
        raise RuntimeError("The request has not been set.")

def snapshot_download(*names, **options):
    try:
        raise ConnectError("[Errno -2] Name or service not known")
    except ConnectError as error:
        raise LocalEntryNotFoundError("cannot find the file on the hub") from error
"""


def test_the_host_of_large_files_is_named_if_it_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "huggingface_hub.py").write_text(FAILING_HUB)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # As -I would ignore PYTHONPATH, the stand-in drops it.
    python.write_text(
        f'#!/bin/sh\nshift\nPYTHONPATH={tmp_path}/site exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    wanted = Download(str(tmp_path / "env"), "org/name", "main", str(tmp_path / "cache"))
    with pytest.raises(CondaModuleError) as caught:
        download(dataclasses.replace(wanted, endpoint="https://hub.example.com"))
    assert "let this host reach cas-bridge.xethub.hf.co," in str(caught.value.hint)
    assert "secret" not in f"{caught.value} {caught.value.said} {caught.value.hint}"


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("CAS service error: https://cas-server.xethub.hf.co/v1/x", "cas-server.xethub.hf.co"),
        ("HTTPSConnectionPool(host='transfer.xethub.hf.co', port=443)", "transfer.xethub.hf.co"),
    ],
)
def test_the_host_of_xet_in_a_message_is_named(
    message: str, named: str, wanted: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"error": "RuntimeError", "message": message})
    answering(monkeypatch, Completed(0, f"llmfleet-hub-model:{said}\n", ""))
    with pytest.raises(CondaModuleError) as caught:
        download(wanted)
    assert f"let this host reach {named}," in str(caught.value.hint)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Completed(1, "", "Killed"), "Killed"),
        (Completed(1, 'llmfleet-hub-model:{"comm', ""), 'llmfleet-hub-model:{"comm'),
        (Completed(-9, "", "", timed_out=True), "raise the option timeout"),
        (
            Completed(0, 'llmfleet-hub-model:{"error": "GatedRepoError", "message": "401"}', ""),
            "set the option token to one that may read the model",
        ),
        (
            Completed(0, 'llmfleet-hub-model:{"error": "ModuleNotFoundError", "message": "x"}', ""),
            "install huggingface_hub into that environment",
        ),
        (
            Completed(0, 'llmfleet-hub-model:{"error": "ConnectError", "message": "x"}', ""),
            "check the option endpoint",
        ),
    ],
)
def test_download_errors_are_reported(
    done: Completed, words: str, wanted: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, done)
    with pytest.raises(CondaModuleError) as error:
        download(wanted)
    assert words in str(error.value)
    assert "hf_secret" not in str(error.value)
