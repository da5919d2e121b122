"""Two people share one cache of models and keep their tokens to themselves, by the hub's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

testinfra_hosts = ["docker://stack-debian12", "docker://stack-debian13"]

MODELS = "/srv/models"
# What people have to set who share files, see the role's README.
SHARING = "umask 002; conda activate llm; python -c "


@pytest.fixture(scope="module")
def hub(host: Any) -> Iterator[None]:
    """The stand-in hub, on the host's own address."""
    process = host.check_output("python3 /srv/hub.py 8899")
    yield
    assert host.run(f"kill {process}").rc == 0


def downloads(person: Any, name: str) -> str:
    """Where the hub's client puts a file of the model; it leads to the file itself."""
    code = (
        "from huggingface_hub import hf_hub_download;"
        f"print(hf_hub_download('lab/tiny-sentiment', '{name}'))"
    )
    path: str = person.types(f'{SHARING}"{code}"')
    return path


@pytest.mark.usefixtures("hub")
def test_two_people_fill_one_cache_and_read_each_other_s_files(
    host: Any, ada: Any, ben: Any
) -> None:
    hers, his = downloads(ada, "config.json"), downloads(ben, "vocab.txt")
    assert hers.startswith(f"{MODELS}/models--lab--tiny-sentiment/")
    # One copy of the model, begun by ada and continued by ben.
    assert hers.rpartition("/")[0] == his.rpartition("/")[0]
    owners = host.check_output(f"stat -L -c '%U %G' {hers} {his}").splitlines()
    assert owners == ["ada llm", "ben llm"]
    same = f"cmp {hers} /srv/llmfleet-lab/models/tiny-sentiment/config.json"
    assert host.run(f"su - ben -c '{same}'").rc == 0
    assert host.run(f"su - ada -c 'head -c 1 {his}'").stdout != ""
    assert downloads(ben, "config.json") == hers


def test_the_group_stays_however_deep(host: Any, ada: Any, ben: Any) -> None:
    ada.types(f"umask 002; mkdir -p {MODELS}/ours/deep; echo one > {MODELS}/ours/deep/notes")
    ben.types(f"umask 002; echo two >> {MODELS}/ours/deep/notes; touch {MODELS}/ours/deep/his")
    assert ada.types(f"cat {MODELS}/ours/deep/notes") == "one\ntwo"
    assert host.check_output(f"find {MODELS} -not -group llm") == ""
    assert host.check_output(f"find {MODELS} -type d -not -perm -2775") == ""


def test_others_may_read_and_not_write(host: Any, ada: Any) -> None:
    ada.types(f"umask 002; echo for all > {MODELS}/open")
    nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    assert host.check_output(f"{nobody} cat {MODELS}/open") == "for all"
    assert host.run(f"{nobody} touch {MODELS}/mine").rc != 0


@pytest.mark.usefixtures("hub")
def test_tokens_stay_in_each_home_and_are_private(host: Any, ada: Any, ben: Any) -> None:
    for person in (ada, ben):
        login = f"import huggingface_hub as hub; hub.login('hf_{person.name}')"
        person.types(f'{SHARING}"{login}"')
        # The hub is asked who this is, with the token that lies in the home.
        who = "import huggingface_hub as hub; print(hub.whoami()['name'])"
        assert person.types(f'{SHARING}"{who}"') == person.name
        token = host.file(f"/home/{person.name}/.cache/huggingface/token")
        assert (token.user, token.mode) == (person.name, 0o600)
        assert token.content_string.strip() == f"hf_{person.name}"
    assert host.run("su - ben -c 'cat /home/ada/.cache/huggingface/token'").rc != 0
    # Nor did one end up among the models, or in what everybody's activation sets.
    assert (
        host.run(f"grep -rl -e hf_ada -e hf_ben {MODELS} /opt/miniconda3/envs/llm/conda-meta").rc
        == 1
    )
