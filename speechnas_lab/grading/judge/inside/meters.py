"""Beyond one plain call: how much work a function does, counted without a clock, and inputs for many calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any

from .frames import undecorated


class TooMany(BaseException):
    """More than any sensible way needs. Not an Exception, so that an answer does not catch it by chance."""


def metered(unit: str, most: int, function: Callable[..., Any], *inputs: Any) -> tuple[Any, int]:
    """(what `function` gave, how many "calls" or "lines" it took); (None, most + 1) where it takes more than `most`."""
    if unit not in METERS:
        raise ValueError(f"{unit!r} cannot be counted; there are {', '.join(METERS)}")
    return METERS[unit](most, function, *inputs)


def _calls(most: int, function: Callable[..., Any], *inputs: Any) -> tuple[Any, int]:
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > most:
            raise TooMany

    before = sys.getprofile()
    try:
        sys.setprofile(count)
        return function(*inputs), calls
    except TooMany:
        return None, most + 1
    finally:
        sys.setprofile(before)


def _lines(most: int, function: Callable[..., Any], *inputs: Any) -> tuple[Any, int]:
    plain = undecorated(function)
    home = plain.__globals__ if isinstance(plain, FunctionType) else None
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if home is not None and frame.f_globals is not home:
            return None
        lines += 1
        if lines > most:
            raise TooMany
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        return function(*inputs), lines
    except TooMany:
        return None, most + 1
    finally:
        sys.settrace(before)


def fresh(value: Any) -> Any:
    """An input for one of many calls: lists and tensors that nobody has written into; all else is the same."""
    if type(value) is list:
        return [fresh(item) for item in value]
    return value.clone() if type(value).__name__ == "Tensor" else value


METERS = {"calls": _calls, "lines": _lines}
