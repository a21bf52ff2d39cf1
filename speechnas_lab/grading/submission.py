"""The cells of an exercise's notebook that count: `given`, then each `answer...`. Read as data, nothing is run.

Which cell is which:

1. Each cell came with a name (nbgrader's `grade_id`), and with the same name as the notebook's own cell id, which
   editors keep and which a copy does not get. Where the two disagree, the cell's own id decides.
2. Spaces around a name do not count.
3. Of several cells with one name, those with the same text are one. Else the one that came with the exercise counts,
   by its own id. If that does not decide, the exercise earns nothing until all but one are deleted.

4. A cell that has lost both its names is known by the functions that it defines; of several, the last counts.
5. A given cell that is gone is taken from the exercise as it was handed out. Cells run in the order of that one.
6. A cell that the learner added is run too, before the answers, if it does nothing but define what they use: see
   `added`.

Each of these is told with the cells' positions, counted from 1.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .added import needed
from .blank import blank
from .course import EXERCISES

LARGEST = 200 * 2**20  # bytes of a notebook: one that keeps 100 MB of output is still read
LONGEST = 10**6  # characters of a cell
BRACKETS = 3 * 10**6  # of a notebook: read, each becomes an object that is far larger than its character
NOTES, NOTE = 20, 300  # that are kept, and characters of one
ID = 100  # characters of a cell's id
NAMES = re.compile(r"given|answer(-\w+)*|task|ask|check(-\w+)*|buttons|next|notes")  # our exercises' own cells
TOOLS = re.compile(r"from speechnas_lab\.grading import .*")  # a given cell that gives nothing else
RUN = re.compile(r"given|answer(-\w+)*")  # that are run
RESET = "reset brings back the blank one"
ADDED = "added-"  # begins the name of a cell of the learner's own that an answer needs


@dataclass(frozen=True)
class Cell:
    """A code cell. position: counted from 1, over all cells of the notebook."""

    name: str
    position: int
    source: str
    own: bool  # its own id says the name


@dataclass(frozen=True)
class Submission:
    """What is run, in order; what was odd; why nothing can be run, or "". damaged: the same in words about "the
    notebook", where the file holds none, so that there is nothing to mark.
    """

    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    refused: str = ""
    damaged: str = ""


def read(path: Path, exercise: str = "") -> Submission:
    """Read a learner's notebook. Never raises for what is in the file: `refused` says what is wrong with it.

    exercise: its id; where it is left out, the file's name tells, if it ends with one.
    """
    notes: list[str] = []
    try:
        if path.stat().st_size > LARGEST:
            most = f"{LARGEST // 2**20} MB"
            return _damaged(path, f"has more than {most} (clear its outputs and save it)")
        text = path.read_text(encoding="utf-8-sig")
        if text.count("[") + text.count("{") > BRACKETS:
            return _damaged(path, "has too many brackets", RESET)
        raw = _cells(json.loads(text), notes) if text.strip() else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return _damaged(path, "is no notebook (cut off?)", RESET)
    except OSError as error:
        return _damaged(path, f"cannot be read ({error.strerror})")
    if not raw:
        return _damaged(path, "is empty", RESET)
    named: dict[str, list[Cell]] = {}
    for position, cell in enumerate(raw, 1):
        name, own = _name(cell, position, notes)
        text = _text(cell.get("source", cell.get("input")))
        if cell.get("cell_type") != "code":
            continue
        if len(text) > LONGEST:
            notes.append(f"cell {position} has {len(text):,} characters, far more than an answer; it is left out")
            continue
        named.setdefault(name, []).append(Cell(name, position, text, own))
    nameless, chosen = named.pop("", []), []
    strange = [cell for name, cells in named.items() if not NAMES.fullmatch(name) for cell in cells]
    for name, cells in named.items():
        cell = _one(cells, notes)
        if not RUN.fullmatch(name):
            continue
        if cell is None:
            return Submission((), _kept(notes), *_kept(notes[-1:]))
        chosen.append(cell)
    blanks = _blanks(exercise or next((id for id in EXERCISES if path.stem.endswith(id)), ""))
    released = [cell for cell in blanks if RUN.fullmatch(cell.name)]
    chosen += _found_again(released, chosen, nameless, notes)
    if not any(cell.name.startswith("answer") for cell in chosen):
        return Submission((), _kept(notes), "no cell is called 'answer'; reset brings back the blank notebook")
    chosen += _added([*nameless, *strange], chosen, blanks, notes)
    order = {cell.name: place for place, cell in enumerate(released)} | {"given": -2}
    order |= {cell.name: -1 for cell in chosen if cell.name.startswith(ADDED)}
    chosen.sort(key=lambda cell: (order.get(cell.name, len(order)), cell.position))
    return Submission(tuple(chosen), _kept(notes))


def _cells(notebook: Any, notes: list[str]) -> list[dict[str, Any]]:
    """The cells of a notebook; in the format of 2014 they lie in worksheets."""
    if not isinstance(notebook, dict):
        raise TypeError("it is no object")
    if "cells" not in notebook and isinstance(notebook.get("worksheets"), list):
        notes.append("the notebook is in an old format (nbformat 3); it is read all the same")
        cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
    else:
        cells = notebook["cells"]
    if type(cells) is not list or not all(isinstance(cell, dict) for cell in cells):
        raise TypeError("a cell is no object")
    return cells


def _blanks(exercise: str) -> list[Cell]:
    """The code cells of an exercise as they were handed out; none where that is not known."""
    try:
        cells = json.loads(blank(exercise))["cells"] if exercise in EXERCISES else []
    except BadInput:
        return []
    return [Cell(str(cell.get("id") or ""), at, _text(cell["source"]), True)
            for at, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]  # fmt: skip


def _added(others: list[Cell], chosen: list[Cell], blanks: list[Cell], notes: list[str]) -> list[Cell]:
    """The cells among `others`, in their order, that define what the chosen ones use."""
    taken = {cell.position for cell in chosen}
    free = {cell.position: cell for cell in others if cell.position not in taken}
    found = needed([cell.source for cell in chosen], {at: cell.source for at, cell in sorted(free.items())},
                   {cell.source.strip() for cell in blanks})  # fmt: skip
    for at, names in found.items():
        notes.append(f"the added cell {at} defines {', '.join(names)}, which the answer uses; it is run too")
    return [Cell(f"{ADDED}{at}", at, free[at].source, False) for at in found]


def _found_again(released: list[Cell], chosen: list[Cell], nameless: list[Cell], notes: list[str]) -> list[Cell]:
    """Cells that are missing among the chosen ones: found by what they define, or as they were handed out."""
    found, there = [], {cell.name for cell in chosen}
    for cell in released:
        if cell.name in there:
            continue
        if cell.name == "given":
            if cell.source.strip() and not TOOLS.fullmatch(cell.source.strip()):
                found.append(cell)
                notes.append("the cell 'given' is gone; it is taken as it was handed out")
            continue
        names = _functions(cell.source)
        like = [other for other in nameless if names & _functions(other.source)]
        wanted = ", ".join(sorted(names))
        if like:
            taken = like[-1]
            found.append(Cell(cell.name, taken.position, taken.source, False))
            notes.append(f"cell {taken.position} has lost its id; it defines {wanted} and is read as {cell.name!r}")
        elif there or found:
            notes.append(f"the cell {cell.name!r} is gone, and no other defines {wanted}")
    return found if any(cell.name != "given" for cell in (*chosen, *found)) else []


def _functions(source: str) -> set[str]:
    """The functions that a cell defines, as far as it is Python; else those whose `def` begins a line."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^def (\w+)", source, flags=re.M))


def _name(cell: dict[str, Any], position: int, notes: list[str]) -> tuple[str, bool]:
    """(the name of a cell, whether its own id says it); "" for a cell that the learner added."""
    meta = cell.get("metadata")
    nbgrader = meta.get("nbgrader") if isinstance(meta, dict) else None
    found = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    grade_id, own = str(found or "")[:ID], str(cell.get("id") or "")[:ID]
    if grade_id != grade_id.strip():
        notes.append(f"cell {position}: the id {grade_id!r} has a space around it; read as {grade_id.strip()!r}")
        grade_id = grade_id.strip()
    if not NAMES.fullmatch(own):
        return grade_id, False
    if grade_id and grade_id != own:
        notes.append(f"cell {position}: came as {own!r} and is now called {grade_id!r}; read as {own!r}")
    return own, True


def _one(cells: list[Cell], notes: list[str]) -> Cell | None:
    """The cell that counts among those of one name (rule 3); None where nothing decides."""
    if len(cells) == 1:
        return cells[0]
    name, places = cells[0].name, " and ".join(str(cell.position) for cell in cells)
    own = [cell for cell in cells if cell.own]
    if len({cell.source.strip() for cell in cells}) == 1:
        notes.append(f"the id {name!r} stands on cells {places}, with the same text; it is read once")
        return (own or cells)[0]
    if len({cell.source.strip() for cell in own}) == 1:
        notes.append(f"the id {name!r} stands on cells {places}; cell {own[0].position} came with it and counts")
        return own[0]
    notes.append(f"the id {name!r} stands on cells {places}, and nothing tells which counts; delete all but one")
    return None


def _text(source: Any) -> str:
    """A cell's text: a string, or the list of its lines. IPython's own commands (%, !) are left out; in a cell that is
    Python as it stands there are none, only lines of a text that begin like one.
    """
    whole = source if isinstance(source, str) else "".join(map(str, source)) if isinstance(source, list) else ""
    try:
        with warnings.catch_warnings(action="ignore"):  # of an odd escape in a text
            ast.parse(whole)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return re.sub(r"^(%%?\w|!).*$", "pass", whole, flags=re.M)
    return whole


def _kept(notes: list[str]) -> tuple[str, ...]:
    """As much of the notes as somebody reads."""
    return tuple(note if len(note) <= NOTE else note[: NOTE - 3] + "..." for note in notes[:NOTES])


def _damaged(path: Path, why: str, *advice: str) -> Submission:
    return Submission((), refused="; ".join([f"{path.name} {why}", *advice]), damaged=why)
