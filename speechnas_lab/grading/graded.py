"""One exercise's mark, as every grader of ours hands it on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Graded:
    """points: None where the grader failed, which is never a zero: grade it again. what: the first thing that is not
    right. notes: what was odd about the notebook. results: one dict for each check (see `marking.Result`). key: which
    job this was. seconds: of the clock.
    """

    exercise: str
    points: int | None
    max: int
    outcome: str
    what: str = ""
    seed: int | None = None
    notes: list[str] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    key: str = ""
    seconds: float = 0.0
