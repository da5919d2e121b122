"""The tiny sentiment model: a real BERT that answers, made here because no hub can be reached."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import cache, interpreters, model_training, paths, wheelhouse
from lab.errors import LabError

NAME = "model"

_LEAST_SCORE = 0.9
"""Below this the model guesses; at its training it is above 0.99."""


def path() -> Path:
    """Return the model's folder, which ``transformers.pipeline(model=...)`` takes."""
    return paths.models_dir() / "tiny-sentiment"


def key() -> str:
    """Return the content key of the model."""
    sources = cache.source_files("model.py", "model_training.py")
    return cache.content_key(*sources, wheelhouse.constraints_file())


def is_current() -> bool:
    """Say whether the model in the cache was made from today's sources and versions."""
    return cache.published_key(path()) == key()


def build(progress: Callable[[str], None]) -> None:
    """Install torch and transformers into a temporary folder and train the model with them.

    Raises:
        LabError: there is no Python 3.11, the wheelhouse cannot be built, or the trained model
            does not tell good from bad.
    """
    python = _python()
    if not wheelhouse.is_current():
        wheelhouse.build(progress)
    libraries = cache.new_temporary("model-libraries-")
    try:
        progress("installing torch and transformers into a temporary folder")
        _install(libraries)
        progress("training")
        with cache.publishing(path(), key()) as work:
            made = _train(python, libraries, work)
            check_answers(made["answers"])
            for file in work.iterdir():
                # save_pretrained writes the weights for their owner alone
                file.chmod(0o644)
    finally:
        shutil.rmtree(libraries)
    worst = min(answer["score"] for answer in made["answers"].values())
    progress(
        f"trained on {made['examples']} sentences in {made['seconds']} s; "
        f"{len(made['answers'])} of {len(made['answers'])} probes right, lowest score {worst:.3f}"
    )


def check_answers(answers: dict[str, dict[str, Any]]) -> None:
    """Check what the model answered to its probes: {text: {"label", "score"}}.

    Raises:
        LabError: a probe is missing, has the wrong label or too low a score.
    """
    for text, label in model_training.PROBES.items():
        answer = answers.get(text, {"label": "nothing", "score": 0.0})
        if answer["label"] != label or answer["score"] < _LEAST_SCORE:
            raise LabError(
                f"the trained model says {answer['label']} ({answer['score']:.2f}) to {text!r}, "
                f"not {label} with at least {_LEAST_SCORE}"
            )


def _python() -> Path:
    for one in interpreters.discover():
        if one.minor == wheelhouse.PYTHON:
            return one.executable
    raise LabError(
        f"making the model needs Python {wheelhouse.PYTHON}, for which the wheelhouse is: install "
        "it with pyenv or uv, or the Debian package 'python3' of Debian 12"
    )


def _install(target: Path) -> None:
    answer = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-index",
            "--find-links", paths.wheels_dir(), "--target", target, "--only-binary=:all:",
            "--python-version", wheelhouse.PYTHON, "--implementation", "cp",
            "--constraint", wheelhouse.constraints_file(), "torch", "transformers", "numpy",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise LabError(f"pip could not install torch: {answer.stderr.strip()[-400:]}")


def _train(python: Path, libraries: Path, target: Path) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    environment |= {
        "PYTHONPATH": str(libraries),
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(libraries / "huggingface"),
    }
    answer = subprocess.run(
        [python, model_training.__file__, target],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise LabError(f"the training failed: {answer.stderr.strip()[-600:]}")
    made: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return made
