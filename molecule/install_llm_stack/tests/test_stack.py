"""The stack as people who log in find it; the environment's own Python, pip and conda are asked."""

from __future__ import annotations

import json
from typing import Any

testinfra_hosts = ["docker://stack-debian12", "docker://stack-debian13"]

PREFIX = "/opt/miniconda3"
SITE = f"{PREFIX}/envs/llm/lib/python3.11/site-packages"
HUB = "http://127.0.0.1:8899"


def pip_versions(person: Any) -> dict[str, str]:
    """Versions by name, as pip in the environment has them."""
    listed = json.loads(person.types("conda activate llm && python -m pip list --format json"))
    return {item["name"]: item["version"] for item in listed}


def test_constraints_hold_for_what_was_asked_for_and_for_what_it_brings(ada: Any) -> None:
    versions = pip_versions(ada)
    # The wheelhouse has tqdm 4.70.1 and packaging 26.3.
    assert (versions["tqdm"], versions["packaging"]) == ("4.66.5", "24.2")
    # The profile's line for numpy is for pip, and conda owns numpy.
    assert versions["numpy"] == "2.4.6"


def test_python_and_numpy_are_conda_s_and_the_rest_is_pip_s(ada: Any) -> None:
    listed = {
        item["name"]: item["channel"] for item in json.loads(ada.types("conda list -n llm --json"))
    }
    assert {listed["python"], listed["numpy"]} == {"lab"}
    assert {listed["huggingface-hub"], listed["tqdm"], listed["packaging"]} == {"pypi"}


def test_nothing_is_broken(ada: Any) -> None:
    assert "No broken requirements found" in ada.types("conda activate llm && python -m pip check")
    assert ada.python("import numpy; print(int(numpy.arange(5).sum()))") == "10"


def test_each_host_used_the_installer_of_its_inventory(host: Any) -> None:
    expected = {"stack-debian12": "pip", "stack-debian13": "uv"}[host.backend.name]
    # One line each, which uv does not end.
    said = host.check_output(
        f"grep -h '' {SITE}/huggingface_hub-*.dist-info/INSTALLER {SITE}/tqdm-*.dist-info/INSTALLER"
    )
    assert set(said.split()) == {expected}


def test_an_ordinary_user_finds_every_module_compiled(host: Any) -> None:
    """Whoever may not write there would compile them at every start."""
    packages = f"{SITE}/tqdm {SITE}/huggingface_hub"
    modules, compiled = (
        int(host.check_output(f"find {packages} -name '{pattern}' | wc -l"))
        for pattern in ("*.py", "*.cpython-311.pyc")
    )
    assert modules > 50
    assert compiled == modules


def test_activation_sets_the_variables_of_the_inventory(ada: Any) -> None:
    names = [
        "HF_ENDPOINT",
        "HF_HUB_DISABLE_XET",
        "HF_HUB_CACHE",
        "OMP_NUM_THREADS",
        "LLM_SITE",
        "HF_HOME",
    ]
    ask = "printenv " + "; printenv ".join(names)
    assert ada.types(f"{ask}; true") == ""
    found = ada.types(f"conda activate llm; {ask}; true").splitlines()
    # Not HF_HOME: tokens lie below it.
    assert found == [HUB, "1", "/srv/models", "2", "two words"]
    assert ada.types(f"conda activate llm; conda deactivate; {ask}; true") == ""


def test_conda_itself_knows_the_variables(ada: Any) -> None:
    found = json.loads(ada.types("conda env config vars list -n llm --json"))
    assert found["HF_ENDPOINT"] == HUB
    own = {"OMP_NUM_THREADS", "LLM_SITE"}
    assert set(found) == {"HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_HUB_CACHE", *own}
