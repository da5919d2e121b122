"""Kills a piece of work before each of its changes to the disk in turn: no line of it runs afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

_CHANGES = ("mkdir", "rename", "replace", "rmdir", "unlink", "link", "symlink", "truncate")
_KILLED = 86


def killed_before(work: Callable[[], Any], number: int) -> bool:
    """Do the work in a child that ends before its change ``number``; False when it made fewer.

    Raises:
        AssertionError: the work failed.
    """
    child = os.fork()
    if not child:
        try:
            _count(number)
            work()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, _KILLED), f"the work failed before its change {number}"
    return status == _KILLED


def _count(number: int) -> None:
    left = [number]

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def made(*words: Any, **more: Any) -> Any:
            if not left[0]:
                os._exit(_KILLED)
            left[0] -= 1
            return change(*words, **more)

        return made

    opened = os.open

    def open_counted(path: Any, flags: int, *words: Any, **more: Any) -> int:
        if flags & os.O_CREAT and not left[0]:
            os._exit(_KILLED)
        left[0] -= bool(flags & os.O_CREAT)
        return opened(path, flags, *words, **more)

    for name in _CHANGES:
        setattr(os, name, counted(getattr(os, name)))
    os.open = open_counted  # type: ignore[assignment]


def each_kill(start: Callable[[int], Callable[[], Any]], step: int = 1) -> Iterator[int]:
    """For each change in turn: do in a new place what ``start`` returns, killed before that change."""
    for number in range(0, 1000, step):
        killed = killed_before(start(number), number)
        yield number
        if not killed:
            return
    raise AssertionError("the work does not come to an end")
