# Copyright (c) 2026, llmfleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes an environment in generations: the half that a run with nothing to do never imports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace

from ansible_collections.llmfleet.conda.plugins.module_utils._core.errors import CondaModuleError
from ansible_collections.llmfleet.conda.plugins.module_utils._core.lock import file_lock
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.build import (
    Build,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.checks import (
    FailedCheckError,
    check_request,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.freeze import (
    freeze,
    mark,
    thaw,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.garbage import sort_out
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.kernelspec import (
    CURRENT,
    OLD,
    kernelspec_of,
    look,
    remove_kernelspec,
    write_kernelspec,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.observe import (
    DIRECTORY,
    KEPT,
    LINK,
    Observed,
    compared,
    distributions_digest,
    kept_line,
    observe,
    records_digest,
    unlike,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plain_change import (
    make_plain,
    recover_plain,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.plan import (
    BUILD,
    PLAIN,
    REMOVE,
    SWITCH,
    Plan,
    beyond,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.prediction import (
    Prediction,
    predict,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.removal import (
    complete,
    remove_built,
    remove_generation,
    remove_unfinished,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.request import Request
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.room import (
    refuse_generation_without_room,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.state import write_state
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.stay import (
    write_own_files,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.subject import (
    GenerationsSubject,
    Side,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._generations.switch import (
    exchange,
    exchanged,
    forget_unfinished,
    switch,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.generations import (
    STATE,
    State,
    Verified,
    read_state,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.in_use import (
    GuardedChange,
    Unlinking,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.records import (
    PrefixState,
    observe_prefix,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.registry import (
    forget_environments,
    list_instead,
)
from ansible_collections.llmfleet.conda.plugins.module_utils._prefix.transaction import (
    beside,
    locked,
    make_parents,
    remove_empty,
)

_TIME = "%Y-%m-%dT%H:%M:%S%z"


class GenerationsChange(GuardedChange[Plan, Observed, Side]):
    """Changes the environment of one request."""

    def __init__(self, request: Request, check_mode: bool) -> None:
        GuardedChange.__init__(
            self, request.place.link, request.in_use, request.in_use_timeout, check_mode
        )
        self.request = request
        self.check_mode = check_mode
        self._own_warnings: list[str] = []
        self._prediction = Prediction()

    @property
    def warnings(self) -> list[str]:
        """Warnings of conda, pip, the checks and the guard for programs in use."""
        return [*self._own_warnings, *self.guard.warnings]

    @contextmanager
    def lock(self, plan: Plan | None) -> Iterator[None]:
        """Lock the environment; conda_env and conda_pip lock each generation while they work in it."""
        place, timeout = self.request.place, self.request.timeout
        operation = (plan.action if plan else "") or "change"
        if os.path.isdir(place.link) and not os.path.islink(place.link):
            # A plain environment: also exclude the runs that lock it from inside.
            with locked(place.link, operation=operation, timeout=timeout):
                yield
            return
        made = make_parents(place.link)
        try:
            path = beside(place.link, ".lock")
            with file_lock(path, operation=operation, timeout=timeout):
                yield
        except BaseException:
            remove_empty(made)
            raise

    def recover(self) -> bool:
        """Remove what an interrupted run has left, and let state.json say what the link says."""
        place = self.request.place
        if not os.path.isdir(place.store):
            return False
        with suppress(FileNotFoundError):
            os.unlink(f"{place.state}.llmfleet-unfinished")
        if directory := exchanged(place):
            # Killed between the exchange and the renaming of the old directory.
            aside = self._aside_name(read_state(place))
            os.rename(directory, aside)
            if aside != place.path(0):
                self._own_warnings.append(_was_set_aside(place.link, aside))
        forget_unfinished(place)
        recover_plain(place)
        self._own_warnings += remove_unfinished(place)
        state = read_state(place)
        if not state.found:
            return False
        if 0 not in state.known and os.path.isdir(place.path(0)):
            self._know(_adopted(observe_prefix(place.path(0)), self.request))
        self._remove(read_state(place), state.removing)
        state = read_state(place)
        number = place.current()
        if number is not None and number != state.current and number in state.known:
            write_state(place, _made_current(state, number))
        return False

    def refuse(self, plan: Plan, observed: Observed) -> None:
        """Refuse checks that cannot run, before anything is built."""
        if plan.action == BUILD:
            check_request(self.request, self.request.place.path(int(plan.number or 0)))

    def solve(self, plan: Plan, observed: Observed) -> Plan:
        """Ask conda and pip for the next generation; they may find that nothing differs."""
        self._prediction = Prediction()
        if plan.action != BUILD:
            return plan
        self._prediction = predict(self.request, observed, plan.number or 0, self.check_mode)
        self._own_warnings += self._prediction.warnings
        if self._prediction.changes or observed.by_hand or plan.set_aside:
            return plan
        kept = (*observed.lost, *(("",) if observed.thawed else ()))
        return replace(plan, action="", number=observed.number, mend=bool(kept))

    def examine(self, plan: Plan, observed: Observed) -> None:
        """Check a generation to which the link goes back.

        Raises:
            CondaModuleError: it is not what was verified.
        """
        if plan.action != SWITCH or plan.number is None:
            return
        place = self.request.place
        path = place.path(plan.number)
        packages = observe_prefix(path)
        why = "" if packages.is_environment else f"there is no environment at {path}"
        why = why or unlike(observed.state.known.get(plan.number), packages)
        if why:
            raise CondaModuleError(
                f"{place.link} cannot be switched to generation {plan.number}: {why}. Nothing was changed.",
                prefix=place.link,
                hint="name another generation, or run the task without the option generation to build one.",
            )

    def check_use(self, plan: Plan, observed: Observed, foresee: Callable[[], Side]) -> None:
        """Apply the option in_use to a directory that is renamed or removed."""
        if plan.set_aside:
            self.guard.check(Unlinking(removal=True))
        elif plan.action == REMOVE:
            self.guard.prefix = self.request.place.store
            self.guard.check(Unlinking(removal=True, nested=True))

    def check_room(self, plan: Plan, observed: Observed) -> None:
        """Compare the size of the current generation with the room beside it, where files are copied."""
        if plan.action == BUILD:
            refuse_generation_without_room(self.request, observed, int(plan.number or 0))

    def close(self, observed: Observed, recovered: bool) -> None:
        """Nothing: :meth:`recover` removed the traces of an interrupted run."""

    def journal(self, plan: Plan, observed: Observed) -> AbstractContextManager[None]:
        """Nothing here: a build keeps its own journal, and every other step is a single rename."""
        return nullcontext()

    # -- apply ------------------------------------------------------------------------------------

    def apply(self, plan: Plan, observed: Observed) -> None:
        """Build, verify and switch; then remove what is not kept."""
        place = self.request.place
        if plan.action == REMOVE:
            self._remove_all()
            return
        if plan.action == PLAIN:
            self._make_plain(int(plan.number or 0))
            return
        if plan.action == BUILD:
            self._build(plan, observed)
        if plan.mend:
            self._mend(observed)
        if plan.action and plan.number is not None:
            self._switch(plan, observed)
        if plan.kernel:
            self._keep_kernel()
        if self.request.generation is not None:
            # A rollback only switches.
            return
        state = read_state(place)
        found = sort_out(self.request, state, beyond(state, self.request.keep, place.current()))
        self._own_warnings += found.stays
        self._remove(state, found.gone)

    def _build(self, plan: Plan, observed: Observed) -> None:
        request, number = self.request, int(plan.number or 0)
        place = request.place
        build = Build(request, observed, number, self._prediction)
        try:
            build.build()
            entry = build.verify()
        except FailedCheckError as error:
            raise self._failed(build, error, keep=request.keep_failed) from error
        except CondaModuleError as error:
            raise self._failed(build, error, keep=False) from error
        except BaseException:
            remove_built(place, number)
            complete(place, number)
            raise
        finally:
            self._own_warnings += build.warnings
        self._know(entry)
        complete(place, number)

    def _failed(self, build: Build, error: CondaModuleError, *, keep: bool) -> CondaModuleError:
        """Remove the generation, or note why it failed; returns the error that says so."""
        place, number = self.request.place, build.number
        if keep:
            self._know(build.entry(failed=error.message))
        else:
            remove_built(place, number)
        complete(place, number)
        if not read_state(place).found:
            with suppress(OSError):
                os.rmdir(place.store)
        current = place.current()
        stays = f"{place.link} still leads to generation {current}"
        if current is None:
            still = "is as it was" if os.path.lexists(place.link) else "was not created"
            stays = f"{place.link} {still}"
        verb = "failed its verification" if isinstance(error, FailedCheckError) else "was not built"
        there = f" It stays at {build.path}." if keep else ""
        return CondaModuleError(
            f"Generation {number} of {place.link} {verb}: {error.message} {stays}.{there}",
            prefix=place.link,
            asked=error.asked,
            said=error.said,
            hint=error.hint or "correct the cause and run the task again.",
            **error.facts,
        )

    def _know(self, entry: Verified) -> None:
        state = read_state(self.request.place)
        known = {**state.known, entry.number: entry}
        write_state(self.request.place, replace(state, known=known))

    def _mend(self, observed: Observed) -> None:
        """Write the own files of the current generation again, and freeze it."""
        packages = observed.packages
        if packages is None:
            return
        thaw(packages.path)
        try:
            write_own_files(packages.path, packages)
            if not packages.frozen:
                mark(self.request.place, int(observed.number or 0))
        finally:
            freeze(packages.path)

    def _switch(self, plan: Plan, observed: Observed) -> None:
        place, number = self.request.place, int(plan.number or 0)
        if plan.set_aside:
            # Once more: building took a while.
            self.guard.check(Unlinking(removal=True))
            aside = self._aside_name(observed.state)
            exchange(place, number, aside)
            with suppress(OSError):
                # Taken under its old name, so that its release did not find it.
                os.unlink(os.path.join(aside, "conda-meta", ".llmfleet.lock"))
            if aside == place.path(0):
                self._know(_adopted(observe_prefix(aside), self.request))
            else:
                self._own_warnings.append(_was_set_aside(place.link, aside))
        else:
            switch(place, number)
        state = read_state(place)
        if state.current is None and 0 in state.known:
            state = replace(state, current=0)
        write_state(place, _made_current(state, number, back=plan.back))
        list_instead([place.path(number)], place.link)

    def _aside_name(self, state: State) -> str:
        """Where a directory goes: generation 0 if it is adopted, else a name with the time."""
        place = self.request.place
        if state.current is None and not os.path.lexists(place.path(0)):
            return place.path(0)
        stem = os.path.join(place.store, time.strftime("aside-%Y%m%dT%H%M%S"))
        names = (f"{stem}{end}" for end in ("", *(f"-{count}" for count in range(1, 1000))))
        return next(name for name in names if not os.path.lexists(name))

    def _keep_kernel(self) -> None:
        spec = kernelspec_of(self.request.place.link)
        if spec is not None and self.request.kernel:
            write_kernelspec(spec)
        elif spec is not None:
            remove_kernelspec(spec)

    def _remove(self, state: State, numbers: tuple[int, ...]) -> None:
        """Remove generations; state.json says so first, so that an interrupted removal is continued."""
        if not numbers:
            return
        place = self.request.place
        write_state(place, replace(state, removing=tuple({*state.removing, *numbers})))
        for number in numbers:
            self._own_warnings += remove_generation(place, number)
            state = read_state(place)
            known = {key: one for key, one in state.known.items() if key != number}
            left = tuple(one for one in state.removing if one != number)
            previous = None if state.previous == number else state.previous
            back = None if state.rolled_back_from == number else state.rolled_back_from
            write_state(
                place,
                replace(
                    state, known=known, removing=left, previous=previous, rolled_back_from=back
                ),
            )

    def _make_plain(self, number: int) -> None:
        """Build the plain environment, then remove the generations that nobody uses."""
        place = self.request.place
        state = read_state(place)
        self._own_warnings += make_plain(self.request, number)
        found = sort_out(self.request, state, sorted(state.known))
        for one in found.gone:
            self._own_warnings += remove_generation(place, one)
        self._own_warnings += [
            f"{text} Nothing removes it any longer: delete {place.store} when it is not needed."
            for text in found.stays
        ]
        with suppress(OSError):
            os.rmdir(place.store)

    def _remove_all(self) -> None:
        """Remove the link first: nobody begins to use what goes."""
        place = self.request.place
        if os.path.islink(place.link) and place.current() is not None:
            os.unlink(place.link)
        spec = kernelspec_of(place.link)
        if spec is not None and look(spec) in (CURRENT, OLD):
            remove_kernelspec(spec)
        state = read_state(place)
        self._remove(state, tuple(sorted(state.known)))
        remove_unfinished(place)
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(place.store, STATE))
        with suppress(OSError):
            os.rmdir(place.store)
        forget_environments(place.link)
        if os.path.isdir(place.store):
            self._own_warnings.append(
                f"{place.store} still contains files that this collection did not put there; they stay."
            )

    # -- afterwards -------------------------------------------------------------------------------

    def look_again(self, plan: Plan, observed: Observed) -> Observed:
        """Compare the link and the current generation with the plan."""
        seen = observe(self.request)
        link = self.request.place.link
        wrong = ""
        if plan.action == REMOVE:
            wrong = f"{link} still exists" if seen.kind == LINK else ""
        elif plan.action == PLAIN:
            wrong = "" if seen.kind == DIRECTORY else f"{link} is no plain environment"
        elif plan.number is not None and (seen.kind != LINK or seen.number != plan.number):
            wrong = f"{link} does not lead to generation {plan.number}"
        elif plan.kernel and (seen.kernel == CURRENT) is not bool(self.request.kernel):
            wrong = f"{seen.kernel_path} is not as wanted"
        elif plan.action and seen.by_hand:
            wrong = seen.by_hand
        elif (plan.action or plan.mend) and (seen.lost or seen.thawed):
            wrong = (
                f"{', '.join(seen.lost) or 'the mode of its directories'} is not as it was written"
            )
        if wrong:
            raise CondaModuleError(
                f"The steps succeeded, but {wrong}.",
                prefix=link,
                hint="check whether another program changes the environment, and run the task again.",
            )
        return compared(self.request, seen) if self.request.declares else seen

    def reached(self, plan: Plan, observed: Observed, seen: Observed) -> Side:
        """The lines of the environment after the change."""
        return self._side(seen)

    def _side(self, seen: Observed) -> Side:
        return GenerationsSubject(self.request).describe(seen)

    def differs(self, plan: Plan, before: Side, after: Side) -> bool:
        """Every plan that is carried out changes something."""
        return bool(plan)

    # -- check mode -------------------------------------------------------------------------------

    def foresee_recovery(self) -> None:
        """Never called: no interrupted run prevents a plan."""

    def foresee(self, plan: Plan, observed: Observed) -> Side:
        """The lines of the environment after the run, as conda and pip predict them."""
        lines = self._foresee(plan, observed)
        if not lines or not self.request.declares:
            return lines
        more = [kept_line(self._known_after(plan, observed.state))]
        if self.request.kernel:
            more.append(f"(kernel: {observed.kernel_path})")
        rest = [line for line in lines[1:] if not line.startswith((KEPT, "(kernel: "))]
        return [lines[0], *more, *rest]

    def _known_after(self, plan: Plan, state: State) -> set[int]:
        """The generations that there will be."""
        known = set(state.known)
        if plan.action == BUILD and plan.number is not None:
            known.add(plan.number)
        if plan.set_aside and self._aside_name(state) == self.request.place.path(0):
            known.add(0)
        return known - set(plan.garbage)

    def _foresee(self, plan: Plan, observed: Observed) -> Side:
        if plan.action == REMOVE:
            return None
        if not plan.action:
            return self._side(observed)
        if plan.action == PLAIN:
            return observed.packages.labels() if observed.packages else None
        state, number = observed.state, plan.number
        if plan.action == SWITCH and self.request.generation is None:
            known = state.known.get(-1 if number is None else number)
            marks = ["(frozen)"]
            return [f"(generation: {number})", *marks, *(known.packages if known else ())]
        if plan.action == SWITCH:
            known = state.known.get(-1 if number is None else number)
            return [f"(generation: {number})", *(known.packages if known else ())]
        found = self._prediction
        conda = found.conda or []
        if "(frozen)" not in conda:
            conda = ["(frozen)", *conda]
        return [f"(generation: {number})", *conda, *(found.pip or ())]


def _made_current(state: State, number: int, *, back: bool = False) -> State:
    """What state.json says after the link was switched to ``number``."""
    old = state.current
    known = dict(state.known)
    if old is not None and old != number and old in known:
        known[old] = replace(known[old], retired=time.time())
    known[number] = replace(known[number], retired=None)
    if old == number:
        return replace(state, known=known)
    if back:
        return replace(state, known=known, current=number, previous=None, rolled_back_from=old)
    return replace(state, known=known, current=number, previous=old, rolled_back_from=None)


def _adopted(packages: PrefixState, request: Request) -> Verified:
    """What state.json says about a directory that was set aside."""
    return Verified(
        number=0,
        created=time.strftime(_TIME),
        run=request.run,
        records=records_digest(packages),
        distributions=distributions_digest(packages),
        packages=tuple(packages.labels()),
        adopted=True,
    )


def _was_set_aside(link: str, aside: str) -> str:
    return (
        f"{link} was a directory, which is {aside} now. Its scripts name {link}, so it does not run there;"
        " remove it when nobody needs its files."
    )
