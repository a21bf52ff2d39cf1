"""The report for the teacher: what waits for a person, which exercise is too hard, which misconception how often."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median

from ...files import write_text
from ..blank import blank
from ..marking import OUTCOMES
from ..submission import read
from .alike import fingerprint, groups
from .collect import SEVERAL
from .marks import TO_GRADE, UNREAD, Class
from .page import Markup, anchor, ident, many, page, table, tag
from .tables import points_text

HARD = 0.4  # an exercise that fewer than this share solve is called too hard
ENOUGH = 5  # students who tried, before anything is said about an exercise
KINDS = (*OUTCOMES[:-1], "not begun")


def report(found: Class) -> str:
    """The whole page."""
    count = len(found.students)
    title = f"A class of {count}: {found.layout}"
    graded = [row for row in found.work if row.points is not None]
    exercises = many(len(found.exercises), "exercise")
    words = (f"{many(len(found.work), 'notebook')}, {len(graded)} marked; {exercises} with {found.max} points. All "
             "marks come from the public checks with inputs that no student saw.")
    return page(title, tag("h1", title), tag("p", words), *_waiting(found), *_exercises(found), *_slips(found),
                *_alike(found), *_odd(found), *_class_list(found))  # fmt: skip


def write_report(found: Class, out: Path) -> None:
    """OUT/report.html."""
    write_text(out / "report.html", report(found))


def _names(found: Class) -> dict[str, str]:
    """id -> how a student is called here; two of one name with their ids."""
    called = Counter(student.called for student in found.students)
    return {s.id: f"{s.called} ({s.id})" if called[s.called] > 1 else s.called for s in found.students}


def _waiting(found: Class) -> list[Markup]:
    names = _names(found)
    lines = [(names[row.student], ident(row.exercise), row.outcome, row.what) for row in found.work if row.waits]
    if not lines:
        return []
    return [tag("h2", f"Waits for you: {len(lines)} without a mark"),
            tag("p", "None of these is a zero. Run the command again, ask for another file where it cannot be read, "
                     "or write a mark into manual.csv.", kind="soft"),
            table(("student", "exercise", "outcome", "why"), lines)]  # fmt: skip


def _exercises(found: Class) -> list[Markup]:
    lines = []
    for id in found.exercises:
        rows = [row for row in found.work if row.exercise == id]
        kinds = Counter(row.outcome for row in rows)
        tried = [row for row in rows if row.outcome not in ("not begun", TO_GRADE, UNREAD, "grader's fault")]
        share = kinds["right"] / len(tried) if tried else 0.0
        told = "too hard?" if len(tried) >= ENOUGH and share < HARD else ""
        reached = [row.points / row.max for row in rows if row.points is not None]
        bar = Markup(f'<span class=bar style="width:{6 * share:.2f}em"></span> {share:.0%}') if tried else ""
        lines.append((ident(id), *(kinds[kind] for kind in KINDS), len(found.students) - len(rows),
                      f"{median(reached):.0%}" if reached else "", bar, told))  # fmt: skip
    lines.sort(key=lambda line: line[-1], reverse=True)
    head = ("exercise", *KINDS, "not handed in", "median of points", "solved by those who tried", "")
    words = (f"“Too hard?” stands where fewer than {HARD:.0%} of at least {ENOUGH} who tried solved it. The declared "
             "difficulty is in the exercise's notebook.")
    return [tag("h2", "Exercises"), tag("p", words, kind="soft"), table(head, lines)] if lines else []


def _slips(found: Class) -> list[Markup]:
    told = Counter()
    for row in found.rows.values():
        for slip in {r["slip"] for r in row.results if r["slip"] and not r["passed"] and not r["waits"]}:
            told[row.exercise, slip] += 1
    where = found.exercises.index
    order = sorted(told.items(), key=lambda pair: (-pair[1], where(pair[0][0]), pair[0][1]))
    lines = [(count, ident(id), slip) for (id, slip), count in order]
    head = ("students", "exercise", "what they seem to think")
    return [tag("h2", "Misconceptions"), table(head, lines)] if lines else []


def _alike(found: Class) -> list[Markup]:
    prints = {key: row.print for key, row in found.rows.items()}
    blanks = {id: _blank_print(id) for id in found.exercises}
    names = _names(found)
    together = groups(prints, blanks)
    lines = [(ident(id), size, ", ".join(names[student] for student in students)) for id, size, students in together]
    if not lines:
        return []
    words = ("Equal after names, comments, layout and docstrings are taken away. Short answers are left out; the "
             "longer the answer, the less likely is chance. It is a question to ask, no finding.")
    return [tag("h2", "The same program"), tag("p", words, kind="soft"),
            table(("exercise", "size (nodes)", "students"), lines)]  # fmt: skip


def _class_list(found: Class) -> list[Markup]:
    """Everybody with their points, and the way to their feedback."""
    if not found.students:
        return []
    lines = []
    for student in found.students:
        rows = found.of(student)
        most, total = sum(row.max for row in rows if not row.waits), points_text(found.total(student))
        words = (f"{total} of {most}" if most else "") if rows else "nothing handed in"
        waits = sum(row.waits for row in rows)
        link = anchor(f"feedback/{student.folder}.html", "feedback") if rows else ""
        lines.append((student.called, ident(student.id), words, f"{waits} without a mark" if waits else "", link))
    words = tag("p", "Points of what was handed in. As a table: ", anchor("marks.csv", "marks.csv"), kind="soft")
    return [tag("h2", "The class"), words, table(("student", "id", "points", "", ""), lines)]


def _blank_print(id: str) -> str:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="speechnas-") as folder:
        path = Path(folder) / f"{id}.ipynb"
        path.write_text(blank(id), encoding="utf-8")
        return fingerprint(read(path))[0]


def _odd(found: Class) -> list[Markup]:
    names = _names(found)
    lines = [tag("li", note) for note in found.notes]
    for row in found.rows.values():
        lines += [tag("li", f"{names[row.student]}, {row.exercise}: {note}") for note in dict.fromkeys(row.notes)]
    return [tag("h2", "What was odd"), tag("ul", *lines, kind="soft")] if lines else []


def on_screen(found: Class) -> list[str]:
    """What a teacher should hear at once of all that was odd."""
    names = _names(found)
    twice = [f"{names[row.student]}, {row.exercise}: {note}" for row in found.work for note in row.notes
             if SEVERAL in note]  # fmt: skip
    return [*found.notes, *twice]


def summary(found: Class) -> str:
    """A few lines for a terminal."""
    kinds = Counter(row.outcome for row in found.work)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    waiting = sum(row.waits for row in found.work)
    students, notebooks = many(len(found.students), "student"), many(len(found.work), "notebook")
    lines = [f"{students}, {notebooks}: {told or 'nothing handed in'}"]
    if waiting:
        lines.append(f"{waiting} without a mark, which is no zero: see report.html")
    return "\n".join(lines)


def as_json(found: Class) -> dict[str, dict[str, dict[str, object]]]:
    """Student id -> exercise id -> points, max, outcome."""
    told: dict[str, dict[str, dict[str, object]]] = {student.id: {} for student in found.students}
    for row in found.rows.values():
        told[row.student][row.exercise] = {"points": row.points, "max": row.max, "outcome": row.outcome}
    return told
