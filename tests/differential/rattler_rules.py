"""Where rattler and conda are known to differ; conda is the judge, and we are with conda.

Each rule is as narrow as it can be: a kind of comparison, a mark of the text, and what rattler says. A
difference from rattler that no rule explains fails the test, as does a rule that the tables could do without:
for each of its kinds they have a case that no other rule explains.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.comparison import Difference

Test = Callable[[Difference], bool]


@dataclass(frozen=True)
class Rule:
    """One class of differences.

    Attributes:
        name: what the texts have in common, and what rattler makes of them.
        kinds: the kinds of comparison it explains.
        holds: whether a difference is one of the class.
    """

    name: str
    kinds: tuple[str, ...]
    holds: Test

    def explains(self, difference: Difference) -> bool:
        """Whether the difference is one of the class, of a kind that the rule is about."""
        return difference.kind in self.kinds and self.holds(difference)


def _is_refusal(answer: object) -> bool:
    return answer is None or answer is False


def _refuses(difference: Difference) -> bool:
    """rattler refuses what conda and we take."""
    return (
        difference.kind != "matching"
        and _is_refusal(difference.theirs)
        and not _is_refusal(difference.ours)
    )


def _takes(difference: Difference) -> bool:
    """rattler takes what conda and we refuse."""
    return (
        difference.kind != "matching"
        and _is_refusal(difference.ours)
        and not _is_refusal(difference.theirs)
    )


def _both(difference: Difference) -> bool:
    """Both take it, and say different things."""
    return not (_refuses(difference) or _takes(difference))


def _text(pattern: str) -> Test:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda difference: compiled.search(difference.text) is not None


def _either(pattern: str) -> Test:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda difference: any(map(compiled.search, (difference.text, difference.other)))


def _other(pattern: str) -> Test:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda difference: compiled.search(difference.other) is not None


def _rule(name: str, kinds: str, *tests: Test) -> Rule:
    return Rule(
        name,
        tuple(kinds.split(", ")),
        lambda difference: all(test(difference) for test in tests),
    )


# The end of a version in a spec.
_END = r"(?=[,|)\s'\"=\[\]]|$)"

RULES = (
    # Versions.
    _rule("blanks around a version are refused", "order", _either(r"^\s|\s$"), _refuses),
    _rule("a star in a version is refused", "order", _either(r"\*"), _refuses),
    _rule(
        "a mark at the end of the local part is taken",
        "order",
        _either(r"\+.*[-_]\s*$"),
        _takes,
    ),
    _rule(
        "a mark behind a letter at the end is sorted otherwise",
        "order",
        _either(r"[a-z_][-_](\+|$)"),
        _both,
    ),
    # Version specs, alone and in match specs.
    _rule("blanks before a version spec are refused", "parsing", _text(r"^\s|=['\"]\s"), _refuses),
    _rule("'*' with a blank is refused", "parsing", _text(r"=['\"]\*\s"), _refuses),
    _rule("a comparison of texts (@) is refused", "parsing", _text(r"@"), _refuses),
    _rule(
        "a star within a version is refused",
        "parsing",
        _text(r"\*[^\s,|*()\]'\"=]|\*\*|[<>]\s*\*"),
        _refuses,
    ),
    _rule(
        "a star right behind a version that has an operator counts as '.*'",
        "matching, canonical text",
        _text(rf"[=<>!~]\s*[^\s,|()=*]*[^\s,|()=.*]\*{_END}"),
        _both,
    ),
    _rule(
        "'>' and '<=' with '.*' count the series",
        "matching",
        _text(rf"((?<![=!~])|(?<=version=))(>|<=)\s*[^\s,|()=]*\.\*{_END}"),
        _both,
    ),
    _rule(
        "a series (=, ~=, *) with a local part: conda wants the very release, rattler the local part",
        "matching",
        _text(r"(~=|(?<![=<>!])=)\s*[^\s,|=<>]*\+|\+[^\s,|]*\*"),
    ),
    _rule(
        "a series whose last part is 0: conda finds no missing 0 in a pre-release",
        "matching",
        _text(r"(?<![=<>!])=\s*[\d._!]*[._]0+\b|[._]0+\.?\*"),
        _either(r"\d\.?[a-z_]|^[a-z]\w*$"),
    ),
    _rule(
        "'~=' with '_': conda takes the series up to the last dot, rattler up to the last part",
        "matching",
        _text(r"~=[^,|\s]*[_-]"),
    ),
    _rule("'=*' in a list is a series that starts with '*'", "matching", _text(r"=\s*\*\s*[,|]")),
    _rule("'.*.*' counts as one '.*'", "matching", _text(r"\*\.\*"), _both),
    _rule(
        "'~=' with a version of one part, or with '.*', is taken",
        "parsing",
        _text(rf"~=\s*([^\s.,|()=]+{_END}|[^\s,|()=]*\.\*)"),
        _takes,
    ),
    _rule(
        "parentheses that the meaning needs are kept in the text",
        "canonical text, parsing",
        _text(r"\(.*\|.*\)\s*,|,\s*\(.*\|.*\)"),
        _both,
    ),
    _rule(
        "behind ',' or '|' and two blanks, or a blank and '=' or '*', conda finds no version, but a build",
        "parsing, matching, canonical text",
        _text(r"[,|]\s(\s|=(?!=)|\*)"),
    ),
    # Match specs.
    _rule("text after the brackets is refused", "parsing", _text(r"\][^\]]*[^\]\s]"), _refuses),
    _rule(
        "only commas may stand between pairs in brackets",
        "parsing, matching, canonical text",
        _text(r"\[.*[^,\s]\s+\w+=.*\]"),
    ),
    _rule("a comma at an end of the brackets is refused", "parsing", _text(r"\[,|,\]"), _refuses),
    _rule(
        "an operator behind '=' is refused", "parsing", _text(r"=\s*[<>!~]|[=<>!~]\s+="), _refuses
    ),
    _rule("an operator at the very end is refused", "parsing", _text(r"^\S*\w[=<>!~]$"), _refuses),
    _rule("'=' before the version's end is overlooked", "parsing", _text(r"^\S+=$"), _takes),
    _rule(
        "a build number is '*' or has a single '=', which is refused",
        "parsing",
        _text(r"build_number=['\"]?(\*|=\d)"),
        _refuses,
    ),
    _rule(
        "'=' behind a blank belongs to the build",
        "parsing, canonical text, matching",
        _text(r"\S\s+==?[*\w]+$"),
        _both,
    ),
    _rule(
        "an operator behind a blank begins the build",
        "parsing, canonical text",
        _text(r"\S\s+[<>]\w+$"),
    ),
    _rule("a hyphen or '=' in the build is taken", "parsing", _text(r"=[\w.]+([-=]\w+)$"), _takes),
    _rule("two blanks behind an operator are taken", "parsing", _text(r"[=<>]\s{2}"), _takes),
    _rule(
        "a star before a word is a version of its own",
        "parsing, canonical text",
        _text(r"\s\*\w+$"),
    ),
    _rule(
        "conda 24.7 writes the version '*' as '=' without a version",
        "canonical text",
        _other(r"\w=(\[|$)"),
    ),
    _rule(
        "conda 24.7 writes '=1.8' in brackets, and '==1.8.*', as '===1.8'",
        "canonical text",
        _other(r"==="),
    ),
    _rule(
        "conda writes '=1.8.*' in brackets as '==1.8'",
        "canonical text",
        _text(r"version=['\"]?=[^=,|]*\.\*"),
        _both,
    ),
    _rule(
        "conda leaves the channel '*' out",
        "canonical text",
        _text(r"(^|channel=['\"]?)\*(::|/|['\",\]])"),
        _both,
    ),
)


def reasons(difference: Difference) -> list[str]:
    """The names of the rules that explain the difference."""
    return [rule.name for rule in RULES if rule.explains(difference)]
