"""Where in a learner's code an error arose, and what the function had been given."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable
from types import FrameType, FunctionType
from typing import Any


def undecorated(function: Any) -> Any:
    """The function below its decorators; itself where an object claims to be decorated without end."""
    try:
        return inspect.unwrap(function)
    except ValueError:
        return function


def learners_frames(
    error: BaseException, namespace: dict[str, Any], functions: Iterable[Any]
) -> list[tuple[FrameType, int]]:
    """The frames of a traceback that run what the learner wrote, each with its line."""
    plain = map(undecorated, functions)
    homes = [namespace, *(value.__globals__ for value in plain if isinstance(value, FunctionType))]
    walk = traceback.walk_tb(error.__traceback__)
    return [(frame, line) for frame, line in walk if any(frame.f_globals is home for home in homes)]


def inputs_of(frame: FrameType) -> str:
    """What a function was given, as far as it fits a line."""
    code, told = frame.f_code, []
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        value = frame.f_locals.get(name)
        shape = getattr(value, "shape", None)
        try:
            words = f"{type(value).__name__} of shape {tuple(shape)}" if isinstance(shape, tuple) else repr(value)
        except Exception:  # of a learner's class
            words = type(value).__name__
        if len(words) <= 60 and " at 0x" not in words and "\n" not in words:
            told.append(f"{name} = {words}")
    return ", ".join(told)


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    try:
        return (str(error).splitlines() or [""])[0][:200]
    except Exception:  # of a learner's class
        return ""
