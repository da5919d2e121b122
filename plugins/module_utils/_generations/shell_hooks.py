# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The activation scripts that keep a shell in the generation that it activated.

``conda activate NAME`` sets CONDA_PREFIX and PATH to the link. conda then sources ``etc/conda/activate.d`` of
the environment, in the order of the file names. These scripts replace the link by the real path of the
generation that they belong to, so that a later switch does not change what the shell runs. ``conda
deactivate`` removes the real path from PATH, because it goes by CONDA_PREFIX; nothing is left to undo.

The path is written into the scripts: to resolve the link here would give another generation if the link is
switched between conda's first step and this one.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

DIRECTORY = os.path.join("etc", "conda", "activate.d")
# Before the scripts of packages, which use CONDA_PREFIX.
_STEM = "00-llmfleet-generation"


def shell_hooks(prefix: str) -> Mapping[str, str]:
    """The content of each script by its path relative to the prefix.

    Args:
        prefix: real path of the generation; without white space, as every conda prefix here.
    """
    texts = {
        ".sh": _posix(prefix),
        ".csh": _csh(prefix),
        ".fish": _fish(prefix),
        ".ps1": _powershell(prefix),
    }
    return {os.path.join(DIRECTORY, f"{_STEM}{end}"): text for end, text in texts.items()}


_WHY = "# Keeps this shell in the generation that it activated (llmfleet.conda)."


def _posix(prefix: str) -> str:
    # For sh, bash, zsh, dash and ksh, and for xonsh, which lets bash source it: no substitution of one shell.
    real = shlex.quote(prefix)
    return f"""{_WHY}
if [ -n "${{CONDA_PREFIX:-}}" ] && [ "${{CONDA_PREFIX}}" != {real} ]; then
    _llmfleet_left=
    _llmfleet_rest="${{PATH}}:"
    while [ -n "${{_llmfleet_rest}}" ]; do
        _llmfleet_one="${{_llmfleet_rest%%:*}}"
        _llmfleet_rest="${{_llmfleet_rest#*:}}"
        if [ "${{_llmfleet_one}}" = "${{CONDA_PREFIX}}/bin" ]; then
            _llmfleet_one={real}/bin
        fi
        _llmfleet_left="${{_llmfleet_left}}:${{_llmfleet_one}}"
    done
    PATH="${{_llmfleet_left#:}}"
    CONDA_PREFIX={real}
    export PATH CONDA_PREFIX
    unset _llmfleet_left _llmfleet_rest _llmfleet_one
    hash -r 2>/dev/null || :
fi
"""


def _csh(prefix: str) -> str:
    real = shlex.quote(prefix)
    # csh cannot take a word apart; awk gets the paths in its environment. The program has no double quotes,
    # because csh ends a quoted command at the first one.
    program = (
        "awk -v p=PATH -v c=CONDA_PREFIX -v r=_LLMFLEET_REAL -v s=: -v b=/bin -v f=%s"
        " 'BEGIN { n = split(ENVIRON[p], a, s); for (i = 1; i <= n; i++)"
        " printf f, (i > 1 ? s : e) (a[i] == ENVIRON[c] b ? ENVIRON[r] b : a[i]) }'"
    )
    return f"""{_WHY}
if ( $?CONDA_PREFIX ) then
    setenv _LLMFLEET_REAL {real}
    setenv PATH "`{program}`"
    setenv CONDA_PREFIX {real}
    unsetenv _LLMFLEET_REAL
    rehash
endif
"""


def _fish(prefix: str) -> str:
    real = _single_quoted(prefix, "\\'")
    return f"""{_WHY}
if set -q CONDA_PREFIX; and test "$CONDA_PREFIX" != {real}
    set -l llmfleet_path
    for one in $PATH
        if test "$one" = "$CONDA_PREFIX/bin"
            set -a llmfleet_path {real}/bin
        else
            set -a llmfleet_path $one
        end
    end
    set -gx PATH $llmfleet_path
    set -gx CONDA_PREFIX {real}
end
"""


def _powershell(prefix: str) -> str:
    real = _single_quoted(prefix, "''")
    return f"""{_WHY}
if ($Env:CONDA_PREFIX -and $Env:CONDA_PREFIX -cne {real}) {{
    $Env:PATH = ($Env:PATH -split ':' | ForEach-Object {{
        if ($_ -ceq "$Env:CONDA_PREFIX/bin") {{ {real} + '/bin' }} else {{ $_ }}
    }}) -join ':'
    $Env:CONDA_PREFIX = {real}
}}
"""


def _single_quoted(text: str, quote: str) -> str:
    return "'" + text.replace("'", quote) + "'"
