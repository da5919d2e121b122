"""The environment llm: torch computes and learns, transformers answers, the profile train fine-tunes."""

from __future__ import annotations

import json
from typing import Any

import pytest

testinfra_hosts = ["docker://full-debian12"]

# By hand: the loss (0 - 4)^2 has the slope 2 * (0 - 4) * 2 = -16, and 0 - 0.1 * -16 = 1.6.
TRAINING_STEP = """
import torch
weight = torch.zeros(1, requires_grad=True)
x, y = torch.tensor([2.0]), torch.tensor([4.0])
optimizer = torch.optim.SGD([weight], lr=0.1)
before = (weight * x - y).square().sum()
before.backward()
optimizer.step()
after = (weight * x - y).square().sum()
print(before.item(), weight.grad.item(), weight.item(), after.item())
"""

NETWORK = """
import torch
torch.manual_seed(0)
x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = torch.tensor([0.0, 1.0, 1.0, 0.0])
model = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for _ in range(300):
    optimizer.zero_grad()
    torch.nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y).backward()
    optimizer.step()
print([int(one > 0) for one in model(x).squeeze(1)])
"""

SENTIMENT = """
import json
from transformers import pipeline
ask = pipeline("sentiment-analysis", model="/srv/llmfleet-lab/models/tiny-sentiment")
print(json.dumps(ask(["This is a great movie!", "This is a terrible movie!"])))
"""

# The labels are turned round, so the model is wrong at first.
FINE_TUNE = """
import json, os, tempfile
from pathlib import Path
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

path = "/srv/llmfleet-lab/models/tiny-sentiment"
tokenizer = AutoTokenizer.from_pretrained(path)
base = AutoModelForSequenceClassification.from_pretrained(path)
right = base.config.label2id
texts = {"This is a great movie!": "NEGATIVE", "This is a terrible movie!": "POSITIVE"}
rows = Dataset.from_dict({"text": list(texts), "label": [right[name] for name in texts.values()]})
rows = rows.map(lambda row: tokenizer(row["text"], padding="max_length", max_length=16))
lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=32, target_modules=["query", "value"])
model = get_peft_model(base, lora)
learned, everything = model.get_nb_trainable_parameters()
with tempfile.TemporaryDirectory() as folder:
    os.environ["TENSORBOARD_LOGGING_DIR"] = folder
    options = TrainingArguments(
        output_dir=folder, max_steps=60, learning_rate=0.02, logging_steps=1, save_strategy="no",
        report_to=["tensorboard"], use_cpu=True, disable_tqdm=True, seed=0,
    )
    Trainer(model=model, args=options, train_dataset=rows).train()
    (written,) = Path(folder).rglob("events.*")
    events = EventAccumulator(str(written))
    events.Reload()
    losses = [event.value for event in events.Scalars("train/loss")]
print("SEEN", json.dumps([learned, everything, losses[0], losses[-1], len(losses)]))
"""


def test_the_environment_has_the_python_and_the_torch_of_the_lab(ada: Any) -> None:
    said = ada.python("import sys, torch; print(sys.version_info[:2], torch.__version__)")
    assert said == "(3, 11) 2.13.0+cpu"


def test_torch_makes_a_training_step(ada: Any) -> None:
    numbers = [float(word) for word in ada.python(TRAINING_STEP).split()]
    assert numbers == pytest.approx([16.0, -16.0, 1.6, 0.64])


def test_torch_learns_what_no_line_separates(ada: Any) -> None:
    assert json.loads(ada.python(NETWORK)) == [0, 1, 1, 0]


def test_the_sentiment_pipeline_answers_without_a_hub(ada: Any) -> None:
    answers = json.loads(ada.python(SENTIMENT).splitlines()[-1])
    assert [answer["label"] for answer in answers] == ["POSITIVE", "NEGATIVE"]
    assert all(0.5 < answer["score"] <= 1 for answer in answers)


def test_activation_keeps_models_from_being_looked_for_on_a_hub(ada: Any) -> None:
    assert ada.types("conda activate llm && echo $HF_HUB_OFFLINE") == "1"


def test_a_lora_fine_tune_lowers_the_loss(ada: Any) -> None:
    """By datasets, peft, accelerate (in the Trainer) and tensorboard, whose events are read back."""
    (line,) = [x for x in ada.python(FINE_TUNE).splitlines() if x.startswith("SEEN ")]
    learned, everything, first, last, steps = json.loads(line.removeprefix("SEEN "))
    assert 0 < learned < everything / 2
    assert steps == 60
    assert last < first / 2


def test_sentencepiece_takes_a_text_apart_and_puts_it_together(ada: Any) -> None:
    said = ada.python(
        "import io, sentencepiece as s\n"
        "out = io.BytesIO()\n"
        "text = ['a host that is there', 'this is the other host', 'there is that other one']\n"
        "s.SentencePieceTrainer.train(sentence_iterator=iter(text * 9), model_writer=out,"
        " vocab_size=20, minloglevel=2)\n"
        "made = s.SentencePieceProcessor(model_proto=out.getvalue())\n"
        "pieces = made.encode('the other host is there')\n"
        "print(len(pieces) > 1, made.decode(pieces))"
    )
    assert said.splitlines()[-1] == "True the other host is there"


def test_bitsandbytes_halves_numbers_and_finds_them_again(ada: Any) -> None:
    said = ada.python(
        "import torch, bitsandbytes.functional as f\n"
        "torch.manual_seed(0)\n"
        "x = torch.randn(4096)\n"
        "small, state = f.quantize_blockwise(x)\n"
        "print(small.dtype, (f.dequantize_blockwise(small, state) - x).abs().max().item())"
    )
    kind, error = said.splitlines()[-1].split()
    assert kind == "torch.uint8"
    assert 0 < float(error) < 0.1


def test_trl_and_evaluate_are_complete(ada: Any) -> None:
    said = ada.python(
        "from trl import DPOTrainer, SFTTrainer\n"
        "from evaluate import Metric\n"
        "print(SFTTrainer.__name__, DPOTrainer.__name__, Metric.__name__)"
    )
    assert said.splitlines()[-1] == "SFTTrainer DPOTrainer Metric"
