"""What a learner calls in a notebook, or in any Python: `check`, `hint`, `progress`, `reset`, `buttons`.

Each returns something that shows itself: as HTML where a page can show it, as plain lines elsewhere. Every mark says in
words what its sign and its place say.
"""

from __future__ import annotations

import os
import secrets
import sys
import warnings
from contextlib import redirect_stderr
from difflib import get_close_matches
from html import escape
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..files import write_bytes, write_text
from . import state
from .blank import blank
from .course import EXERCISES, exercise
from .exercise import Exercise
from .marking import Mark, mark

PASSED, FAILED, WAITS = "✓ passed ", "✗ not yet", "… waits  "
WORDS = {1: "a question", 2: "a plan", 3: "a few lines"}
BOX = "border-left: 4px solid #d55e00; padding: 0.2em 0 0.2em 0.8em; margin: 0.5em 0"


class Shown:
    """Something with an HTML and a plain form."""

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


def check(id: str, seed: int | None = None) -> Shown:
    """Try your answer to exercise `id` on fresh inputs. seed: of a try to repeat; its report tells it."""
    return _check(id, seed, sys._getframe(1).f_globals)


def _check(id: str, seed: int | None, namespace: dict[str, Any]) -> Shown:
    found = _find(id)
    if isinstance(found, Shown):
        return found
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        return _line(f"seed is {seed!r}; give the whole number that a report named, or leave it out")
    done = _mark(found, namespace, secrets.randbits(32) if seed is None else seed)
    told = "" if done.outcome == "grader's fault" else state.record(id, state.tried(done.points))
    return report(found, done, told)


def must_pass(id: str) -> None:
    """Raise AssertionError with the first failure where the caller's answer does not earn all points; else be silent.

    For cells that other graders run. nbgrader takes whatever stands on stderr for a failure: an answer's warnings do
    not go there, and those of the cell's further lines are not shown.
    """
    warnings.simplefilter("ignore")
    try:
        found = exercise(id)
    except BadInput as error:
        raise AssertionError(str(error)) from None
    failure = _mark(found, sys._getframe(1).f_globals, secrets.randbits(32)).first_failure
    if failure:
        raise AssertionError(" | ".join(text for text in (failure.what, failure.case, failure.slip) if text))


def _mark(found: Exercise, namespace: dict[str, Any], seed: int) -> Mark:
    with redirect_stderr(sys.stdout):
        return mark(found, namespace, seed)


def report(found: Exercise, done: Mark, told: str = "") -> Shown:
    """What a learner sees of a mark: a line for each check, the first failure explained, how to repeat it.

    A check that waits has no cross: what it asks for may be right already.
    """
    head = f"{found.id}: {done.points} of {done.max} points, public checks"
    rows = []
    for r in done.results:
        sign = PASSED if r.passed else WAITS if r.waits else FAILED
        rows.append((sign, f"{r.name} ({_count(r.points, 'point')})"))
    failure, facts, last = done.first_failure, [], []
    if failure is None:
        last.append("All public checks pass. A class is graded by these checks on other inputs.")
    else:
        said = (("What failed", failure.what), ("Example", failure.case), ("Likely slip", failure.slip))
        facts = [(name, value) for name, value in said if value]
        last.append(f'The same inputs again: check("{found.id}", seed={done.seed}). A hint: hint("{found.id}").')
    if any(r.waits for r in done.results):
        last.insert(0, "What waits cannot be judged before what it builds on is right: look for no mistake there.")
    last += [told] if told else []
    html = f"<p><b>{escape(head)}</b></p><ul style='list-style: none; padding-left: 0.5em; margin: 0'>"
    html += "".join(f"<li>{escape(sign)} &nbsp;{escape(name)}</li>" for sign, name in rows) + "</ul>"
    if facts:
        lines = "".join(f"<div><b>{name}.</b> {escape(value)}</div>" for name, value in facts)
        html += f'<div style="{BOX}">{lines}</div>'
    html += "".join(f"<p>{escape(line)}</p>" for line in last)
    text = [head, *(f"  {sign}  {name}" for sign, name in rows), *(f"{name}: {value}" for name, value in facts), *last]
    return Shown(html, "\n".join(text))


def hint(id: str, rung: int = 1) -> Shown:
    """Show the hints of exercise `id` up to `rung`: 1 a question, 2 a plan, 3 a few lines. Further ones unfold."""
    found = _find(id)
    if isinstance(found, Shown):
        return found
    if type(rung) is not int or rung not in WORDS:
        return _line(f"rung is {rung!r}; there are 1 (a question), 2 (a plan) and 3 (a few lines)")
    told, inner = state.record(id, state.hinted(rung)), ""
    for number in (3, 2, 1):
        words = escape(found.hints[number - 1])
        body = f'<pre style="white-space: pre-wrap">{words}</pre>' if number == 3 else f"<p>{words}</p>"
        inner = (
            f'<details{" open" if number <= rung else ""} style="margin: 0.3em 0 0.3em 1em">'
            f'<summary style="cursor: pointer">Hint {number} of 3: {WORDS[number]}</summary>{body}{inner}</details>'
        )
    text = [f"Hint {rung} of 3, {WORDS[rung]}: {found.hints[rung - 1]}"]
    if rung < 3:
        text.append(f'hint("{id}", {rung + 1}) opens the next, {WORDS[rung + 1]}.')
    last = [*text[1:], *([told] if told else [])]
    html = inner + "".join(f"<p>{escape(line)}</p>" for line in last)
    return Shown(html, "\n".join([text[0], *last]))


def progress() -> Shown:
    """All exercises: points so far, minutes, difficulty, tries, hints."""
    done, told = state.load()
    head = ("exercise", "title", "points", "minutes", "difficulty", "tries", "hints")
    rows, right, points, most = [], 0, 0, 0
    for id in EXERCISES:
        found, entry = exercise(id), done.get(id, state.Done())
        best = min(entry.best, found.points)
        right, points, most = right + (best == found.points), points + best, most + found.points
        earned = f"{best} of {found.points}" + (" ✓" if best == found.points else "")
        difficulty = f"{found.difficulty} of 5"
        rows.append((id, found.title, earned, str(found.minutes), difficulty, str(entry.tries), str(entry.hints)))
    total = f"{right} of {len(rows)} exercises right, {points} of {most} points (public checks)"
    last = [line for line in (total, told) if line]
    html = "<table><tr>" + "".join(f'<th scope="col" style="text-align: left">{h}</th>' for h in head) + "</tr>"
    for id, *rest in rows:
        link = _link(id)
        name = f'<a href="{escape(link)}">{id}</a>' if link else id
        cells = "".join(f'<td style="text-align: left">{escape(value)}</td>' for value in rest)
        html += f'<tr><th scope="row" style="text-align: left">{name}</th>{cells}</tr>'
    html += "</table>" + "".join(f"<p>{escape(line)}</p>" for line in last)
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(v.ljust(w) for v, w in zip(line, wide, strict=True)).rstrip() for line in (head, *rows)]
    return Shown(html, "\n".join([*lines, *last]))


def reset(id: str) -> Shown:
    """Bring back the blank notebook of exercise `id`. What you wrote is kept beside it, under a numbered name."""
    found = _find(id)
    if isinstance(found, Shown):
        return found
    folder = exercises_folder()
    if folder is None:
        return _line("there is no folder exercises here or above; call reset from a notebook of the course")
    path = folder / id / f"{id}.ipynb"
    name, kept = os.path.relpath(path), ""
    try:
        text = blank(id)
        if path.exists():
            if path.read_bytes() == text.encode():
                return _line(f"{name} is blank already.")
            aside = state.free_name(path, "mine")
            write_bytes(aside, path.read_bytes())
            kept = f" Yours is kept as {aside.name}."
        write_text(path, text)
    except BadInput as error:
        return _line(str(error))
    except OSError as error:
        return _line(f"{name} could not be reset ({error.strerror}); nothing was lost")
    return _line(f"{name} is blank again.{kept} To see it in JupyterLab: File, Reload Notebook from Disk.")


def buttons(id: str) -> Shown | None:
    """Buttons for check, hint and progress, where a page shows them; elsewhere the calls that do the same."""
    found = _find(id)
    if isinstance(found, Shown):
        return found
    calls = f'check("{id}"), hint("{id}"), hint("{id}", 2), progress(), reset("{id}")'
    words = f"Buttons show while the notebook runs. In code, the same: {calls}"
    namespace = sys._getframe(1).f_globals
    try:
        import ipywidgets
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return _line(f"Buttons need ipywidgets (pip install ipywidgets). In code, the same: {calls}")
    if getattr(get_ipython(), "kernel", None) is None:
        return _line(f"Call: {calls}")
    page, rung = ipywidgets.Output(), 0

    def show(what: Shown) -> None:
        page.outputs = ({"output_type": "display_data", "data": what._repr_mimebundle_(), "metadata": {}},)

    def next_hint(_: Any) -> None:
        nonlocal rung
        rung = min(rung + 1, 3)
        show(hint(id, rung))

    row = []
    for label, action in (
        ("Check", lambda _: show(_check(id, None, namespace))),
        ("Hint", next_hint),
        ("Progress", lambda _: show(progress())),
    ):
        button = ipywidgets.Button(description=label)
        button.on_click(action)
        row.append(button)
    panel = ipywidgets.VBox([ipywidgets.HBox(row), page])
    display({**panel._repr_mimebundle_(), "text/plain": words}, raw=True)
    return None


def exercises_folder() -> Path | None:
    """The folder of the exercises, here or above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if any((folder / "exercises" / id / f"{id}.ipynb").is_file() for id in EXERCISES):
            return folder / "exercises"
    return None


def _link(id: str) -> str:
    """How a page in the current folder reaches the notebook of an exercise; "" where it is not here."""
    folder = exercises_folder()
    path = folder / id / f"{id}.ipynb" if folder else None
    return Path(os.path.relpath(path)).as_posix() if path and path.is_file() else ""


def _find(id: str) -> Exercise | Shown:
    """The exercise, or a line that says what to write instead."""
    try:
        return exercise(id)
    except BadInput as error:
        near = get_close_matches(str(id), EXERCISES, 1)
        return _line(f"no exercise is called {id!r}; did you mean {near[0]!r}?" if near else str(error))
    except TypeError:
        return _line(f'an exercise is named by a text such as "03-mixed-op", not by {id!r}')


def _line(text: str) -> Shown:
    return Shown(f"<p>{escape(text)}</p>", text)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
