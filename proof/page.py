"""The figures as one HTML page that needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from proof.figures import figure, grouped

Figure = Mapping[str, Any]

_UNITS = {"s": "seconds", "times": "ratios"}
_KEPT = {
    None: "",
    True: '<span class="kept">kept</span>',
    False: '<span class="missed">missed</span>',
}

STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --text: #1c1d1f; --dim: #63666b; --line: #dcdcd8;
  --track: #efefec; --bar: #98a2b0; --ours: #2f6fb3; --dot: #1c1d1f; --good: #1d7a46; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #17181a; --text: #e8e8e6; --dim: #a2a5aa;
  --line: #36383c; --track: #232528; --bar: #69727f; --ours: #5b9be0; --dot: #f4f4f2; --good: #5cc48a;
  --bad: #f2877f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 56rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: .25rem 0; }
.dim, .note, th { color: var(--dim); }
.note { font-size: .85rem; }
.kept { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
.row { margin: .5rem 0 .7rem; }
.label { display: flex; justify-content: space-between; gap: 1rem; font-size: .9rem; }
.value { white-space: nowrap; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: 14px; }
.track { fill: var(--track); } .bar { fill: var(--bar); } .ours { fill: var(--ours); }
.dot { fill: var(--dot); fill-opacity: .75; stroke: var(--page); }
.target { stroke: var(--bad); stroke-width: 2; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
.target-text { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
nav a { margin-right: .9rem; white-space: nowrap; }
a { color: var(--ours); }
@media (max-width: 34rem) { thead { display: none; }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .4rem 0; }
  td { border: 0; padding: 0 .75rem 0 0; } td:first-child { display: block; }
  td + td { display: inline-block; } td.number { text-align: left; } }
"""


def charts(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """The figures of one group that can be compared: by unit, where there are two and one is above 0."""
    units: dict[str, list[Figure]] = {}
    for one in figures:
        units.setdefault(one["unit"], []).append(one)
    return {
        unit: some
        for unit, some in units.items()
        if len(some) > 1 and any(one["value"] > 0 for one in some)
    }


def render(content: Mapping[str, Any], sentences: Mapping[str, str] | None = None) -> str:
    """The page of a result file's content.

    sentences: what a group measures, by the group's name.
    """
    groups = grouped(content["results"])
    held = [one for one in content["results"] if one["met"] is not None]
    missed = [one for one in held if not one["met"]]
    said = "" if not missed else f' <span class="missed">{len(missed)} missed.</span>'
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>llmfleet.conda: measurements</title><style>{STYLE}</style></head><body>",
        "<h1>llmfleet.conda: measurements</h1>",
        f'<p class="dim">{escape(content["machine"])}<br>{escape(content["date"])}</p>',
        f"<p>{len(held) - len(missed)} of {len(held)} targets kept.{said}</p>",
        *(f'<p class="missed">{escape(_told(one))}</p>' for one in missed),
        "<nav>",
        *(f'<a href="#{escape(name)}">{escape(_words(name))}</a>' for name in groups),
        "</nav>",
        '<p class="note">A bar is the median of the samples, a dot one sample, a red line the target.</p>',
    ]
    for name, figures in groups.items():
        parts += _group(name, figures, (sentences or {}).get(name, ""))
    return "\n".join([*parts, "</body></html>"]) + "\n"


def write(
    path: Path, content: Mapping[str, Any], sentences: Mapping[str, str] | None = None
) -> Path:
    """Write the page beside a result file and return where."""
    page = path.with_suffix(".html")
    page.write_text(render(content, sentences), encoding="utf-8")
    return page


def _told(one: Figure) -> str:
    amount = f"{figure(one['value'])} {one['unit']}"
    return f"{one['name']}: {amount}, target: {one['target']}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _inner(name: str) -> str:
    """A figure's name without that of its group."""
    return _words(name.partition(".")[2] or name).replace(".", ", ")


def _group(name: str, figures: Sequence[Figure], sentence: str) -> list[str]:
    lines = [f'<section id="{escape(name)}"><h2>{escape(_words(name))}</h2>']
    if sentence:
        lines.append(f"<p>{escape(sentence)}</p>")
    for unit, some in charts(figures).items():
        lines.append(f"<h3>{escape(_UNITS.get(unit, unit))}</h3>")
        # Room behind the longest bar, so that a dot or a target at its end is whole.
        most = 1.02 * max(max([one["value"], *one["samples"]]) for one in some)
        lines += [_row(one, most) for one in some]
    lines += [
        '<div class="wide"><table><thead><tr><th>figure</th><th class="number">value</th>'
        "<th>target</th><th></th></tr></thead><tbody>",
        *map(_line, figures),
        "</tbody></table></div></section>",
    ]
    return lines


def _line(one: Figure) -> str:
    said = " ".join(text for text in (_spread(one), one.get("note") or "") if text)
    note = f'<div class="note">{escape(said)}</div>' if said else ""
    return (
        f"<tr><td>{escape(_inner(one['name']))}{note}</td>"
        f'<td class="number">{_amount(one)}</td>'
        f'<td class="target-text">{escape(one["target"] or "")}</td><td>{_KEPT[one["met"]]}</td></tr>'
    )


def _spread(one: Figure) -> str:
    samples = one["samples"]
    if len(samples) < 2 or min(samples) == max(samples):
        return ""
    return f"{len(samples)} samples, {figure(min(samples))} to {figure(max(samples))}."


def _amount(one: Figure) -> str:
    return f"{figure(one['value'])} {escape(one['unit'])}"


def _row(one: Figure, most: float) -> str:
    """A bar with its samples; positions are shares of the row, so that it fits every screen."""
    colour = "ours" if "ours" in one["name"].split(".") else "bar"
    marks = [
        '<rect class="track" width="100%" height="14" rx="2"/>',
        f'<rect class="{colour}" width="{_share(one["value"], most)}" height="14" rx="2"/>',
    ]
    bound = _bound(one)
    if bound is not None and 0 <= bound <= most:
        at = _share(bound, most)
        marks.append(f'<line class="target" x1="{at}" x2="{at}" y1="0" y2="14"/>')
    if len(one["samples"]) > 1:
        marks += [
            f'<circle class="dot" cx="{_share(sample, most)}" cy="7" r="3"/>'
            for sample in one["samples"]
        ]
    label = f"{escape(_inner(one['name']))}: {_amount(one)}"
    return (
        f'<div class="row"><div class="label"><span>{escape(_inner(one["name"]))}</span>'
        f'<span class="value">{_amount(one)}</span></div>'
        f'<svg role="img" aria-label="{label}">{"".join(marks)}</svg></div>'
    )


def _share(value: float, most: float) -> str:
    return f"{100 * max(value, 0) / most:.2f}%"


def _bound(one: Figure) -> float | None:
    """The number in a target, such as ``at most 1.2``."""
    if not one["target"]:
        return None
    try:
        return float(one["target"].split()[-1].replace(",", ""))
    except ValueError:
        return None
