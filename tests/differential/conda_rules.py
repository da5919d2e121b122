"""The kinds of text that conda 24.7 takes at first, and that we refuse with a message.

conda ignores text in brackets that is no ``key=value``, without a word. It gives up on the others later: on a
name that CEP 26 forbids with "package not found" (later releases refuse it while they parse), on ``~=2`` as
soon as it meets a version of 2 or newer.
"""

from __future__ import annotations

import re

from ansible_collections.llmfleet.conda.plugins.module_utils._spec.conda_version import (
    InvalidSpecError,
    UnsupportedSpecError,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._spec.match_spec import (
    parse_match_spec,
)
from tests.differential.comparison import Difference
from tests.differential.oracle import Oracle

IMPOSSIBLE_NAME = "a name that no package can have"
IGNORED = "text in brackets that conda ignores"
NO_SERIES = "~= with a version of one part"

# CEP 26, as far as characters go.
_POSSIBLE = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_ONE_PART = re.compile(r"~=\s*([^.,|()\s=\[\]'\"]+)(?=[,|()\s=\[\]'\"]|$)")


def _refusal(text: str) -> str:
    try:
        parse_match_spec(text)
    except InvalidSpecError as error:
        return str(error)
    except UnsupportedSpecError:
        pass
    return ""


def reason(difference: Difference, conda: Oracle) -> str | None:
    """Why we refuse what conda takes at first; None where there is no such reason."""
    if difference.kind != "parsing" or difference.ours not in (None, False):
        return None
    theirs = difference.theirs
    if "must contain key=value pairs" in _refusal(difference.text):
        return IGNORED
    # An empty text has no name at all: conda would match every package with it.
    if isinstance(theirs, dict) and not _POSSIBLE.fullmatch(theirs.get("name", "")):
        return IMPOSSIBLE_NAME
    text = theirs.get("version", "") if isinstance(theirs, dict) else difference.text
    for version in _ONE_PART.findall(text):
        (answer,) = conda.ask([("version", f"~={version}", ["9999!9"])])
        if "error" in answer:
            return NO_SERIES
    return None
