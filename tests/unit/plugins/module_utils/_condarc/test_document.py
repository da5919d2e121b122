"""The condarc reader and writer, with PyYAML as the oracle."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
    Condarc,
    CondarcError,
    merged,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.render import render

TEXTS = {
    "empty": "",
    "only comments": "# one\n\n   # two\n",
    "document start": "---\nchannels:\n  - lab\n",
    "documented example": """\
# channel locations
channels:
  - conda-forge   # first
  - defaults

allow_other_channels: False
channel_alias: https://conda.anaconda.org
proxy_servers:
  http: http://user:pass@corp.com:8080
  https: https://user:pass@corp.com:8080
envs_dirs: [/opt/envs, ~/envs]
pkgs_dirs:
- /opt/pkgs
- ~/pkgs
ssl_verify: /etc/ssl/certs/ca.pem
always_yes: yes
remote_max_retries: 5
remote_connect_timeout_secs: 9.15
""",
    "list at the indentation of its key": "channels:\n- a\n- b\nauto_update_conda: false\n",
    "deep list": "channels:\n      - a\n      - b\n",
    "flow list": "channels: [a, 'b c', \"d\", 1, true, null]\n",
    "flow list of one": "channels: [conda-forge]\n",
    "empty flow": "channels: []\nproxy_servers: {}\n",
    "flow mapping": "proxy_servers: {http: http://a, https: 'http://b:1'}\n",
    "flow of flow": "channel_settings: [{channel: lab, auth: x}, {channel: other}]\n",
    "items that are flow": "channel_settings:\n  - {channel: lab, auth: x}\n",
    "nested mapping of lists": "custom_multichannels:\n  mine:\n    - a\n    - b\n  yours: [c]\n",
    "nested list at the key's indentation": "custom_multichannels:\n  mine:\n  - a\n  - b\n  yours: [c]\n",
    "mapping in mapping": "a:\n  b:\n    c: 1\n    d: two\n  e: 3\n",
    "quotes": "a: 'it''s'\nb: \"q\\\"uo\\nte\"\nc: \"# no comment\"\nd: '# neither'\n",
    "hash inside a word": "a: b#c\nd: e #f\n",
    "colon inside a word": "a: http://x:1/y\nb: x:y\n",
    "quoted keys": "'a b': 1\n\"c\": 2\n",
    "null": "a:\nb: null\nc: ~\n",
    "numbers": "a: 1\nb: -2\nc: 3.5\nd: '4'\n",
    "things that look like numbers": "a: 1.2.3\nb: 24.7.1\nc: v1\n",
    "booleans": "a: true\nb: False\nc: yes\nd: NO\ne: on\nf: Off\n",
    "comments between": "channels:\n  # first\n  - a\n\n  # second\n  - b\n# after\nx: 1\n",
    "comment after a key": "channels: # these\n  - a\n",
    "blank lines": "\n\na: 1\n\n\nb: 2\n\n",
    "no newline at the end": "a: 1\nb:\n  - x",
    "windows line ends": "a: 1\r\nb:\r\n  - x\r\n",
    "trailing blanks": "a: 1   \nb:   \n  - x  \n",
    "apostrophe in a plain word": "a: it's\nb: 1\n",
    "apostrophe and a comment": "a: it's # isn't it\nb: 1\n",
    "dash in a value": "a: -x\nb: a - b\n",
    "item without a value": "a:\n  -\n  - x\n",
    "percent and tilde": "envs_dirs:\n  - ~/.conda/envs\n  - $HOME/envs\n",
    "environment variables": "channels:\n  - https://${USER}:${TOKEN}@host/t/abc\n",
    "infinity": "a: inf\nb: nan\nc: infinity\n",
    "dates": "a: 2024-01-01x\n",
    "star in a list": "pinned_packages:\n  - numpy=1.*\n  - python>=3.8\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_values_are_those_of_yaml(name: str) -> None:
    text = TEXTS[name]
    assert Condarc(text).values == (yaml.safe_load(text) or {})


@pytest.mark.parametrize("name", TEXTS)
def test_an_untouched_file_keeps_its_bytes(name: str) -> None:
    text = TEXTS[name]
    assert Condarc(text).text == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x 1\n", 1),
        ("a: 1\nb: *x\n", 2),
        ("a: |\n  text\n", 1),
        ("# c\na: >-\n  text\n", 2),
        ("a: !!str 1\n", 1),
        ("a: 1\n b: 2\n", 2),
        ("- a\n- b\n", 1),
        ("a: one\n  two\n", 2),
        ("a:\n  - x\n  y: 1\n", 3),
        ("a:\n  - x\n    - y\n", 3),
        ("a: [x,\n  y]\n", 1),
        ("a: {x: 1\n", 1),
        ("a: 'x\n", 1),
        ('a: "x\n', 1),
        ("a: [x, y]]\n", 1),
        ("a: b: c\n", 1),
        ("a:\n\t- x\n", 2),
        ("a: 1\na: 2\n", 2),
        ("a:\n  b: 1\n  b: 2\n", 3),
        ("just words\n", 1),
        ("{a: 1}\n", 1),
        ("? a\n: 1\n", 1),
        ("a:\n  - b: 1\n    c: 2\n", 2),
        ("<<: {a: 1}\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: x\n...\nb: 2\n", 3),
        ("a: 'x' y\n", 1),
        ("a: [x] y\n", 1),
        ("a: @x\n", 1),
        ("a: `x\n", 1),
        ("a: %x\n", 1),
    ],
)
def test_refusal_names_the_line(text: str, line: int) -> None:
    with pytest.raises(CondarcError, match=rf"^line {line}: "):
        Condarc(text)


def test_setting_a_key_leaves_every_other_byte_alone() -> None:
    text = TEXTS["documented example"]
    condarc = Condarc(text)
    condarc.set("channels", ["lab"])
    before, after = text.split("channels:\n", 1)
    rest = after.split("defaults\n", 1)[1]
    assert condarc.text == f"{before}channels:\n  - lab\n{rest}"


def test_removing_a_key_leaves_every_other_byte_alone() -> None:
    text = "# top\na: 1  # one\n\n# about b\nb:\n  - x\n  # inside\n  - y\n\n# about c\nc: 3\n"
    condarc = Condarc(text)
    condarc.remove("b")
    assert condarc.text == "# top\na: 1  # one\n\n# about b\n\n# about c\nc: 3\n"
    condarc.remove("no such key")
    assert condarc.values == {"a": 1, "c": 3}


def test_new_key_is_added_at_the_end() -> None:
    condarc = Condarc("# top\na: 1\n# end")
    condarc.set("b", {"x": ["z"]})
    assert condarc.text == "# top\na: 1\n# end\nb:\n  x:\n    - z\n"


def test_replaces_a_list_at_its_keys_indentation() -> None:
    condarc = Condarc("channels:\n- a\n- b\nx: 1\n")
    condarc.set("channels", ["c"])
    assert condarc.text == "channels:\n  - c\nx: 1\n"


def test_a_key_that_needs_quotes_can_be_replaced_and_removed() -> None:
    condarc = Condarc("'a b': 1\n")
    condarc.set("a b", 2)
    assert yaml.safe_load(condarc.text) == {"a b": 2}
    condarc.set("c: d #", 3)
    assert yaml.safe_load(condarc.text) == {"a b": 2, "c: d #": 3}
    condarc.remove("a b")
    assert condarc.values == {"c: d #": 3}


def test_windows_line_ends_are_kept_where_nothing_is_touched() -> None:
    condarc = Condarc("a: 1\r\nb: 2\r\n")
    condarc.set("c", 3)
    assert condarc.text.startswith("a: 1\r\nb: 2\r\n")
    assert yaml.safe_load(condarc.text) == {"a": 1, "b": 2, "c": 3}


AWKWARD = [
    "",
    " ",
    " x",
    "x ",
    "yes",
    "no",
    "null",
    "~",
    "true",
    "1",
    "1.5",
    "1e3",
    "0x10",
    "1_000",
    "017",
    "1:30",
    "2024-01-01",
    ".inf",
    ".nan",
    "inf",
    "-",
    "- x",
    "-x",
    "?",
    "? x",
    ":",
    "a: b",
    "a:",
    ":a",
    "#",
    "a #b",
    "a#b",
    "'",
    "it's",
    '"',
    "[",
    "]",
    "{}",
    "a,b",
    "a, b",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "---",
    "...",
    "=",
    "<<",
    "a\nb",
    "a\tb",
    "\u00e9",
    "\u2028",
    "\x85",
    "\U0001f40d",
    "\x00",
    "\x1b",
    "back\\slash",
    "https://user:pa#ss@host:8080/t/x",
    "~/envs",
    "$HOME/x",
    "numpy=1.*",
]

scalars = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(max_size=12),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
names = st.one_of(st.sampled_from(AWKWARD), st.from_regex(r"[a-z_]{1,12}", fullmatch=True))
values = st.one_of(
    scalars,
    st.lists(st.one_of(scalars, st.dictionaries(names, scalars, max_size=3)), max_size=4),
    st.dictionaries(names, st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3),
)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types: 1, 1.0 and true are three values."""
    if isinstance(left, dict) and isinstance(right, dict):
        return set(left) == set(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_strings_survive(text: str) -> None:
    condarc = Condarc("first: 1\n")
    wanted = {
        "key": text,
        "list": [text],
        text: text,
        "map": {text: text},
        "deep": [{text: [text]}],
    }
    for key, value in wanted.items():
        condarc.set(key, value)
    assert same(yaml.safe_load(condarc.text), {"first": 1, **wanted})
    assert same(Condarc(condarc.text).values, {"first": 1, **wanted})


@given(st.dictionaries(names, values, max_size=4))
def test_generated_settings_round_trip(wanted: dict[str, Any]) -> None:
    condarc = Condarc("# kept\n")
    for key, value in wanted.items():
        condarc.set(key, value)
    assert condarc.text.startswith("# kept\n")
    assert same(yaml.safe_load(condarc.text) or {}, wanted)
    assert same(Condarc(condarc.text).values, wanted)


plain_lines = st.lists(
    st.sampled_from(
        (
            "a: 1",
            "b:",
            "  - x",
            "  - y # z",
            "- w",
            "  c: d",
            "  e:",
            "    - f",
            "g: [h, 'i, j']",
            "k: {l: m, n: [o]}",
            "# p",
            "",
            "q: 'r''s'",
            't: "u\\tv"',
            "w: x's",
            "  y's: z",
            "'#': '#'",
            "aa: b #c",
            "bb: b#c",
            "cc: [a b, c: d]",
            "dd: {a, b}",
            "ee: [a, , b]",
            "ff: [a,]",
            "gg: 1.0",
            "hh: -",
            "ii: a:b",
            "jj: {a:b}",
            "kk: ''",
            "   ",
            "---",
            "oo: +1",
            "pp: 1.",
            "qq: .5",
            "rr: ==",
            "ss: [a, b] # c",
            "tt: {'a': 1, \"b\": 2}",
            "uu: [\"a]\", 'b#']",
        )
    ),
    max_size=7,
)


@given(plain_lines)
def test_generated_files_are_read_as_yaml_or_refused(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    try:
        condarc = Condarc(text)
    except CondarcError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith("line ")
        return
    assert condarc.text == text
    assert same(condarc.values, yaml.safe_load(text) or {})


@pytest.mark.parametrize(
    "text", ["017", "1_000", "1:30", "2024-05-06", "0x1f", "0o17", "1e3", ".inf"]
)
def test_forms_that_yaml_versions_read_differently_stay_text(text: str) -> None:
    condarc = Condarc(f"a: {text}\n")
    assert condarc.values == {"a": text}
    condarc.set("b", text)
    assert yaml.safe_load(condarc.text)["b"] == text


@pytest.mark.parametrize(
    ("present", "wanted", "result"),
    [
        (None, ["a"], ["a"]),
        (["a"], ["b", "a"], ["a", "b"]),
        (["a"], [], ["a"]),
        ({"http": "x"}, {"https": "y"}, {"http": "x", "https": "y"}),
        ({"http": "x"}, {"http": "y"}, {"http": "y"}),
        ("a", ["b"], ["b"]),
        (["a"], "b", "b"),
        (1, 2, 2),
    ],
)
def test_merging(present: Any, wanted: Any, result: Any) -> None:
    assert merged(present, wanted) == result


def test_renders_in_condas_style() -> None:
    assert render("channels", ["conda-forge", "lab"]) == "channels:\n  - conda-forge\n  - lab\n"
    assert render("always_yes", True) == "always_yes: true\n"
    assert render("channel_alias", "https://host/conda") == "channel_alias: https://host/conda\n"
    assert render("channels", []) == "channels: []\n"
