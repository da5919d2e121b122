"""What an ordinary user gets who logs in: conda, the environment, the stack. No module of ours is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scripts.testing.limit import taking_part

HOSTS = taking_part(["llmfleet-debian12", "llmfleet-debian13"])
testinfra_hosts = [f"docker://{name}" for name in HOSTS]

PREFIX = "/opt/miniconda3"

REGRESSION = """
import torch
torch.manual_seed(0)
x = torch.linspace(0, 10, 100).unsqueeze(1)
y = 2.5 * x + 1.5
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
for _ in range(1500):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
print(model.weight.item(), model.bias.item())
"""

SENTIMENT = """
from transformers import pipeline
ask = pipeline("sentiment-analysis", model="/srv/llmfleet-lab/models/tiny-sentiment")
for text in ("This is a great movie!", "This is a terrible movie!"):
    print(ask(text)[0]["label"])
"""


def test_conda_is_on_the_path_of_a_login_shell(ada: Any) -> None:
    assert ada.types("conda --version") == "conda 24.7.1"


def test_the_environment_is_activated_by_name(ada: Any) -> None:
    assert ada.types("conda activate llm && echo $CONDA_PREFIX") == f"{PREFIX}/envs/llm"
    assert ada.types("conda activate llm && command -v python") == f"{PREFIX}/envs/llm/bin/python"


def test_python_is_the_one_asked_for(ada: Any) -> None:
    assert ada.python("import sys; print(sys.version)").startswith("3.11.")


@pytest.mark.parametrize("package", ["numpy", "pandas", "matplotlib", "torch", "transformers"])
def test_the_stack_is_importable(version_of: Callable[[str], str], package: str) -> None:
    assert version_of(package)[0].isdigit()


def test_torch_is_the_pinned_version(version_of: Callable[[str], str]) -> None:
    assert version_of("torch").split("+")[0] == "2.13.0"


def test_torch_learns_a_line(ada: Any) -> None:
    slope, offset = (float(word) for word in ada.python(REGRESSION).split())
    assert slope == pytest.approx(2.5, abs=0.05)
    assert offset == pytest.approx(1.5, abs=0.2)


def test_the_sentiment_pipeline_answers_without_a_hub(ada: Any) -> None:
    said = ada.types(
        "export HF_HUB_OFFLINE=1; conda activate llm && python - <<'CODE'" + SENTIMENT + "CODE"
    )
    assert said.splitlines() == ["POSITIVE", "NEGATIVE"]


def test_each_package_has_one_owner(ada: Any) -> None:
    listed = {
        item["name"]: item["channel"] for item in json.loads(ada.types("conda list -n llm --json"))
    }
    assert {listed[name] for name in ("python", "numpy", "pandas", "matplotlib")} == {"lab"}
    assert {listed[name] for name in ("torch", "transformers")} == {"pypi"}


def test_pip_finds_nothing_broken(ada: Any) -> None:
    assert "No broken requirements found" in ada.types("conda activate llm && python -m pip check")


def test_conda_knows_the_environment_and_its_channels(ada: Any) -> None:
    info = json.loads(ada.types("conda info --json"))
    assert f"{PREFIX}/envs/llm" in info["envs"]
    assert all("/conda/lab/" in channel for channel in info["channels"])


def test_nothing_but_conda_tells_a_login_shell_anything(host: Any) -> None:
    file = host.file("/etc/profile.d/llmfleet-conda.sh")
    assert file.mode == 0o644
    assert file.user == "root"
    assert file.content_string.count("# BEGIN llmfleet.conda") == 1


def test_conda_was_started_by_the_first_run_only(host: Any) -> None:
    """pip's phase comes after conda's last one: no start may be younger than what it installed."""
    starts = host.file(f"{PREFIX}/conda-meta/.lab-conda-starts")
    (torch,) = host.run(
        f"ls -d {PREFIX}/envs/llm/lib/python3.11/site-packages/torch-*"
    ).stdout.split()
    assert len(starts.content_string.splitlines()) > 0
    assert starts.mtime < host.file(torch).mtime


def test_an_ordinary_user_cannot_change_the_installation(ada: Any, host: Any) -> None:
    probe = f"{PREFIX}/envs/llm/written-by-ada"
    result = host.run(f"su - ada -c 'touch {probe}'")
    assert result.rc != 0
    assert not host.file(probe).exists


def test_no_lock_or_journal_is_left(host: Any) -> None:
    left = host.run(f"find {PREFIX} /opt -maxdepth 3 -name '*llmfleet-journal*'")
    assert left.rc == 0
    assert left.stdout.strip() == ""
