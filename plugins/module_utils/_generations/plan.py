# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans what has to happen to an environment that is kept in generations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.kernelspec import (
    CURRENT,
    OLD,
    kernelspec_of,
    lacks_ipykernel,
    refuse_foreign,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    DIRECTORY,
    LINK,
    MISSING,
    OTHER,
    Observed,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.options import PREVIOUS
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import State

BUILD, SWITCH, REMOVE, PLAIN = "build", "switch", "remove", "plain"


@dataclass(frozen=True)
class Plan:
    """What has to happen. A plan without actions is false.

    Attributes:
        action: ``build`` the next generation and make it current, ``switch`` to one that exists, ``remove``
            the environment, make it ``plain``, or empty.
        number: the generation that becomes current.
        set_aside: the directory at the path of the link makes room.
        back: the switch is a rollback.
        mend: write the own files of the current generation again, and freeze it.
        garbage: generations that go.
        kernel: the kernelspec is written, or removed where the task says so.
        reasons: one clause for each difference.
    """

    action: str = ""
    number: int | None = None
    set_aside: bool = False
    back: bool = False
    mend: bool = False
    garbage: tuple[int, ...] = ()
    kernel: bool = False
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything has to happen."""
        return bool(self.action or self.mend or self.garbage or self.kernel)


def plan_present(request: Request, seen: Observed, following: int) -> Plan:
    """Plan ``state: present``, without garbage.

    Args:
        request: the request.
        seen: the environment, compared with the request.
        following: the number of the next generation.

    Raises:
        CondaModuleError: something else is at the path of the link.
    """
    refuse_others(request, seen)
    reasons = [*seen.conda_plan.reasons, *(seen.pip_plan.reasons if seen.pip_plan else ())]
    differs = bool(seen.conda_plan) or bool(seen.pip_plan)
    if seen.by_hand:
        reasons.insert(0, seen.by_hand)
    if seen.kind == DIRECTORY:
        why = "is a plain directory" if not seen.state.found else "was replaced by a directory"
        reasons.insert(0, f"{request.place.link} {why}")
    if differs or seen.by_hand or seen.kind == DIRECTORY or not seen.base:
        return Plan(BUILD, following, set_aside=seen.kind == DIRECTORY, reasons=tuple(reasons))
    if seen.kind == MISSING:
        reasons.append(f"there is no link at {request.place.link}")
        return Plan(SWITCH, seen.number, reasons=tuple(reasons))
    if seen.lost or seen.thawed:
        reasons += [f"{path} is missing or was changed" for path in seen.lost]
        reasons += ["the directories of the generation are writable"] if seen.thawed else []
        return Plan(mend=True, number=seen.number, reasons=tuple(reasons))
    return Plan(number=seen.number)


def plan_kernel(request: Request, seen: Observed, plan: Plan) -> Plan:
    """Add what has to happen to the kernelspec.

    Raises:
        CondaModuleError: it is somebody else's, or no kernel can start in an environment that stays as it is.
    """
    if request.kernel is None:
        return plan
    link = request.place.link
    if not request.kernel:
        if seen.kernel not in (CURRENT, OLD):
            return plan
        return replace(
            plan, kernel=True, reasons=(*plan.reasons, f"{seen.kernel_path} must be absent")
        )
    refuse_foreign(kernelspec_of(link), link, seen.kernel)
    lacks = "" if plan.action == BUILD else lacks_ipykernel(seen.packages)
    if lacks:
        raise CondaModuleError(
            f"Jupyter cannot start a kernel in {link}: {lacks}. Nothing was changed.",
            prefix=link,
            hint="add ipykernel to the packages or the requirements.",
        )
    if seen.kernel == CURRENT:
        return plan
    return replace(
        plan, kernel=True, reasons=(*plan.reasons, f"{seen.kernel_path} is not as wanted")
    )


def refuse_others(request: Request, seen: Observed) -> None:
    """Refuse to replace what is not a generation.

    Raises:
        CondaModuleError: a file, a link to another place, files of people, or an environment that is not to
            be adopted.
    """
    link = request.place.link
    if seen.kind == OTHER:
        raise CondaModuleError(
            f"{link} is a file, or a link to something that is no generation of it. Nothing was changed.",
            prefix=link,
            hint="remove it, or choose another name.",
        )
    if seen.kind != DIRECTORY or seen.state.found:
        return
    if not seen.base:
        raise CondaModuleError(
            f"{link} exists but is no conda environment (no conda-meta/history). Nothing was changed.",
            prefix=link,
            hint="choose another name, or move those files away.",
        )
    if not request.adopt:
        raise CondaModuleError(
            f"{link} is a plain environment, which is not kept in generations. Nothing was changed.",
            prefix=link,
            hint="set adopt: true to build the next generation beside it and to set this one aside.",
        )


def plan_back(request: Request, seen: Observed) -> Plan:
    """Plan a rollback.

    Raises:
        CondaModuleError: there is no such generation, or it failed its verification.
    """
    link, state = request.place.link, seen.state
    target = request.generation
    if seen.kind != LINK or seen.number is None:
        raise CondaModuleError(
            f"{link} does not lead to a generation: there is nothing to go back from. Nothing was changed.",
            prefix=link,
            hint="run the task without the option generation first.",
        )
    if target == PREVIOUS:
        if state.rolled_back_from is not None and state.current == seen.number:
            return Plan(number=seen.number)
        target = state.previous
        if target is None:
            raise CondaModuleError(
                f"{link} has no previous generation. Nothing was changed.",
                prefix=link,
                hint=f"name one of {_numbers(state)} as generation.",
            )
    number = int(target or 0)
    verified = state.known.get(number)
    if verified is None or verified.failed or number in state.removing:
        what = "failed its verification" if verified and verified.failed else "does not exist"
        raise CondaModuleError(
            f"Generation {number} of {link} {what}. Nothing was changed.",
            prefix=link,
            hint=f"name one of {_numbers(state)} as generation.",
        )
    if number == seen.number:
        return Plan(number=number)
    reason = f"the task asks for generation {number}, and {link} leads to generation {seen.number}"
    return Plan(SWITCH, number, back=number < seen.number, reasons=(reason,))


def plan_plain(request: Request, seen: Observed) -> Plan:
    """Plan the way back to a plain environment.

    Raises:
        CondaModuleError: there is no current generation, or it is not what was verified.
    """
    link = request.place.link
    if seen.kind == DIRECTORY and seen.base and not seen.state.found:
        return Plan()
    if seen.kind != LINK or seen.number is None or not seen.base or seen.by_hand:
        why = seen.by_hand or f"{link} does not lead to a generation"
        raise CondaModuleError(
            f"{link} cannot be made a plain environment: {why}. Nothing was changed.",
            prefix=link,
            hint="run the task without the option plain first.",
        )
    return Plan(PLAIN, seen.number, reasons=(f"{link} must be a plain environment",))


def _numbers(state: State) -> str:
    whole = [str(number) for number, one in sorted(state.known.items()) if not one.failed]
    return ", ".join(whole) or "none"


def beyond(state: State, keep: int, current: int | None) -> list[int]:
    """The generations that need not stay, the oldest first.

    Args:
        state: what is known.
        keep: how many stay, the current one included. The previous one is the first of the others.
        current: the current one.
    """
    others = [number for number, one in state.known.items() if number != current and not one.failed]
    order = sorted(others, key=lambda number: (number == state.previous, number), reverse=True)
    failed = sorted(number for number, one in state.known.items() if one.failed)
    # The last failed one stays for a look at it until the next generation is verified.
    old_failures = [number for number in failed if number < max([*others, current or 0])]
    gone = {*order[max(keep - 1, 0) :], *old_failures} - {current}
    return sorted(gone)
