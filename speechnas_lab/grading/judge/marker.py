"""Mark one answer that runs at the other end of a line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..exercise import Check, Exercise
from ..marking import Mark, run_checks
from .inside.wire import Broken, Gone, Late, Line
from .remote import Remote


@dataclass
class Found:
    """What came of it. limit, stopped: why there is no mark, or "". told: what stopped a cell."""

    mark: Mark | None = None
    limit: str = ""
    stopped: str = ""
    told: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def mark_apart(exercise: Exercise, cells: list[dict[str, str]], seed: int, line: Line) -> Found:
    """Run the cells and all checks of an exercise. Whatever ends the other side ends its mark: it is 0."""
    found, remote = Found(), Remote(line)
    try:
        found.told, usable = remote.cells(cells, exercise.defines)
        if found.told and all(usable.values()):
            found.stopped = found.told[0]
            return found

        def begin(item: Check) -> None:
            remote.begin(item.effects)

        told = lambda error: getattr(error, "told", None)  # noqa: E731
        found.mark = run_checks(exercise, remote.answers(usable), seed, told, begin)
    except MemoryError:
        found.limit = "it took more memory than allowed"
    except Late as late:
        found.limit = str(late)
    except Gone:
        found.stopped = "the answer ended its process before it was marked"
    except Broken as error:
        found.stopped = f"the answer meddled with how results are handed over: {error}"
    return found
