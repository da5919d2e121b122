"""A path is shown, also where its variable or one of its directories is named like a secret."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import redact
from ansible_collections.llmfleet.conda.plugins.module_utils._core.secrets import secrets_among


@pytest.mark.parametrize(
    "value",
    [
        {"variables": {"HF_TOKEN_PATH": "/srv/hf/token"}},
        {"environment": "variables:\n  HF_TOKEN_PATH: /srv/hf/token\n"},
        {"environment": "variables:\n  HF_TOKEN_PATH: ~/hf/token\n"},
        {"text": "client_ssl_cert_key: /etc/ssl/key.pem"},
        {"variables": {"SSL_KEY": "certs/key.pem", "API_KEY_FILE": "$HOME/.config/api"}},
        {"variables": {"SSL_KEY": "../certs/key", "API_KEY_PATH": "${XDG_CONFIG_HOME}/api"}},
        {"variables": {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/gcp/service.json"}},
        {"SSH_AUTH_SOCK": "/tmp/ssh-x1y2z3/agent.17", "PWD": "/home/ada", "OLDPWD": "/srv/data"},
        {"credentials": {"cache": "~/.config/x"}},
        {"TLS_KEY": "/opt/tls/private key.pem", "CLIENT_KEY": "file:///home/ada/key"},
        {"settings": {"client_ssl_cert_key": "file:///etc/ssl/key"}},
    ],
)
def test_a_path_is_not_masked(value: dict[str, Any]) -> None:
    assert secrets_among(value) == set()


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ({"variables": {"HF_TOKEN": "hf_abcdefgh"}}, "hf_abcdefgh"),
        ({"variables": {"HF_TOKEN": "ab/cd+ef=="}}, "ab/cd+ef=="),
        ({"text": "HF_TOKEN: hf_abcdefgh"}, "hf_abcdefgh"),
        ({"variables": {"PASSWORD": "hunter.key"}}, "hunter.key"),
        # They look like paths, but nothing says that they are.
        ({"variables": {"HF_TOKEN": "/t/abcdefgh"}}, "/t/abcdefgh"),
        ({"variables": {"HF_TOKEN": "/opt/conda/token"}}, "/opt/conda/token"),
        ({"variables": {"PASSWORD": "/hunter2"}}, "/hunter2"),
        ({"variables": {"PASSWORD": "~/hunter2"}}, "~/hunter2"),
        ({"variables": {"DB_PWD": "./hunter2"}}, "./hunter2"),
        ({"variables": {"API_KEY": "file:hunter2"}}, "file:hunter2"),
        ({"variables": {"WANDB_API_KEY": "$ecret/hunter2"}}, "$ecret/hunter2"),
        ({"variables": {"ACCESS_KEY": "hunter/2.json"}}, "hunter/2.json"),
        ({"variables": {"SSL_KEY": "/x8Kd3/aB+c1Zq=="}}, "/x8Kd3/aB+c1Zq=="),
        ({"variables": {"SSL_KEY": "/x8Kd3/aBc1Zq"}}, "/x8Kd3/aBc1Zq"),
        ({"variables": {"TOKEN_FILE_PASSWORD": "/hunter2"}}, "/hunter2"),
        ({"credentials": {"user": "/hunter2"}}, "/hunter2"),
        ({"tokens": ["/hunter2"]}, "/hunter2"),
        ({"text": "PGPASSWORD: '/hunter2'"}, "/hunter2"),
        ({"text": "accessToken: /hunter2"}, "/hunter2"),
        ({"text": "export HF_TOKEN=/hunter2"}, "/hunter2"),
        ({"variables": {"INDEX": "https://u:pass%2Fword@h/x"}}, "pass%2Fword"),
    ],
)
def test_a_secret_still_is(value: dict[str, Any], secret: str) -> None:
    assert secret in secrets_among(value)


@pytest.mark.parametrize(
    "text",
    ["v1.2/t/wheels/x.whl", "build.d/t/foo.txt", "/srv/my.site/t/abc/x", "file:///srv/t/foo"],
)
def test_a_directory_named_t_is_shown(text: str) -> None:
    assert redact(f"cannot read {text}") == f"cannot read {text}"


@pytest.mark.parametrize(
    "host", ["conda.anaconda.org", "mirror.example.org:8443", "10.0.0.1", "10.0.0.1:80", "near:80"]
)
def test_a_token_behind_a_host_is_not(host: str) -> None:
    assert redact(f"cannot read {host}/t/abc12345/lab") == f"cannot read {host}/t/********/lab"
