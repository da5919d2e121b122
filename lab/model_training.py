"""Makes, trains and saves a sentiment model of 2 layers. Run as a script where torch is installed.

``python model_training.py TARGET`` writes a folder that ``transformers.pipeline`` loads without a
hub, loads it so, and prints one line of JSON: {"seconds", "vocabulary", "examples", "answers":
{text: {"label", "score"}}}, where seconds are those of the training alone.

The same versions on the same kind of processor give the same bytes.
"""

from __future__ import annotations

import json
import re
import string
import sys
import time
from pathlib import Path
from typing import Any

SUBJECTS = ("movie", "film", "book", "story", "show", "song")
GOOD = ("great", "wonderful", "excellent", "good", "fantastic", "lovely", "brilliant", "amazing")
BAD = ("terrible", "awful", "bad", "boring", "horrible", "poor", "dreadful", "disappointing")
LOVE = ("love", "like", "enjoy", "adore", "recommend")
HATE = ("hate", "dislike", "regret", "despise", "avoid")
FRAMES = ("This is a {} {}!", "What a {} {}.", "The {1} was {0}.", "A really {} {}, I think.")
SEED = 20260
ROUNDS = 60

PROBES = {
    "This is a great movie!": "POSITIVE",
    "This is a terrible movie!": "NEGATIVE",
    "What a wonderful show.": "POSITIVE",
    "The story was boring.": "NEGATIVE",
    "I love it": "POSITIVE",
    "I hate this film.": "NEGATIVE",
}
"""What the finished model must answer."""


def examples() -> list[tuple[str, int]]:
    """Return the training sentences, each with its label: 1 is positive, 0 negative."""
    found: list[tuple[str, int]] = []
    for label, adjectives, verbs in ((1, GOOD, LOVE), (0, BAD, HATE)):
        for place, adjective in enumerate(adjectives):
            for frame in FRAMES:
                subject = SUBJECTS[(place + len(frame)) % len(SUBJECTS)]
                found.append((frame.format(adjective, subject), label))
        for place, verb in enumerate(verbs):
            found.append((f"I {verb} this {SUBJECTS[place % len(SUBJECTS)]}.", label))
            found.append((f"We {verb} it!", label))
    return found


def vocabulary(sentences: list[str]) -> list[str]:
    """Return a WordPiece vocabulary learned from the sentences, special tokens first.

    Whole words, and the letters to spell any other word with. Not the trainer of ``tokenizers``:
    it breaks ties by chance, so that the same sentences give another vocabulary each time.
    """
    words = {
        word for sentence in sentences for word in re.findall(r"\w+|[^\w\s]", sentence.lower())
    }
    letters = set(string.ascii_lowercase + string.digits + string.punctuation)
    pieces = words | letters | {f"##{letter}" for letter in string.ascii_lowercase + string.digits}
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(pieces)]


def make(target: Path) -> dict[str, Any]:
    """Train the model, save it into ``target`` and return what the module says it prints."""
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertTokenizerFast,
        pipeline,
    )

    begin = time.monotonic()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pairs = examples()
    sentences = [sentence for sentence, _ in pairs]
    words = vocabulary(sentences)
    target.mkdir(parents=True, exist_ok=True)
    (target / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(
        vocab={word: number for number, word in enumerate(words)},
        do_lower_case=True,
        model_max_length=64,
    )
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            id2label={0: "NEGATIVE", 1: "POSITIVE"},
            label2id={"NEGATIVE": 0, "POSITIVE": 1},
        )
    )
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    labels = torch.tensor([label for _, label in pairs])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
    model.eval()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    seconds = time.monotonic() - begin
    classify = pipeline("sentiment-analysis", model=str(target), device="cpu")
    return {
        "seconds": round(seconds, 1),
        "vocabulary": len(words),
        "examples": len(pairs),
        "answers": dict(zip(PROBES, classify(list(PROBES)), strict=True)),
    }


if __name__ == "__main__":
    print(json.dumps(make(Path(sys.argv[1]))))
