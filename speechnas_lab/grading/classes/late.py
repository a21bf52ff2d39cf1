"""Late days: when something was due, how late it came, what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from ...errors import BadInput
from ..course import EXERCISES
from .csvs import records
from .names import Names, known_exercise

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Late:
    """The rule. due: exercise -> time; longer: (student, exercise) -> time, for those who have an extension.

    free_days: that a student may be late in all, taken in order of the due times. percent: of an exercise's points
    for each day begun after that. grace_minutes: that do not count.
    """

    due: dict[str, datetime] = field(default_factory=dict)
    percent: float = 0.0
    free_days: int = 0
    grace_minutes: float = 0.0
    longer: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def days(self, student: str, exercise: str, submitted: str, marked: bool) -> int:
        """Days begun after the due time. marked: Canvas says that it is late; without times that is one day, or none
        with an extension.
        """
        due = self.longer.get((student, exercise)) or self.due.get(exercise)
        if due is None or not submitted:
            return int(marked and (student, exercise) not in self.longer)
        seconds = (datetime.fromisoformat(submitted) - due).total_seconds() - 60 * self.grace_minutes
        return max(0, math.ceil(seconds / DAY))

    def deductions(self, days: dict[str, int], most: dict[str, int]) -> dict[str, float]:
        """Exercise -> points that one student loses. days: late, for each exercise; most: its points."""
        left, lost = self.free_days, {}
        latest = datetime.max.replace(tzinfo=UTC)
        for exercise in sorted(days, key=lambda id: (self.due.get(id, latest), list(EXERCISES).index(id))):
            free = min(left, days[exercise])
            left -= free
            lost[exercise] = round(min(1.0, (days[exercise] - free) * self.percent / 100) * most[exercise], 2)
        return lost


Due = tuple[dict[str, datetime], dict[tuple[str, str], datetime]]


def read_due(text: str | None) -> Due:
    """`due` and `longer` of Late: one time for all exercises, or a CSV with the columns exercise, due and perhaps
    student, which is empty for what holds for all. Times without a zone are UTC, a day alone is due at its end.
    BadInput that names the line.
    """
    if not text:
        return {}, {}
    path = Path(text)
    if not path.is_file() and path.suffix.lower() != ".csv":
        return dict.fromkeys(EXERCISES, _time(text, "--due")), {}
    due, longer = {}, {}
    for line, row in records(path, "the due times", ("exercise", "due"), "03-mixed-op,2026-11-02 23:59", "--due"):
        where = f"{path}, line {line}"
        try:
            id = known_exercise(row["exercise"])
        except BadInput as error:
            raise BadInput(f"{where}: {error}") from None
        moment, student = _time(row["due"], where), row.get("student", "")
        if student:
            longer[student, id] = moment
        else:
            due[id] = moment
    return due, longer


def due_words(late: Late) -> str:
    """When it was due, in a line; "" where nothing says it."""
    times = sorted({*late.due.values(), *late.longer.values()})
    if not times:
        return ""
    first, last = (f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for found in (times[0], times[-1]))
    return f"due {first}" if first == last else f"due from {first} to {last}, by exercise and student"


def for_class(late: Late, names: Names, notes: list[str]) -> Late:
    """The same with ids for the students of `longer`. Whom the list does not have is refused; without a list, nobody
    knows who will hand in, and a note says who has not.
    """
    longer = {}
    for (student, exercise), moment in late.longer.items():
        try:
            longer[names.find(student), exercise] = moment
        except BadInput as error:
            if names.listed:
                raise BadInput(f"--due: {error}") from None
            notes.append(f"--due: {error}; the extension for {exercise} is not used")
    return replace(late, longer=longer)


def when(text: str, path: PurePosixPath, notes: list[str]) -> str:
    """The time in a timestamp.txt as ISO text; "", with a note, where it cannot be read."""
    try:
        return _parsed(text).isoformat() if text else ""
    except ValueError:
        notes.append(f"{path.parent / 'timestamp.txt'}: {text[:40]!r} is no time; read as if it were not there")
        return ""


def _time(text: str, where: str) -> datetime:
    try:
        return _parsed(text, time(23, 59, 59))
    except ValueError:
        raise BadInput(f"{where}: {text!r} is no time; write 2026-11-02 23:59 (UTC) or 2026-11-02T23:59+01") from None


def _parsed(text: str, alone: time = time()) -> datetime:  # noqa: B008
    """A time that UTC knows, too. alone: the time of a day that stands without one. Raises ValueError."""
    found = _zoned(text, alone)
    try:
        found.astimezone(UTC)
    except OverflowError:  # a day before the first year or after the last
        raise ValueError("no such time") from None
    return found


def _zoned(text: str, alone: time) -> datetime:
    """ISO, or with the name of a zone behind it, as nbgrader writes it ("... 23:59:00.0 Europe/Berlin")."""
    front, _, zone = text.strip().rpartition(" ")
    if zone and not zone[0].isdigit():
        try:
            found = _moment(front.strip(), alone)
            return found.replace(tzinfo=UTC if zone in ("UTC", "GMT") else ZoneInfo(zone))
        except (OSError, LookupError) as error:
            raise ValueError(str(error)) from None
    found = _moment(text.strip(), alone)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment(text: str, alone: time) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), alone)
    except ValueError:
        return datetime.fromisoformat(text)
