"""Masking of credentials."""

from __future__ import annotations

import pytest

from ansible_collections.llmfleet.conda.plugins.module_utils._core.redact import (
    MASK,
    redact,
    redact_value,
    secrets_in,
)


@pytest.mark.parametrize(
    ("text", "masked", "secret"),
    [
        ("https://user:pass@host/x", f"https://{MASK}@host/x", "pass"),
        ("https://user:p%40ss@host/x", f"https://{MASK}@host/x", "p%40ss"),
        ("https://user:p@ss@host/x", f"https://{MASK}@host/x", "p@ss"),
        ("https://tokenonly@host/x", f"https://{MASK}@host/x", None),
        ("http://u:p@proxy:3128", f"http://{MASK}@proxy:3128", "p"),
        ("socks5://u:p@proxy", f"socks5://{MASK}@proxy", "p"),
        ("git+https://u:p@host/r.git", f"git+https://{MASK}@host/r.git", "p"),
        ("https://host/t/to-KEN_1/lab", f"https://host/t/{MASK}/lab", "to-KEN_1"),
        ("https://host/t/to-KEN_1", f"https://host/t/{MASK}", "to-KEN_1"),
        ("'https://host/t/abc'", f"'https://host/t/{MASK}'", "abc"),
        ("<https://host/t/abc/lab/noarch>", f"<https://host/t/{MASK}/lab/noarch>", "abc"),
        ("<https://host/t/abc>", f"<https://host/t/{MASK}>", "abc"),
        ("(https://host/t/abc)", f"(https://host/t/{MASK})", "abc"),
        ("https://host:8443/deep/er/t/abc/lab", f"https://host:8443/deep/er/t/{MASK}/lab", "abc"),
        ("https://u:p@host/t/abc/lab", f"https://{MASK}@host/t/{MASK}/lab", "abc"),
        ("conda.example.com/t/abc/lab", f"conda.example.com/t/{MASK}/lab", "abc"),
        ("conda.example.com:8080/t/abc", f"conda.example.com:8080/t/{MASK}", "abc"),
        ("https://host/x?token=abc&y=1", f"https://host/x?token={MASK}&y=1", "abc"),
        ("https://host/x?a=1&api_key=abc", f"https://host/x?a=1&api_key={MASK}", "abc"),
        ("https://host/x?sig=a%2Bb", f"https://host/x?sig={MASK}", "a%2Bb"),
        ("https://host/x?access_token=abc", f"https://host/x?access_token={MASK}", "abc"),
        ("https://host/x?X-Amz-Signature=abc", f"https://host/x?X-Amz-Signature={MASK}", "abc"),
        # As conda 24.7 writes them in its errors, and others who take addresses apart.
        ("'http//ada:pw1@host/lab'", f"'http//{MASK}@host/lab'", "pw1"),
        ("http//ada:pw@1@host/lab", f"http//{MASK}@host/lab", "pw@1"),
        ("https:/ada:pw1@host/lab", f"https:/{MASK}@host/lab", "pw1"),
        (r"https:\/\/ada:pw1@host\/lab", rf"https:\/\/{MASK}@host\/lab", "pw1"),
        ("https%3A%2F%2Fada%3Apw1%40host", f"https%3A%2F%2F{MASK}%40host", None),
        ("ada:pw1@proxy.example.com", f"{MASK}@proxy.example.com", "pw1"),
        ("ada:pw1@proxy:3128", f"{MASK}@proxy:3128", "pw1"),
        ("https//host/t/abc/lab", f"https//host/t/{MASK}/lab", "abc"),
        ("http:/host/t/abc/lab", f"http:/host/t/{MASK}/lab", "abc"),
        ("https://host//t//abc//lab", f"https://host//t//{MASK}//lab", "abc"),
        ("https://host/t/ab=c/lab", f"https://host/t/{MASK}/lab", "ab=c"),
        ("https%3A%2F%2Fh%2Ft%2Fabc%2Fx", f"https%3A%2F%2Fh%2Ft%2F{MASK}%2Fx", "abc"),
        ("mirror:8080/t/abc/lab", f"mirror:8080/t/{MASK}/lab", "abc"),
        ("exceeded with url: /t/abc/lab (", f"exceeded with url: /t/{MASK}/lab (", "abc"),
        ("url: /conda/t/abc/lab/noarch", f"url: /conda/t/{MASK}/lab/noarch", "abc"),
        ("GET /t/abc/lab HTTP/1.1", f"GET /t/{MASK}/lab HTTP/1.1", "abc"),
        ("lab/t/tk-abc/noarch", f"lab/t/{MASK}/noarch", "tk-abc"),
        ("https://host/x?X-Amz-Credential=a/b", f"https://host/x?X-Amz-Credential={MASK}", "a/b"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}", None),
        ("Authorization: token abc", f"Authorization: token {MASK}", None),
    ],
)
def test_credentials_are_masked(text: str, masked: str, secret: str | None) -> None:
    assert redact(text) == masked
    assert redact(f"before {text} after") == f"before {masked} after"
    if secret:
        assert secret in secrets_in(text)
        assert f":{secret}@" not in redact(text)
        assert len(secret) < 3 or secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain words",
        "https://host/conda/lab",
        "https://host:8080/x?y=1#z",
        "mail me@example.org",
        "numpy>=1.8",
        "https://host/tt/abc",
        "https://host/start/x",
        "user@host:/path",
        "https://host/a@b",
        "/opt/t/env",
        "file:///srv/t/abc/lab",
        "/srv/t/conda/envs/llm/bin/python",
        "the prefix /home/user.name/t/llm is there",
        "./x.y/t/abc",
        "the cache_url: x /t/abc",
        "see /t/miniconda3/envs/llm",
        "~/a.b/t/abc",
        "https://host/conda see /opt/t/env",
        "https://host/x?path=/t/abc",
        "at 10:30 mail ada@example.org",
        "git@host:team/repository",
        "lib/t/abc",
        "https://host/x?version=1&build=2",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text
    assert secrets_in(text) == set()


def test_several_in_one_text() -> None:
    text = "https://a:b@h1/t/c/x and http://d:e@h2/?password=f"
    assert redact(text) == f"https://{MASK}@h1/t/{MASK}/x and http://{MASK}@h2/?password={MASK}"
    assert secrets_in(text) == {"b", "c", "e", "f", "YTpi", "ZDpl"}


def test_masking_twice_changes_nothing() -> None:
    once = redact("https://a:b@h/t/c/x?token=d Authorization: Basic e")
    assert redact(once) == once
    assert secrets_in(once) == set()


def test_masks_nested_values() -> None:
    url = "https://u:p@h"
    value = {"a": [url, 1, None, True], url: {"b": (url,)}, "c": 1.5}
    masked = f"https://{MASK}@h"
    assert redact_value(value) == {
        "a": [masked, 1, None, True],
        masked: {"b": [masked]},
        "c": 1.5,
    }
    assert secrets_in(value) == {"p", "dTpw"}
    assert value["a"] == [url, 1, None, True]
    assert secrets_in({}) == set()
    assert secrets_in([]) == set()


def test_secrets_in_written_decoded_and_base64_form() -> None:
    assert secrets_in("http://ada:p%40ss@host/") == {
        "p%40ss", "p@ss", "YWRhOnBAc3M=", "YWRhOnAlNDBzcw=="
    }  # fmt: skip
    assert secrets_in("https://host/?token=a%2Bb") == {"a%2Bb", "a+b"}


def test_token_in_place_of_the_user_name() -> None:
    assert secrets_in("https://glpat-0123456789@host/x") == {"glpat-0123456789"}
    assert secrets_in("git+ssh://git@host/x") == set()


def test_token_quoted_in_condas_error_is_masked() -> None:
    said = "The token 'tk-123' given for the URL is invalid."
    assert redact(said) == f"The token '{MASK}' given for the URL is invalid."
    assert redact(redact(said)) == redact(said)
    assert redact("no token 'tis said") == "no token 'tis said"
