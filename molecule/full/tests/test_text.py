"""Texts and pictures in the environment llm: no corpus is downloaded, no display is there."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

testinfra_hosts = ["docker://full-debian12"]

NLTK = """
import json
from nltk import FreqDist, NaiveBayesClassifier
from nltk.stem import PorterStemmer
from nltk.tokenize import TreebankWordTokenizer
words = TreebankWordTokenizer().tokenize
stem = PorterStemmer().stem
features = lambda text: {stem(word.lower()): True for word in words(text)}
taught = [
    ("The pods were restarted twice", "fleet"), ("This host restarts every night", "fleet"),
    ("The actors played well", "film"), ("A film with a great actor", "film"),
]
judge = NaiveBayesClassifier.train([(features(text), label) for text, label in taught])
print(json.dumps({
    "words": words("It's slow, and they didn't see it."),
    "stems": [stem(word) for word in ("running", "restarts", "restarted", "caresses")],
    "most": FreqDist(words("a host is a host is a host is a")).most_common(1),
    "labels": [judge.classify(features(text)) for text in ("Restarting hosts", "Great acting actors")],
}))
"""

CLASSIFY = """
import json
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
texts = [
    "disk full on the host", "the driver of the gpu is too old", "no route to the mirror",
    "the soup needs salt", "bake the bread for an hour", "cut the onions fine",
]
model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["ops"] * 3 + ["kitchen"] * 3)
asked = ["the gpu host has no disk", "salt the bread and onions"]
print(json.dumps([list(model.predict(asked)), model.predict_proba(asked).sum(axis=1).round(6).tolist()]))
"""

PLOT = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(3, 2), dpi=100)
axes.plot([0, 1, 2], [0, 1, 4], color="red")
figure.savefig("plot.png")
"""


def test_nltk_reads_a_text(ada: Any) -> None:
    seen = json.loads(ada.python(NLTK))
    assert seen["words"] == ["It", "'s", "slow", ",", "and", "they", "did", "n't", "see", "it", "."]
    assert seen["stems"] == ["run", "restart", "restart", "caress"]
    assert seen["most"] == [["a", 4]]
    assert seen["labels"] == ["fleet", "film"]


def test_scikit_learn_classifies_a_text(ada: Any) -> None:
    labels, sums = json.loads(ada.python(CLASSIFY))
    assert labels == ["ops", "kitchen"]
    assert sums == [1.0, 1.0]


def test_matplotlib_writes_a_png(ada: Any, host: Any) -> None:
    ada.python(PLOT)
    picture = host.file("/home/ada/plot.png")
    assert picture.user == "ada"
    said = host.run("base64 -w 0 /home/ada/plot.png").stdout
    width, height, pixels = decoded(base64.b64decode(said))
    assert (width, height) == (300, 200)
    red, white = bytes([255, 0, 0, 255]), bytes([255] * 4)
    assert 100 < pixels.count(red) < pixels.count(white)


def decoded(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the RGBA pixels of a PNG of 8 bits a channel.

    Signature, chunks, checksums and filters are those of the PNG specification (ISO/IEC 15948).
    """
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    data, at, header = b"", 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        header = body if kind == b"IHDR" else header
        data += body if kind == b"IDAT" else b""
        at += 12 + length
    assert kind == b"IEND"
    width, height, *rest = struct.unpack(">IIBBBBB", header)
    assert rest == [8, 6, 0, 0, 0], "no plain RGBA picture"
    raw, row, pixels = zlib.decompress(data), 4 * width, []
    above = bytes(row)
    for top in range(0, len(raw), row + 1):
        above = unfiltered(raw[top], raw[top + 1 : top + 1 + row], above)
        pixels += [above[left : left + 4] for left in range(0, row, 4)]
    assert len(pixels) == width * height
    return width, height, pixels


def unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    """A line of a PNG as it was before its filter."""
    found = bytearray(line)
    for index in range(len(found)):
        left = found[index - 4] if index >= 4 else 0
        up, corner = above[index], above[index - 4] if index >= 4 else 0
        nearest = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
        found[index] = (found[index] + (0, left, up, (left + up) // 2, nearest)[kind]) % 256
    return bytes(found)
