"""Parsing environment.yml, with PyYAML as the oracle for its YAML."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llmfleet.conda.plugins.module_utils._condarc.document import (
    Condarc,
    CondarcError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._environment.environment_file import (
    EnvironmentFile,
    EnvironmentFileError,
    parse_environment,
)

DOCUMENTED = """\
name: stats2   # not used
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.12   # or favourite
  - "numpy>=1.26,<2"
  - 'conda-forge::six[version=">=1.16"]'
  - nodejs=16.*
  - pip
  - pip:
    - Flask-Testing
    # a comment
    - torch==2.7.1 ; python_version < "3.13"
    - --extra-index-url=https://host/simple
prefix: /home/user/envs/stats2
variables:
"""

TEXTS = {
    "documented": DOCUMENTED,
    "deeper": "dependencies:\n    - a\n    -   pip:\n          - b\n          - c\n",
    "at the key": "dependencies:\n- a\n- pip:\n  - b\n- d\n",
    "pip at its key": "dependencies:\n- pip:\n  - b\n  - c\n- d\n",
    "pip in flow": "dependencies:\n  - a\n  - pip: [b, 'c>1']\n",
    "all flow": "dependencies: [a, {pip: [b]}]\nchannels: []\n",
    "two pip sections": "dependencies:\n  - pip:\n      - a\n  - pip:\n      - b\n",
    "empty pip section": "dependencies:\n  - pip:\n  - a\n",
    "nothing wanted": "dependencies:\n",
    "operators": "dependencies:\n  - a>=1\n  - b ==1.*\n  - c!=2|3\n  - d=1=*_0\n",
    "windows line ends": "dependencies:\r\n  - a\r\n  - pip:\r\n    - b\r\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_and_mapping_mean_the_same(name: str) -> None:
    loaded = yaml.safe_load(TEXTS[name])
    assert Condarc(TEXTS[name], nested=True).values == loaded
    assert parse_environment(TEXTS[name]) == parse_environment(loaded)


def test_documented_example() -> None:
    assert parse_environment(DOCUMENTED) == EnvironmentFile(
        packages=(
            "python=3.12",
            "numpy>=1.26,<2",
            'conda-forge::six[version=">=1.16"]',
            "nodejs=16.*",
            "pip",
        ),
        channels=("conda-forge",),
        pip_requirements=(
            "Flask-Testing",
            'torch==2.7.1 ; python_version < "3.13"',
            "--extra-index-url=https://host/simple",
        ),
    )


def test_several_sections_and_repeated_specs() -> None:
    found = parse_environment("dependencies: [a, a, {pip: [x]}, {pip: [y]}]\n")
    assert found == EnvironmentFile(("a",), (), ("x", "y"))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("channels: [lab]\n", "the key 'dependencies' is missing"),
        ("", "the key 'dependencies' is missing"),
        (3, "expected a mapping or the text"),
        (["six"], "expected a mapping or the text"),
        ("dependencies: six\n", "line 1: dependencies: expected a list"),
        ("channels: lab\ndependencies: []\n", "line 1: channels: expected a list"),
        ("dependencies:\n  - 3.12\n", "line 1: dependencies: 3.12 is not a string"),
        ("dependencies:\n  -\n", "line 1: dependencies: None is not a string"),
        ("dependencies:\n  - pip:\n    - 1\n", "the pip section: 1 is not a string"),
        ("dependencies:\n  - pip: six\n", "the pip section: expected a list"),
        ("dependencies:\n  - npm:\n    - x\n", "only 'pip' may be a section, not ['npm']"),
        ("dependencies: []\nvariables: [A]\n", "line 2: variables: expected a mapping"),
        ("dependencies: []\n\nplatforms: [x]\n", "line 3: the key 'platforms' is not supported"),
        ("dependencies: &x\n  - six\n", "line 1: "),
        ("dependencies:\n  - six\n  - *x\n", "line 3: "),
        ("dependencies:\n  - six\n    >=1\n", "line 3: "),
        ("dependencies:\n  - pip:\n    - six\n   - tqdm\n", "line 4: "),
        ("dependencies:\n  - - six\n", "line 2: "),
        ("dependencies:\n  - six\n- tqdm\n", "line 3: "),
        ("dependencies:\n\t- six\n", "line 2: "),
        ("dependencies: []\ndependencies: []\n", "line 2: the key dependencies occurs twice"),
    ],
)
def test_refused(declared: Any, said: str) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        parse_environment(declared)
    assert said in str(caught.value)


def test_a_condarc_is_read_as_before() -> None:
    with pytest.raises(CondarcError):
        Condarc("channels:\n  - pip:\n    - six\n")


ITEMS = st.one_of(
    st.sampled_from(["python=3.12", "numpy>=1,<2", "a b", "x: y", "it's", "#no", "a #b", "1", ""]),
    st.builds(
        lambda names: {"pip": names}, st.lists(st.sampled_from(["torch", "a==1"]), min_size=1)
    ),
)


@given(st.lists(ITEMS, max_size=5), st.booleans(), st.integers(0, 4))
def test_output_of_pyyaml_is_parsed(items: list[Any], flow: bool, indent: int) -> None:
    text = yaml.safe_dump(
        {"name": "x", "dependencies": items},
        default_flow_style=None if flow else False,
        indent=indent,
        width=9999,
    )
    assert Condarc(text, nested=True).values == yaml.safe_load(text)


@given(st.text(st.sampled_from("ab:-# \n[]{}'\",1"), max_size=30))
def test_parsed_values_equal_those_of_pyyaml(text: str) -> None:
    text = f"dependencies:\n{text}"
    try:
        found = Condarc(text, nested=True).values
    except CondarcError:
        return
    assert found == yaml.load(text, Loader=yaml.BaseLoader) or found == yaml.safe_load(text)
