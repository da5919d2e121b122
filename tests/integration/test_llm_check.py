"""llm_check on real environments of the lab: real conda, numpy, torch, transformers and a model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import counter, paths, wheelhouse
from tests.integration.snapshot import changes, snapshot

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = paths.models_dir() / "tiny-sentiment"
DATA = {"numpy": ">=1.24", "pandas": "", "matplotlib": ""}
FULL = {**DATA, "torch": ">=2.4", "transformers": ">=4.46"}
RunModule = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def environments(
    conda_installation: Path, run_module: RunModule, home: Path
) -> Iterator[dict[str, Path]]:
    """Two environments from the lab's channel; into ``llm`` pip puts torch and transformers."""
    made = {}
    for name, python in (("llm", "3.11"), ("legacy", "3.8")):
        made[name] = conda_installation / "envs" / f"check-{name}"
        options = {
            "installation": str(conda_installation),
            "prefix": str(made[name]),
            "packages": [f"python={python}", "numpy", "pandas", "matplotlib"],
        }
        assert run_module("conda_env", options)["changed"]
    wheels = ["--no-index", "--find-links", str(paths.wheels_dir())]
    # Without compiled files, as uv installs: the checks must not leave any behind.
    pip = [str(made["llm"] / "bin" / "python"), "-I", "-m", "pip", "--isolated"]
    subprocess.run(
        [
            *(*pip, "install", "--quiet", "--no-compile", *wheels),
            *("--constraint", str(wheelhouse.constraints_file()), "torch", "transformers"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull},
        check=True,
        timeout=600,
    )
    yield made
    for prefix in made.values():
        shutil.rmtree(prefix)


@pytest.fixture(scope="module")
def llm(environments: dict[str, Path]) -> Path:
    return environments["llm"]


@pytest.fixture(scope="module")
def legacy(environments: dict[str, Path]) -> Path:
    return environments["legacy"]


@contextmanager
def broken(path: Path, data: bytes | None) -> Iterator[None]:
    """For a moment the file holds ``data``, or is gone. It is never written in place.

    conda links files hard from its package cache, where a write would reach other environments.
    """
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    try:
        if data is not None:
            path.write_bytes(data)
        yield
    finally:
        path.unlink(missing_ok=True)
        aside.rename(path)


def results(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert answer["rc"] == 0, answer
    assert answer["changed"] is False
    return {check["name"]: check for check in answer["checks"]}


def failed(answer: dict[str, Any]) -> list[str]:
    return [name for name, check in results(answer).items() if check["status"] == "fail"]


@pytest.mark.full
def test_the_whole_stack(
    llm: Path, conda_installation: Path, home: Path, run_module: RunModule
) -> None:
    starts = counter.starts(conda_installation)
    before = snapshot(conda_installation, home, MODEL)
    options = {
        "installation": str(conda_installation),
        "name": llm.name,
        "python_version": "3.11",
        "imports": FULL,
        "model": str(MODEL),
        "expected_gpus": 0,
    }
    answer = run_module("llm_check", options)
    assert changes(before, snapshot(conda_installation, home, MODEL)) == []
    assert counter.starts(conda_installation) == starts
    found = results(answer)
    assert answer["status"] == "pass", answer["msg"]
    assert answer["failed_layer"] is None
    assert {check["status"] for check in found.values()} == {"pass"}
    assert len(found) == 31
    for name in ("workload.regression_numpy", "workload.regression_torch"):
        measured = found[name]["measured"]
        assert measured["coefficients"] == pytest.approx([2.0, -3.4], abs=0.02)
        assert measured["intercept"] == pytest.approx(4.2, abs=0.02)
        assert "expected [2, -3.4] and 4.2" in found[name]["detail"]
    assert found["workload.sentiment"]["measured"]["label"] == "POSITIVE"
    assert '"This is a great movie!" is POSITIVE' in found["workload.sentiment"]["detail"]
    assert found["workload.plot"]["measured"]["size"] == [200, 150]
    assert found["kernel.torch"]["measured"]["devices"]["cpu"]["relative_error"] < 1e-5
    assert found["framework.torch"]["measured"]["gpus"] == 0
    # The module's own process has a PYTHONPATH here, so the imports were tried with it as well.
    assert "PYTHONPATH=" in found["imports.user_environment"]["detail"]
    assert answer["facts"]["conda_version"] == "24.7.1"
    assert answer["facts"]["sys_version"].startswith(answer["facts"]["python_version"])
    assert set(answer["facts"]["versions"]) == set(FULL)
    assert answer["facts"]["versions"]["torch"].startswith("2.")
    python = subprocess.run(
        [str(llm / "bin" / "python"), "-B", "-c", "import numpy; print(numpy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer["facts"]["versions"]["numpy"] == python.stdout.strip()
    layers: dict[str, float] = {}
    for check in found.values():
        layers[check["layer"]] = layers.get(check["layer"], 0.0) + check["seconds"]
    print("seconds by layer:", {name: round(seconds, 2) for name, seconds in layers.items()})
    assert answer["seconds"] >= max(layers.values()) * 0.9


@pytest.mark.full
def test_the_tutorials_python(legacy: Path, run_module: RunModule) -> None:
    options = {"prefix": str(legacy), "python_version": "3.8", "imports": DATA}
    before = snapshot(legacy)
    answer = run_module("llm_check", options)
    assert answer["status"] == "pass", answer["msg"]
    assert answer["facts"]["python_version"].startswith("3.8.")
    assert results(answer)["workload.plot"]["status"] == "pass"
    assert changes(before, snapshot(legacy)) == []


def test_a_deleted_file_of_numpy(llm: Path, run_module: RunModule) -> None:
    victim = llm / "lib" / "python3.11" / "site-packages" / "numpy" / "__init__.py"
    with broken(victim, None):
        answer = run_module("llm_check", {"prefix": str(llm), "imports": FULL})
    assert answer["status"] == "fail"
    assert answer["failed_layer"] == "environment"
    assert failed(answer) == ["environment.files"]
    detail = results(answer)["environment.files"]["detail"]
    assert "numpy (lib/python3.11/site-packages/numpy/__init__.py)" in detail
    assert "environment.files" in answer["msg"]
    assert results(answer)["imports.numpy"]["status"] == "skip"
    assert "environment.files" in results(answer)["imports.numpy"]["detail"]


def test_a_truncated_library_of_pips(llm: Path, run_module: RunModule) -> None:
    victim = llm / "lib" / "python3.11" / "site-packages" / "torch" / "lib" / "libc10.so"
    with broken(victim, victim.read_bytes()[:1000]):
        answer = run_module("llm_check", {"prefix": str(llm), "imports": FULL})
        assert failed(answer) == ["environment.distributions"]
        assert (
            "torch (torch/lib/libc10.so)" in results(answer)["environment.distributions"]["detail"]
        )
        options = {"prefix": str(llm), "imports": {"numpy": "", "torch": ""}, "checks": ["imports"]}
        answer = run_module("llm_check", options)
    assert failed(answer) == ["imports.torch"]
    # The loader maps what is left of the file and dies on the first page behind it.
    assert results(answer)["imports.torch"]["measured"]["package"] == "torch"
    assert "SIGBUS" in results(answer)["imports.torch"]["detail"]
    assert results(answer)["imports.numpy"]["status"] == "pass"


def test_a_missing_library_is_named(llm: Path, run_module: RunModule) -> None:
    libraries = llm / "lib" / "python3.11" / "site-packages" / "numpy.libs"
    victim = next(libraries.glob("*openblas*"))
    options = {"prefix": str(llm), "imports": DATA, "checks": ["imports", "kernel"]}
    with broken(victim, None):
        answer = run_module("llm_check", options)
    assert set(failed(answer)) >= {"imports.numpy", "imports.pandas"}
    for name in ("imports.numpy", "imports.pandas"):
        check = results(answer)[name]
        assert check["measured"]["missing_file"] == victim.name
        assert check["measured"]["package"] == "numpy"
        assert victim.name in check["detail"]
    assert results(answer)["kernel.numpy"]["status"] == "skip"


@pytest.mark.parametrize(
    ("options", "layer", "names"),
    [
        ({"thresholds": {"min_glibc": "9.9"}}, "host", ["host.glibc"]),
        ({"python_version": "3.12"}, "environment", ["environment.python"]),
        (
            {"imports": {"numpy": ">=99", "nltk": "", "pandas": ""}},
            "imports",
            ["imports.numpy", "imports.nltk"],
        ),
        pytest.param(
            {"imports": {"torch": ""}, "expected_gpus": 8},
            "framework",
            ["framework.torch"],
            marks=pytest.mark.full,
        ),
        pytest.param(
            {"imports": {"numpy": "", "torch": ""}, "thresholds": {"matmul_tolerance": 1e-12}},
            "kernel",
            ["kernel.numpy", "kernel.torch"],
            marks=pytest.mark.full,
        ),
        (
            {
                "imports": FULL,
                "model": str(MODEL),
                "text": "This is a terrible movie!",
                "thresholds": {"regression_tolerance": 1e-9, "min_plot_colours": 10**6},
            },
            "workload",
            [
                "workload.regression_numpy",
                "workload.regression_torch",
                "workload.plot",
                "workload.sentiment",
            ],
        ),
    ],
    ids=["host", "environment", "imports", "framework", "kernel", "workload"],
)
def test_every_layer_can_fail(
    llm: Path, run_module: RunModule, options: dict[str, Any], layer: str, names: list[str]
) -> None:
    # The second run of the imports, with the module's own PYTHONPATH, has its own tests.
    checks = [
        "host",
        "environment",
        *[f"imports.{name}" for name in options.get("imports", {})],
        # A layer in which nothing applies is refused, and only torch has a framework check.
        *(["framework"] if "torch" in options.get("imports", {}) else []),
        *(["kernel", "workload"] if "imports" in options else []),
    ]
    answer = run_module("llm_check", {"prefix": str(llm), "checks": checks, **options})
    assert failed(answer) == names
    assert answer["failed_layer"] == layer
    found = results(answer)
    layers = [check["layer"] for check in found.values()]
    later = list(found.values())[len(layers) - layers[::-1].index(layer) :]
    assert {check["status"] for check in later} <= {"skip"}
    if layer == "workload":
        assert found["workload.sentiment"]["measured"]["label"] == "NEGATIVE"
        assert "is NEGATIVE with score" in found["workload.sentiment"]["detail"]
        assert "expected POSITIVE" in found["workload.sentiment"]["detail"]


@pytest.mark.full
def test_a_model_id_from_the_hosts_cache(llm: Path, run_module: RunModule, tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--lab--tiny-sentiment"
    shutil.copytree(MODEL, repository / "snapshots" / "0123456789abcdef")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789abcdef", encoding="utf-8")
    before = snapshot(tmp_path)
    options = {"prefix": str(llm), "model": "lab/tiny-sentiment", "checks": ["workload.sentiment"]}
    answer = run_module("llm_check", options, environment={"HF_HOME": str(tmp_path)})
    assert answer["status"] == "pass", results(answer)["workload.sentiment"]
    options["model"] = "lab/unknown"
    answer = run_module("llm_check", options, environment={"HF_HOME": str(tmp_path)})
    assert failed(answer) == ["workload.sentiment"]
    detail = results(answer)["workload.sentiment"]["detail"]
    assert f"lab/unknown cannot be loaded from the cache {tmp_path / 'hub'}" in detail
    assert changes(before, snapshot(tmp_path)) == []


def test_a_users_own_numpy_shadows_the_environments(
    legacy: Path, run_module: RunModule, tmp_path: Path
) -> None:
    site = tmp_path / ".local" / "lib" / "python3.8" / "site-packages"
    (site / "numpy").mkdir(parents=True)
    (site / "numpy" / "__init__.py").write_text("__version__ = '1.0'\n", encoding="utf-8")
    options = {"prefix": str(legacy), "imports": {"numpy": ""}, "checks": ["imports"]}
    answer = run_module("llm_check", options, environment={"HOME": str(tmp_path)})
    assert failed(answer) == ["imports.user_environment"]
    assert str(site / "numpy") in results(answer)["imports.user_environment"]["detail"]


def test_a_stray_library_path(legacy: Path, run_module: RunModule, tmp_path: Path) -> None:
    # A library that the environment's interpreter takes by its run path, which the variable beats,
    # and that the module's own interpreter does not need.
    library = tmp_path / "libpython3.8.so.1.0"
    library.write_bytes(b"not a library")
    assert (legacy / "lib" / library.name).exists()
    options = {"prefix": str(legacy), "imports": {"numpy": ""}, "checks": ["imports"]}
    answer = run_module("llm_check", options, environment={"LD_LIBRARY_PATH": str(tmp_path)})
    assert results(answer)["imports.numpy"]["status"] == "pass"
    assert failed(answer) == ["imports.user_environment"]
    detail = results(answer)["imports.user_environment"]["detail"]
    assert f"LD_LIBRARY_PATH={tmp_path}" in detail
    assert str(library) in detail


def test_nothing_is_installed(run_module: RunModule, tmp_path: Path) -> None:
    options = {"installation": str(tmp_path / "miniconda3"), "name": "llm", "imports": FULL}
    answer = run_module("llm_check", options)
    assert answer["status"] == "fail"
    assert answer["failed_layer"] == "installation"
    assert failed(answer) == ["installation.exists"]
    assert "does not exist" in results(answer)["installation.exists"]["detail"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_a_half_made_environment(
    conda_installation: Path, run_module: RunModule, tmp_path: Path
) -> None:
    (tmp_path / "conda-meta").mkdir()
    options = {"installation": str(conda_installation), "prefix": str(tmp_path)}
    answer = run_module("llm_check", options)
    assert failed(answer) == ["environment.exists"]


@pytest.mark.full
def test_through_ansible(llm: Path, conda_installation: Path, tmp_path: Path) -> None:
    """In check mode, as Ansible ships it: from a zip file, to a Python without the collection."""
    playbook = tmp_path / "play.yml"
    options = {
        "installation": str(conda_installation),
        "prefix": str(llm),
        "imports": FULL,
        "model": str(MODEL),
    }
    tasks = [
        {"llmfleet.conda.llm_check": options, "register": "proof", "check_mode": True},
        {
            "ansible.builtin.copy": {
                "content": "{{ proof | to_json }}",
                "dest": str(tmp_path / "proof.json"),
                "mode": "0600",
            }
        },
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": tasks,
    }
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    before = snapshot(llm)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            str(playbook),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    proof = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    assert proof["status"] == "pass", proof["msg"]
    checks = {check["name"]: check for check in proof["checks"]}
    assert (
        "the user's imports are the same as those above"
        in checks["imports.user_environment"]["detail"]
    )
    assert changes(before, snapshot(llm)) == []
