"""Exercises: what to write, checks that explain, hints, progress. In a notebook: `check`, `hint`, `progress`, `reset`.

Read in this order: `exercise` (what an exercise is, how a check speaks), one file of `checks/`, `marking`.
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "check": ".notebook",
        "hint": ".notebook",
        "progress": ".notebook",
        "reset": ".notebook",
        "buttons": ".notebook",
        "must_pass": ".notebook",
        "Exercise": ".exercise",
        "EXERCISES": ".course",
        "mark": ".marking",
        "Mark": ".marking",
    },
)
