"""The kernelspec of an environment in generations: where it is, whose it is, when it is written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.kernelspec import (
    CURRENT,
    FOREIGN,
    MISSING,
    OLD,
    KernelSpec,
    kernelspec_of,
    look,
    remove_kernelspec,
    write_kernelspec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    LINK,
    Observed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plan import (
    BUILD,
    Plan,
    plan_kernel,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import Place, State

HOME = "/opt/conda/envs/llm"


@pytest.fixture
def spec(tmp_path: Path) -> KernelSpec:
    return KernelSpec(HOME, str(tmp_path / "kernels" / "llm" / "kernel.json"))


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An ordinary user with the home directory ``/home/ada``."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("JUPYTER_DATA_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return monkeypatch


def path_of(name: str) -> str:
    found = kernelspec_of(f"/opt/conda/envs/{name}")
    assert found is not None
    return found.path


def test_root_writes_for_all_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("JUPYTER_DATA_DIR", "/elsewhere")
    assert path_of("LLM") == "/usr/local/share/jupyter/kernels/llm/kernel.json"


@pytest.mark.parametrize(
    ("platform", "variables", "directory"),
    [
        ("linux", {}, "/home/ada/.local/share/jupyter"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/jupyter"),
        ("darwin", {}, "/home/ada/Library/Jupyter"),
        ("darwin", {"JUPYTER_DATA_DIR": "/own"}, "/own"),
    ],
)
def test_a_user_writes_where_jupyter_looks(
    platform: str, variables: dict[str, str], directory: str, ordinary: pytest.MonkeyPatch
) -> None:
    ordinary.setattr("sys.platform", platform)
    for name, value in variables.items():
        ordinary.setenv(name, value)
    assert path_of("llm") == f"{directory}/kernels/llm/kernel.json"


def test_jupyter_knows_no_kernel_of_such_a_name() -> None:
    assert kernelspec_of("/opt/conda/envs/größe") is None
    with pytest.raises(CondaModuleError, match="knows no kernel with the name"):
        plan_kernel(
            Request(Place("/opt/conda/envs/größe"), "/opt/conda", kernel=True), SEEN, Plan()
        )


def test_it_names_the_interpreter_by_the_link(spec: KernelSpec) -> None:
    written = json.loads(spec.content())
    assert written["argv"][0] == f"{HOME}/bin/python"
    assert written["argv"][1:] == ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert written["language"] == "python"


def test_ours_is_told_from_what_people_made(spec: KernelSpec) -> None:
    assert look(spec) == MISSING
    write_kernelspec(spec)
    assert look(spec) == CURRENT
    path = Path(spec.path)
    path.write_text(path.read_text().replace("-m", "-X"))
    assert look(spec) == OLD
    for text in ("{}", "no JSON", '{"metadata": {"llmfleet": {"prefix": "/other"}}}', "[]"):
        path.write_text(text)
        assert look(spec) == FOREIGN
    path.unlink()
    path.mkdir()
    assert look(spec) == FOREIGN


def test_what_people_put_beside_it_stays(spec: KernelSpec) -> None:
    write_kernelspec(spec)
    logo = Path(spec.path).with_name("logo-32x32.png")
    logo.write_bytes(b"png")
    remove_kernelspec(spec)
    assert logo.exists()
    logo.unlink()
    write_kernelspec(spec)
    remove_kernelspec(spec)
    assert not logo.parent.exists()
    remove_kernelspec(spec)


WANTED = Request(Place(HOME), "/opt/conda", kernel=True)
UNWANTED = replace(WANTED, kernel=False)
SEEN = Observed(State(found=True), LINK, 3, kernel_path="/k.json")


@pytest.mark.parametrize(
    ("request_", "found", "happens"),
    [
        (WANTED, MISSING, True),
        (WANTED, OLD, True),
        (WANTED, CURRENT, False),
        (UNWANTED, MISSING, False),
        (UNWANTED, FOREIGN, False),
        (UNWANTED, OLD, True),
        (UNWANTED, CURRENT, True),
        (replace(WANTED, kernel=None), CURRENT, False),
    ],
)
def test_when_something_happens(request_: Request, found: str, happens: bool) -> None:
    # A build: what the next generation contains is not known yet.
    plan = plan_kernel(request_, replace(SEEN, kernel=found), Plan(BUILD, 4))
    assert plan.kernel is happens
    assert bool(plan.reasons) is happens


def test_somebody_else_s_is_refused() -> None:
    with pytest.raises(CondaModuleError, match="is not a kernelspec that this collection wrote"):
        plan_kernel(WANTED, replace(SEEN, kernel=FOREIGN), Plan(BUILD, 4))


def test_an_environment_that_stays_needs_ipykernel() -> None:
    with pytest.raises(CondaModuleError, match="the package ipykernel is not in it"):
        plan_kernel(WANTED, replace(SEEN, kernel=MISSING), Plan(number=3))
