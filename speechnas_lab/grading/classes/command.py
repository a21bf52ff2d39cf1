"""`speechnas grade` for a class: its options, what it says, and how a class is told from one person's exercises."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

from ...errors import BadInput
from ...files import write_json
from .archive import files_of
from .collect import known_exercise, whose_is
from .late import Late, due_words, read_due
from .options import merged
from .report import as_json, on_screen, summary
from .run import Settings, grade_class

SHOWN = 20  # notes on the screen
LOOKED_AT = 200  # files, before a folder is said to be no class


def is_class(place: Path) -> bool:
    """Whether `place` is a ZIP, or a folder in which some notebook tells whose it is and which exercise."""
    if place.is_file():
        return place.suffix.lower() == ".zip"
    found = islice(files_of(place, []), LOOKED_AT)
    return any(file.path.suffix == ".ipynb" and whose_is(file.path) and known_exercise(file.path) for file in found)


def grade(arguments: argparse.Namespace) -> None:
    """Grade the class in `arguments.path` into `arguments.out`."""
    place, out = Path(arguments.path), Path(arguments.out)
    told, as_before = merged(arguments, out)
    due, longer = read_due(told.get("due"))
    late = Late(due, told.get("late_percent", 0), told.get("late_days", 0), told.get("grace", 0), longer)
    people = Path(told["students"]) if "students" in told else None
    settings = Settings(people, late, told.get("time", 60), told.get("memory", 1000), arguments.workers,
                        arguments.seed, tuple(arguments.again or ()), told)  # fmt: skip
    for line in filter(None, (as_before, due_words(late))):
        print(line, flush=True)
    found = grade_class(place, out, settings, progress=True)
    print(f"read as {found.layout}")
    print(summary(found))
    notes = on_screen(found)
    for note in notes[:SHOWN]:
        print(f"    {note}")
    if len(notes) > SHOWN:
        print(f"    and {len(notes) - SHOWN} more: see report.html")
    if arguments.json:
        write_json(Path(arguments.json), as_json(found))
    print(f"{out / 'report.html'} for you, {out / 'marks.csv'}, canvas.csv, moodle.csv, feedback/ for the students, "
          "nbgrader/ and gradescope/")
    print(f"marked now: {found.marked}, kept: {len(found.work) - found.marked}")


def check_place(arguments: argparse.Namespace) -> None:
    """Refuse a place that holds neither one's own exercises nor, with --out, a class. BadInput says what to do."""
    if not arguments.path:
        return
    from ..own import notebooks

    place = Path(arguments.path)
    try:
        found = notebooks(place)
    except BadInput:
        if not place.exists():
            raise
        if arguments.out:
            return
        if is_class(place):
            raise BadInput(f"{place} is a class: say with --out DIR where its marks go") from None
        raise
    if arguments.out:
        id = next(iter(found))
        raise BadInput(f"{place} holds the exercises of one person ({id}), not a class: leave out --out, or give the "
                       "folder above") from None
