"""Our answers about versions and specs beside an oracle's, counted one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    CondaVersion,
    InvalidSpecError,
    UnsupportedSpecError,
    VersionSpec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    MatchSpec,
    parse_match_spec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.record import PackageRecord
from tests.differential.oracle import Oracle

T = TypeVar("T")

_FIELDS = ("name", "version", "build", "build_number", "channel", "subdir", "md5", "sha256")


@dataclass(frozen=True)
class Cases:
    """What is asked about.

    Attributes:
        pairs: versions to put in order.
        version_specs: conditions on ``versions``.
        specs: match specs; each is tried on all of ``records`` up to ``always`` and on some of the others.
    """

    pairs: Sequence[tuple[str, str]]
    version_specs: Sequence[str]
    versions: Sequence[str]
    specs: Sequence[str]
    records: Sequence[dict[str, Any]]
    always: int

    def tried_on(self, place: int) -> list[int]:
        """The places of the records that the spec at ``place`` is tried on."""
        some = range(self.always, len(self.records))
        more = [some[(place * 7 + step) % len(some)] for step in range(12)] if some else []
        return [*range(self.always), *more]


@dataclass(frozen=True)
class Difference:
    """One answer of ours that is not the oracle's.

    Attributes:
        kind: ``order``, ``parsing``, ``canonical text`` or ``matching``.
        text: the version or spec.
        other: what it was compared with: a version, a record, our canonical text, or nothing.
        ours, theirs: the answers; None stands for a refusal.
    """

    kind: str
    text: str
    other: str
    ours: Any
    theirs: Any


@dataclass
class Tally:
    """What was compared with one oracle.

    Attributes:
        same: comparisons without a difference, by kind.
        different: the others.
        left: specs that we leave to conda, so that there is nothing to compare.
    """

    same: Counter[str] = field(default_factory=Counter)
    different: list[Difference] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def compare(self, kind: str, text: str, other: str, ours: Any, theirs: Any) -> None:
        """Count one comparison."""
        if ours == theirs:
            self.same[kind] += 1
        else:
            self.different.append(Difference(kind, text, other, ours, theirs))

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(self.same.items()))
        return f"{self.same.total()} alike ({kinds}), {len(self.different)} different"


@dataclass(frozen=True)
class Reading:
    """How we read a text: what it means, or the message of our refusal, or that it is left to conda."""

    parsed: Any = None
    message: str = ""
    left: bool = False


def read(parser: Callable[[str], Any], text: str) -> Reading:
    """Let ``parser`` read ``text``."""
    try:
        return Reading(parsed=parser(text))
    except InvalidSpecError as error:
        return Reading(message=str(error))
    except UnsupportedSpecError as error:
        return Reading(message=str(error), left=True)


def our_order(left: str, right: str) -> int | None:
    """-1, 0 or 1 for an older, an equal and a newer ``left``; None where one is no version."""
    first, second = read(CondaVersion, left).parsed, read(CondaVersion, right).parsed
    if first is None or second is None:
        return None
    return -1 if first < second else int(first > second)


def our_fields(spec: MatchSpec) -> dict[str, str]:
    """The fields that the spec names, as text."""
    found = {name: getattr(spec, name) for name in _FIELDS}
    return {name: str(value) for name, value in found.items() if value is not None}


def our_records(cases: Cases) -> list[PackageRecord]:
    """The records as our code has them."""
    return [PackageRecord(**record) for record in cases.records]


def _label(record: PackageRecord) -> str:
    return f"{record.label} {record.build_number} {record.subdir}"


def orders(oracle: Oracle, cases: Cases, tally: Tally) -> None:
    """Compare the order of all pairs."""
    answers = oracle.ask([("order", *pair) for pair in cases.pairs])
    for (left, right), answer in zip(cases.pairs, answers, strict=True):
        tally.compare("order", left, right, our_order(left, right), answer.get("ok"))


def version_specs_with_conda(oracle: Oracle, cases: Cases, tally: Tally) -> None:
    """Compare acceptance, text and matching of the version specs."""
    # The last is newer than all: conda looks at a series (~=) only where the version is new enough.
    versions = [*cases.versions, "9999!9"]
    answers = oracle.ask([("version", spec, versions) for spec in cases.version_specs])
    for text, answer in zip(cases.version_specs, answers, strict=True):
        reading, theirs = read(VersionSpec, text), answer.get("ok")
        if reading.left:
            tally.left.append(text)
            continue
        tally.compare("parsing", text, "", reading.parsed is not None, theirs is not None)
        if reading.parsed is None or theirs is None:
            continue
        tally.compare("canonical text", text, "", str(reading.parsed), theirs["text"])
        for version, match in zip(versions, theirs["matches"], strict=True):
            tally.compare("matching", text, version, reading.parsed.matches(version), match)


def specs_with_conda(oracle: Oracle, cases: Cases, tally: Tally) -> None:
    """Compare fields, canonical text and matching of the match specs."""
    records = our_records(cases)
    newest = dict(cases.records[0], version="9999!9")
    oracle.ask([("remember", [*cases.records, newest])])
    questions = [
        ("spec", text, [*cases.tried_on(place), len(records)])
        for place, text in enumerate(cases.specs)
    ]
    records.append(PackageRecord(**newest))
    for (_kind, text, tried), answer in zip(questions, oracle.ask(questions), strict=True):
        reading, theirs = read(parse_match_spec, text), answer.get("ok")
        if reading.left:
            tally.left.append(text)
            continue
        spec = reading.parsed
        fields = our_fields(spec) if spec else None
        tally.compare("parsing", text, "", fields, theirs["fields"] if theirs else None)
        if spec is None or theirs is None:
            continue
        tally.compare("canonical text", text, "", spec.canonical, theirs["canonical"])
        for index, match in zip(tried, theirs["matches"], strict=True):
            record = records[index]
            tally.compare("matching", text, _label(record), spec.matches(record), match)


def version_specs_with_rattler(oracle: Oracle, cases: Cases, tally: Tally) -> None:
    """Compare matching of the version specs, and what rattler makes of the spec and of our text of it."""
    readings = {text: read(VersionSpec, text) for text in cases.version_specs}
    decided = [text for text, reading in readings.items() if not reading.left]
    answers = oracle.ask([("version", text, cases.versions) for text in decided])
    forms = oracle.ask([("version", str(readings[text].parsed), []) for text in decided])
    for text, answer, form in zip(decided, answers, forms, strict=True):
        spec, theirs = readings[text].parsed, answer.get("ok")
        tally.compare("parsing", text, "", spec is not None, theirs is not None)
        if spec is None or theirs is None:
            continue
        ours = form["ok"]["text"] if "ok" in form else None
        tally.compare("canonical text", text, str(spec), ours, theirs["text"])
        for version, match in zip(cases.versions, theirs["matches"], strict=True):
            tally.compare("matching", text, version, spec.matches(version), match)


def specs_with_rattler(oracle: Oracle, cases: Cases, tally: Tally) -> None:
    """Compare fields and matching of the match specs, and what rattler makes of our canonical text.

    rattler compares a record's channel and platform elsewhere than in ``matches``, so there these two are
    left out; they are compared as fields.
    """
    records = our_records(cases)
    oracle.ask([("remember", list(cases.records))])
    readings = [read(parse_match_spec, text) for text in cases.specs]
    decided = [
        (place, text, reading.parsed)
        for place, (text, reading) in enumerate(zip(cases.specs, readings, strict=True))
        if not reading.left
    ]
    answers = oracle.ask([("spec", text, cases.tried_on(place)) for place, text, _spec in decided])
    versions = oracle.ask(
        [("version", str(spec.version) if spec else "", []) for _place, _text, spec in decided]
    )
    forms = oracle.ask(
        [("form", spec.canonical if spec else "") for _place, _text, spec in decided]
    )
    for (place, text, spec), answer, version, form in zip(
        decided, answers, versions, forms, strict=True
    ):
        theirs = answer.get("ok")
        ours = our_fields(spec) if spec else None
        if ours and "version" in ours:
            # rattler writes versions and numbers in its own way: it is given our version as well.
            ours["version"] = version["ok"]["text"] if "ok" in version else None
        if ours and ours.get("build_number", "").isdigit():
            ours["build_number"] = f"=={ours['build_number']}"
        tally.compare("parsing", text, "", ours, theirs["fields"] if theirs else None)
        if spec is None or theirs is None:
            continue
        tally.compare("canonical text", text, spec.canonical, form.get("ok"), theirs["canonical"])
        anywhere = replace(spec, channel=None, subdir=None)
        for index, match in zip(cases.tried_on(place), theirs["matches"], strict=True):
            record = records[index]
            tally.compare("matching", text, _label(record), anywhere.matches(record), match)
