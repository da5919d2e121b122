"""Models in the hub's cache: seen by the real huggingface_hub, without a network."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import model as lab_model
from lab import paths
from tests.integration.four_steps import Steps
from tests.integration.hub_server import MODEL, Hub, tiny
from tests.integration.snapshot import snapshot

# What the library itself finds of a model, with its own way into the cache and no way to the network.
OFFLINE = """
import hashlib, json, os, sys
from huggingface_hub import snapshot_download
root = snapshot_download(sys.argv[1], revision=sys.argv[2])
print(json.dumps({
    name: hashlib.sha256(open(os.path.join(root, name), "rb").read()).hexdigest()
    for name in sorted(os.listdir(root))
}))
"""


@pytest.fixture(scope="module")
def hub_env(conda_installation: Path, run_module: Callable[..., dict[str, Any]]) -> Path:
    """An environment with the lab's huggingface_hub."""
    place = {"installation": str(conda_installation), "name": "hub"}
    made = run_module("conda_env", {**place, "packages": ["python=3.11", "pip"]})
    assert made["changed"], made
    wheels = {"no_index": True, "find_links": [str(paths.wheels_dir())]}
    done = run_module("conda_pip", {**place, **wheels, "requirements": ["huggingface_hub"]})
    assert done["changed"], done
    return conda_installation / "envs" / "hub"


@pytest.fixture
def files() -> dict[str, bytes]:
    """The files of the lab's model."""
    return tiny(lab_model.path())


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    """A hub with that model."""
    with Hub(files) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that is still to be made."""
    return tmp_path / "models"


@pytest.fixture
def steps(run_module: Any, cache: Path, tmp_path: Path, conda_installation: Path) -> Steps:
    """The four steps with the cache under watch."""
    return Steps(run_module, (tmp_path,), conda_installation)


def offline(hub_env: Path, cache: Path, revision: str = "main") -> dict[str, str]:
    """Digests of the files that the real library finds."""
    done = subprocess.run(
        [str(hub_env / "bin" / "python"), "-I", "-c", OFFLINE, MODEL, revision],
        env={
            "PATH": os.environ["PATH"],
            "HF_HUB_CACHE": str(cache),
            "HF_HUB_OFFLINE": "1",
            # Nobody answers there, should it ask all the same.
            "HF_ENDPOINT": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_a_model_from_the_hub_is_found_without_a_network_and_fetched_once(
    steps: Steps, hub: Hub, hub_env: Path, cache: Path, files: dict[str, bytes]
) -> None:
    options = {
        "prefix": str(hub_env),
        "model": MODEL,
        "endpoint": hub.url,
        "cache_dir": str(cache),
    }
    result = steps("hub_model", options)
    assert hub.fetched() == sorted(files)
    assert (result["commit"], result["files"]) == (hub.branches["main"], sorted(files))
    assert result["size"] == sum(map(len, files.values()))
    assert offline(hub_env, cache) == digests(files)
    assert sorted(os.listdir(result["snapshot"])) == sorted(files)

    # A branch that moved on changes nothing here; what is missing of its old state is fetched alone.
    hub.push({**files, "new.json": b"{}"})
    hub.log.clear()
    assert not steps.run_module("hub_model", options)["changed"]
    assert hub.log == []
    weights = cache / f"models--{MODEL.replace('/', '--')}/snapshots" / result["commit"]
    with (weights / "model.safetensors").open("r+b") as stream:
        stream.truncate(1000)
    (weights / "vocab.txt").unlink()
    mended = steps("hub_model", options)
    assert mended["plan"] == {
        "action": "fetch",
        "reason": "missing or incomplete files: model.safetensors, vocab.txt",
    }
    assert hub.fetched() == ["model.safetensors"]
    assert mended["commit"] == result["commit"]
    assert offline(hub_env, cache) == digests(files)

    # A commit takes it further.
    newer = {**options, "commit": hub.branches["main"]}
    assert steps("hub_model", newer)["commit"] == hub.branches["main"]
    assert set(offline(hub_env, cache)) == {*files, "new.json"}
    # The older one is still there.
    back = steps("hub_model", {**options, "commit": result["commit"]})
    assert back["plan"]["action"] == "point"
    assert set(offline(hub_env, cache)) == set(files)

    hub.log.clear()
    gone = {"model": MODEL, "cache_dir": str(cache), "state": "absent"}
    mine = next(cache.glob("models--*")) / "finetuned.bin"
    mine.write_text("work")
    refused = steps.run_module("hub_model", gone)
    assert refused["rc"] == 1
    assert "contains files that do not belong to the model cache: finetuned.bin" in refused["msg"]
    assert mine.read_text() == "work"
    mine.unlink()
    steps("hub_model", gone)
    # What says to backups that this is a cache is the library's own, for all models.
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["CACHEDIR.TAG"]
    assert hub.log == []


def test_only_the_files_that_are_wanted(
    steps: Steps, hub: Hub, hub_env: Path, cache: Path, files: dict[str, bytes]
) -> None:
    options = {
        "prefix": str(hub_env),
        "model": MODEL,
        "endpoint": hub.url,
        "cache_dir": str(cache),
        "include": ["*.json", "*.txt"],
        "exclude": ["tokenizer*"],
    }
    steps("hub_model", options)
    assert hub.fetched() == ["config.json", "vocab.txt"]
    assert sorted(offline_names(cache)) == ["config.json", "vocab.txt"]
    steps("hub_model", {**options, "include": [], "exclude": []})
    assert offline(hub_env, cache) == digests(files)
    none = steps.run_module("hub_model", {**options, "include": ["*.gguf"]})
    assert "no file of the model matches the options include and exclude" in none["msg"]


def offline_names(cache: Path) -> list[str]:
    return [path.name for path in cache.glob("models--*/snapshots/*/*")]


def test_a_token_opens_a_closed_model_and_is_seen_nowhere(
    run_module: Any, hub: Hub, hub_env: Path, cache: Path, files: dict[str, bytes]
) -> None:
    hub.token = "hf_verysecretword"
    options = {"prefix": str(hub_env), "model": MODEL, "endpoint": hub.url, "cache_dir": str(cache)}
    closed = run_module("hub_model", options)
    assert closed["rc"] == 1
    assert f"Cannot download the model {MODEL} (main)" in closed["msg"]
    assert "set the option token to one that may read the model" in closed["hint"]
    wrong = run_module("hub_model", {**options, "token": "hf_wrongword"})
    assert wrong["rc"] == 1
    assert "hf_wrongword" not in json.dumps(wrong)
    opened = run_module("hub_model", {**options, "token": hub.token})
    assert opened["changed"], opened
    assert hub.token not in json.dumps(opened)
    assert offline(hub_env, cache) == digests(files)
    written = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert hub.token.encode() not in written


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_mirror_is_not_shown_the_user_s_own_token(
    way: str, run_module: Any, hub: Hub, hub_env: Path, cache: Path, tmp_path: Path
) -> None:
    options = {"prefix": str(hub_env), "model": MODEL, "cache_dir": str(cache)}
    (tmp_path / "token").write_text("hf_of-the-user")
    of_the_user = {
        "variable": {"HF_TOKEN": "hf_of-the-user"},
        "file": {"HF_TOKEN_PATH": str(tmp_path / "token"), "HF_ENDPOINT": hub.url},
    }[way]
    endpoint = {"endpoint": hub.url} if way == "variable" else {}
    assert run_module("hub_model", {**options, **endpoint}, environment=of_the_user)["changed"]
    assert hub.log
    assert hub.shown == set()
    run_module("hub_model", {**options, **endpoint, "state": "absent"})
    asked = {**options, **endpoint, "token": "hf_of-the-task"}
    assert run_module("hub_model", asked, environment=of_the_user)["changed"]
    assert hub.shown == {"Bearer hf_of-the-task"}


@pytest.mark.full
def test_what_the_hub_refuses_is_said_in_words(
    run_module: Any, hub: Hub, hub_env: Path, cache: Path, conda_installation: Path
) -> None:
    good = {"prefix": str(hub_env), "model": MODEL, "endpoint": hub.url, "cache_dir": str(cache)}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "no such model": ({"model": "example/none"}, "RepositoryNotFoundError"),
        "no such revision": ({"revision": "none"}, "correct the option revision"),
        "nobody there": ({"endpoint": "http://127.0.0.1:9"}, "check the option endpoint"),
        "no library": ({"prefix": str(conda_installation)}, "install huggingface_hub into"),
        "no environment": ({"prefix": f"{hub_env}-none"}, "has no Python to download models with"),
        "no place to go": ({"prefix": None}, "options name and prefix"),
        "no name": ({"model": "../tiny"}, "The option model has an invalid value"),
        "no branch": ({"revision": "../../etc"}, "The option revision has an invalid value"),
        "no commit": ({"commit": "8f3a"}, "The option commit has an invalid value"),
    }
    for name, (options, words) in cases.items():
        result = run_module("hub_model", {**good, **options})
        assert result["rc"] == 1, name
        assert words in result["msg"], name
    assert not list(cache.rglob("*.safetensors"))


def test_a_directory_of_the_host_in_the_place_of_the_hub(
    steps: Steps, hub_env: Path, cache: Path, tmp_path: Path, files: dict[str, bytes]
) -> None:
    source = tmp_path / "ours"
    (source / "onnx").mkdir(parents=True)
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("not of the model")
    for name, content in files.items():
        (source / name).write_bytes(content)
        # As save_pretrained does it; readers of the cache are others.
        (source / name).chmod(0o600)
    (source / "onnx" / "model.onnx").write_bytes(b"x")
    cache.mkdir()
    cache.chmod(0o2775)
    options = {"model": MODEL, "path": str(source), "remote_src": True, "cache_dir": str(cache)}
    result = steps("hub_model", {**options, "exclude": ["onnx/"]})
    assert result["plan"]["action"] == "import"
    assert offline(hub_env, cache) == digests(files)
    inside = [path for path in cache.rglob("*") if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside if path.is_file()} == {0o664}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o775 for path in inside if path.is_dir()} == {
        0o775
    }

    (source / "config.json").write_bytes(files["config.json"] + b"\n")
    changed = steps("hub_model", {**options, "exclude": ["onnx/"]})
    assert changed["commit"] != result["commit"]
    assert offline(hub_env, cache)["config.json"] != digests(files)["config.json"]

    before = snapshot(tmp_path)
    for path, words in ((tmp_path / "none", "No such file"), (cache, "it contains no wanted file")):
        if path == cache:
            path = tmp_path / "nothing"
            path.mkdir()
        refused = steps.run_module("hub_model", {**options, "path": str(path)})
        assert refused["rc"] == 1
        assert words in refused["msg"]
    assert [name for name in snapshot(tmp_path) if name not in before] == [
        str(tmp_path / "nothing")
    ]


def test_a_file_with_other_bytes_is_fetched_again_and_never_kept(
    run_module: Any, hub_env: Path, hub: Hub, cache: Path, files: dict[str, bytes]
) -> None:
    wrong = bytes([files["vocab.txt"][0] ^ 1]) + files["vocab.txt"][1:]
    commit = hub.branches["main"]
    options = {
        "model": MODEL,
        "prefix": str(hub_env),
        "cache_dir": str(cache),
        "endpoint": hub.url,
    }
    hub.altered = {"vocab.txt": [wrong, wrong]}
    done = run_module("hub_model", options)
    assert done["failed"]
    assert "other bytes" in done["msg"]
    assert hub.url in done["msg"]
    kept = [path.read_bytes() for path in cache.rglob("*") if path.is_file()]
    assert wrong not in kept
    hub.altered = {"vocab.txt": [wrong]}
    done = run_module("hub_model", options)
    assert done["changed"], done
    assert (Path(done["snapshot"]) / "vocab.txt").read_bytes() == files["vocab.txt"]
    assert done["commit"] == commit
