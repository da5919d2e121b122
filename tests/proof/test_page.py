"""The page of the figures: whole in one file, and true to them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from proof import page
from proof.figures import Result, at_least, at_most, document, exactly, median, ratio

FIGURES = [
    median("noop.small.ours", [3.0, 2.0, 4.0], "s"),
    median("noop.small.by_hand", [8.0, 6.0, 7.0], "s"),
    ratio("noop.times", [8.0], [4.0], at_least(2), "By <hand> & with guards."),
    Result("noop.module_runs", 7, "runs", at_most(6), [7], "One too many."),
    Result("many_hosts.changed", 0, "tasks", exactly(0)),
    Result("many_hosts.failed", 0, "tasks", exactly(0)),
]


class _Elements(HTMLParser):
    """All start tags, and which were left open."""

    VOID = frozenset({"meta", "br", "rect", "circle", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _page(results: list[Result]) -> str:
    return page.render(document(results), {"noop": "A converge that changes nothing"})


def _shares(text: str, tag: str, attribute: str) -> list[float]:
    return [
        float(str(attrs[attribute]).rstrip("%"))
        for name, attrs in _Elements(text).found
        if name == tag and attrs.get("class") != "track"
    ]


def test_it_asks_the_network_for_nothing_and_runs_nothing() -> None:
    text = _page(FIGURES)
    elements = _Elements(text)
    assert elements.open == []
    assert {tag for tag, _ in elements.found} & {"script", "link", "img", "iframe"} == set()
    assert not re.search(r"https?:|//|url\(|@import", text)
    assert all(
        attrs["href"][:1] == "#" for tag, attrs in elements.found if tag == "a" and attrs["href"]
    )


def test_every_figure_machine_and_date_are_on_it() -> None:
    content = document(FIGURES)
    text = page.render(content)
    assert content["machine"] in text
    assert content["date"] in text
    assert text.count("<tr>") == 2 + len(FIGURES)
    assert "3 of 4 targets kept" in text
    assert "1 missed" in text
    assert text.count('<span class="missed">missed</span>') == 1
    assert "noop.module_runs: 7 runs, target: at most 6" in text


def test_what_a_figure_says_is_text_and_never_markup() -> None:
    text = _page(FIGURES)
    assert "By &lt;hand&gt; &amp; with guards." in text
    assert "A converge that changes nothing" in text


def test_bars_are_in_proportion_and_dots_are_the_samples() -> None:
    text = _page(FIGURES[:2])
    ours, by_hand = _shares(text, "rect", "width")
    assert round(by_hand / ours, 2) == 2.33
    dots = _shares(text, "circle", "cx")
    assert [round(dot / ours * 3, 1) for dot in dots] == [3, 2, 4, 8, 6, 7]
    assert max(dots) <= 100


def test_a_target_is_drawn_where_it_lies() -> None:
    results = [Result("a.x", 6.0, "s", at_most(3)), Result("a.y", 1.0, "s", at_most(900))]
    text = _page(results)
    (target,) = _shares(text, "line", "x1")
    assert round(_shares(text, "rect", "width")[0] / target, 2) == 2


def test_only_what_can_be_compared_is_drawn() -> None:
    drawn = page.charts([one.as_dict() for one in FIGURES])
    assert {unit: [one["name"] for one in some] for unit, some in drawn.items()} == {
        "s": ["noop.small.ours", "noop.small.by_hand"]
    }


def test_no_figure_and_a_name_without_a_dot_make_a_page_too(tmp_path: Path) -> None:
    content: dict[str, Any] = document([])
    assert "0 of 0 targets kept" in page.write(tmp_path / "bench.json", content).read_text()
    assert (tmp_path / "bench.html").exists()
    assert '<section id="alone">' in _page([Result("alone", 1, "s")])
