"""A shared installation, as an ordinary user who logs in finds it."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["docker://install-debian12", "docker://install-debian13"]


def test_conda_is_on_the_path_of_a_login_shell(ada: Any) -> None:
    assert ada.types("conda --version") == "conda 24.7.1"
