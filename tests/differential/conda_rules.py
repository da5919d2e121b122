"""The two kinds of text that conda 24.7 takes at first, and that we refuse with a message.

conda itself gives up on both later: on a name that CEP 26 forbids with "package not found" (later releases
refuse it while they parse), on ``~=2`` as soon as it meets a version of 2 or newer.
"""

from __future__ import annotations

import re

from tests.differential.comparison import Difference
from tests.differential.oracle import Oracle

IMPOSSIBLE_NAME = "a name that no package can have"
NO_SERIES = "~= with a version of one part"

# CEP 26, as far as characters go.
_POSSIBLE = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_ONE_PART = re.compile(r"~=\s*([^.,|()\s=\[\]'\"]+)(?=[,|()\s=\[\]'\"]|$)")


def reason(difference: Difference, conda: Oracle) -> str | None:
    """Why we refuse what conda takes at first; None where there is no such reason."""
    if difference.kind != "parsing" or difference.ours not in (None, False):
        return None
    theirs = difference.theirs
    # An empty text has no name at all: conda would match every package with it.
    if isinstance(theirs, dict) and not _POSSIBLE.fullmatch(theirs.get("name", "")):
        return IMPOSSIBLE_NAME
    text = theirs.get("version", "") if isinstance(theirs, dict) else difference.text
    for version in _ONE_PART.findall(text):
        (answer,) = conda.ask([("version", f"~={version}", ["9999!9"])])
        if "error" in answer:
            return NO_SERIES
    return None
