"""The environment tf: TensorFlow computes and Keras learns, in the versions that the role pins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

testinfra_hosts = ["docker://full-debian12"]

ROLE = Path(__file__).parents[3] / "roles" / "install_llm_stack"
# TensorFlow says a lot on stderr about the processor; what a test reads is on stdout.
QUIET = "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"

OPERATION = """
import json
import tensorflow as tf
product = tf.linalg.matmul(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([[5.0, 6.0], [7.0, 8.0]]))
x = tf.Variable(3.0)
with tf.GradientTape() as tape:
    y = x**3
print(json.dumps([product.numpy().tolist(), float(tape.gradient(y, x)), product.device]))
"""

KERAS = """
import json
import keras
import numpy as np
keras.utils.set_random_seed(0)
x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse")
losses = model.fit(x, 3 * x - 2, epochs=60, verbose=0).history["loss"]
weight, offset = (float(one.ravel()[0]) for one in model.get_weights())
print(json.dumps([keras.backend.backend(), losses[0], losses[-1], weight, offset]))
"""


def shipped_constraints() -> dict[str, str]:
    """Name -> version in the files that the role ships for the two profiles, read as text."""
    found = {}
    for profile in ("app", "tensorflow"):
        lines = (ROLE / "files" / "constraints" / f"{profile}.txt").read_text().splitlines()
        found.update(line.split("==") for line in lines if "==" in line)
    return found


def test_tensorflow_multiplies_and_differentiates(ada: Any) -> None:
    product, slope, device = json.loads(ada.python(QUIET + OPERATION, "tf").splitlines()[-1])
    assert product == [[19.0, 22.0], [43.0, 50.0]]
    assert slope == 27.0
    assert device.endswith("device:CPU:0")


def test_keras_learns_a_line(ada: Any) -> None:
    backend, first, last, weight, offset = json.loads(
        ada.python(QUIET + KERAS, "tf").splitlines()[-1]
    )
    assert backend == "tensorflow"
    assert last < first / 100
    assert (weight, offset) == pytest.approx((3, -2), abs=0.1)


def test_pip_installed_the_versions_of_the_shipped_constraints_and_nothing_else(ada: Any) -> None:
    """As conda lists them; what conda itself brought along is not pip's."""
    listed = json.loads(ada.types("conda list -n tf --json"))
    by_pip = {one["name"]: one["version"] for one in listed if one["channel"] == "pypi"}
    assert {"tensorflow", "keras", "fastapi", "flask", "gradio", "django"} <= set(by_pip)
    wanted = shipped_constraints()
    assert {name: wanted.get(name) for name in by_pip} == by_pip


@pytest.mark.parametrize(("environment", "python"), [("llm", "3.11"), ("tf", "3.12")])
def test_pip_finds_nothing_broken(ada: Any, environment: str, python: str) -> None:
    said = ada.types(f"conda activate {environment} && python -m pip check && python --version")
    assert "No broken requirements found" in said
    assert f"Python {python}." in said


def test_the_host_had_no_name_to_ask(host: Any) -> None:
    """So what is installed came from the lab's mirror, which is known to it by its address."""
    code = "import socket; socket.getaddrinfo('example.org', 443)"
    result = host.run(f'python3 -c "{code}"')
    assert result.rc != 0
    assert "gaierror" in result.stderr
