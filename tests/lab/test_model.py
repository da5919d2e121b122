"""The tiny sentiment model: what is written, and what is refused. That it answers is its build's
own last step, and `llm_check` asks it again in an environment of a host."""

from __future__ import annotations

import json

import pytest

from lab import build, interpreters, model, model_training, paths, wheelhouse
from lab.errors import LabError


@pytest.fixture(scope="module")
def folder():
    """The model in the cache."""
    build.build(["model"], print)
    return model.path()


def answers(**changes):
    """What a good model says, with changes by text."""
    good = {text: {"label": label, "score": 0.99} for text, label in model_training.PROBES.items()}
    return good | changes


def test_the_folder_holds_what_a_pipeline_loads(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert (config["num_hidden_layers"], config["hidden_size"]) == (2, 32)
    assert config["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}


def test_it_is_small_and_everybody_can_read_it(folder):
    files = list(folder.iterdir())
    assert sum(path.stat().st_size for path in files) < 300_000
    assert [path for path in files if path.stat().st_mode & 0o444 != 0o444] == []


def test_building_again_does_nothing(folder):
    assert build.build(["model"], print) == []


def test_the_sentences_are_balanced_and_differ():
    pairs = model_training.examples()
    assert len(pairs) == len(set(pairs)) >= 12
    assert sum(label for _, label in pairs) * 2 == len(pairs)


def test_the_probes_ask_for_both_labels():
    assert model_training.PROBES["This is a great movie!"] == "POSITIVE"
    assert set(model_training.PROBES.values()) == {"POSITIVE", "NEGATIVE"}


def test_the_vocabulary_is_stable_and_spells_any_word():
    sentences = ["A great movie!", "A bad one."]
    words = model_training.vocabulary(sentences)
    assert words == model_training.vocabulary(sentences[::-1])
    assert words[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(words) == len(set(words))
    assert {"great", "movie", "!", "z", "##z"} <= set(words)


def test_good_answers_pass():
    model.check_answers(answers())


@pytest.mark.parametrize(
    "answer", [{"label": "NEGATIVE", "score": 0.99}, {"label": "POSITIVE", "score": 0.6}]
)
def test_a_model_that_guesses_is_refused(answer):
    with pytest.raises(LabError, match="great movie"):
        model.check_answers(answers(**{"This is a great movie!": answer}))


def test_a_model_that_says_nothing_is_refused():
    with pytest.raises(LabError, match="nothing"):
        model.check_answers({})


def test_without_its_python_it_says_which(monkeypatch):
    monkeypatch.setattr(interpreters, "discover", tuple)
    with pytest.raises(LabError, match=r"needs Python 3\.11"):
        model.build(print)


def test_a_failed_training_publishes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMFLEET_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(wheelhouse, "is_current", lambda: True)
    monkeypatch.setattr(model, "_install", lambda target: None)
    with pytest.raises(LabError, match="the training failed"):
        model.build(print)
    assert not model.path().exists()
    assert list((paths.cache_dir() / "tmp").iterdir()) == []
