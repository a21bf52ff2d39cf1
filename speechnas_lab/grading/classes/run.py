"""One run over a class: gather, grade what changed, write everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...search.lock import Lock
from ..course import EXERCISES, exercise
from ..graded import Graded
from ..judge import Job, Judge, JudgeLimits
from ..submission import Submission, read
from .alike import fingerprint
from .collect import Gathered, Handed, gather, root_of
from .feedback import write_feedback
from .gradebook import marks_by_hand, write_gradebook
from .gradescope import write_autograder
from .late import Late, for_class
from .marks import UNREAD, Class, Manual, by_id, marks, read_manual
from .names import Names, known_exercise, listing
from .page import many
from .people import People, read_people
from .report import write_report
from .store import Store
from .tables import write_tables


@dataclass(frozen=True)
class Settings:
    """What a run is told beside the class. again: students, STUDENT/EXERCISE or "all", graded whatever is known.
    options: what the next run is to know of this one, see `options`.
    """

    people: Path | None = None
    late: Late = Late()  # noqa: RUF009
    seconds: float = 60.0
    memory_mb: int = 1000
    workers: int = 2
    seed: int | None = None
    again: tuple[str, ...] = ()
    options: dict[str, Any] | None = None
    judge: Callable[..., Any] = field(default=Judge, repr=False)


def grade_class(place: Path, out: Path, settings: Settings = Settings(), progress: bool = False) -> Class:  # noqa: B008
    """Grade a class into `out`. Run it again to go on, or after something changed: only that is graded."""
    inside, around = root_of(place).resolve(), out.resolve()
    if inside in (around, *around.parents) or around in inside.parents:
        raise BadInput(f"--out {out} and the class in {place} lie in one another: choose a folder beside the class")
    out.mkdir(parents=True, exist_ok=True)
    lock = Lock(out / "running.lock")
    lock.acquire()
    try:
        manual = read_manual(out / "manual.csv")
        people = read_people(settings.people)
        gathered = gather(place, people, out / "unpacked")
        names = Names(gathered.students, listed=bool(people.students))
        manual = by_id(manual, names, gathered.notes)
        settings = replace(settings, late=for_class(settings.late, names, gathered.notes))
        again = wanted_again(settings.again, names, gathered)
        store = Store(out, settings.seed)
        if settings.options is not None:
            store.keep("options", settings.options)
        gathered.notes[:0] = missing(gathered, store)
        marked = _grade(gathered, store, settings, again, progress)
        found = _written(gathered, store, manual, settings, people, out)
        found.marked = marked
        store.keep("notebooks", found.notebooks)
        return found
    finally:
        lock.release()


def missing(gathered: Gathered, store: Store) -> list[str]:
    """A line on how many notebooks of the last run are gone."""
    now = Counter(handed.exercise for handed in gathered.work)
    before = store.kept_value("notebooks")
    gone = (Counter(before) if isinstance(before, dict) else Counter()) - now
    if not gone:
        return []
    verb, their = ("are", "their marks are") if gone.total() > 1 else ("is", "its mark is")
    return [f"{many(gone.total(), 'notebook')} of the last run {verb} not here ({listing(gone)}); {their} left out"]


def wanted_again(asked: tuple[str, ...], names: Names, gathered: Gathered) -> set[tuple[str, str]]:
    """The notebooks that --again names: a student, STUDENT/EXERCISE or all. BadInput where there is no such."""
    there = {(handed.student, handed.exercise) for handed in gathered.work}
    found = set()
    for word in asked:
        try:
            mine = there if word == "all" else _of_word(word, names, there)
        except BadInput as error:
            raise BadInput(f"--again: {error}") from None
        found |= mine
    return found


def _of_word(word: str, names: Names, there: set[tuple[str, str]]) -> set[tuple[str, str]]:
    who, slash, id = word.rpartition("/")
    if not slash or word in names.students:
        student, mine = names.find(word), None
    else:
        student, mine = names.find(who), known_exercise(id)
    found = {key for key in there if key[0] == student and mine in (None, key[1])}
    if not found:
        raise BadInput(f"{student} has not handed in {mine or 'anything'}")
    return found


def _grade(
    gathered: Gathered, store: Store, settings: Settings, again: set[tuple[str, str]], progress: bool
) -> int:
    """Grade what no record covers and what is asked for again; every result is kept at once. How many it were."""
    from tqdm import tqdm

    limits = JudgeLimits(seconds=settings.seconds, memory_mb=settings.memory_mb)
    waiting = [handed for handed in gathered.work if _wanted(handed, store, limits, again, gathered)]
    if not waiting:
        return 0
    asked: dict[str, tuple[Handed, str, tuple[str, int]]] = {}

    def jobs() -> Iterator[Job]:
        for number, handed in enumerate(waiting):
            submission = read_surely(handed.path)
            if isinstance(submission, str):
                store.add(handed.student, handed.exercise, "", fault(handed.exercise, submission), ("", 0))
                bar.update()
                continue
            hash = store.hash(handed.exercise, submission, limits)
            if submission.damaged:
                store.add(handed.student, handed.exercise, hash, unread(handed.exercise, submission.damaged), ("", 0))
                bar.update()
                continue
            asked[str(number)] = handed, hash, fingerprint(submission)
            yield Job(str(number), handed.exercise, submission, store.seed_of(handed.exercise))

    with (
        settings.judge(limits, settings.workers) as judge,
        tqdm(total=len(waiting), desc="grading", unit="notebook", disable=not progress, smoothing=0.05) as bar,
    ):
        for graded in judge.grade(jobs()):
            handed, hash, print = asked.pop(graded.key)
            store.add(handed.student, handed.exercise, hash, graded, print)
            bar.update()
    return len(waiting)


def read_surely(path: Path) -> Submission | str:
    """What a notebook holds; why it could not be read, where that is our own mistake and not the notebook's."""
    try:
        return read(path)
    except Exception as error:  # one notebook must not stop the others
        return f"the notebook could not be read ({type(error).__name__}: {str(error)[:80]})"


def fault(id: str, what: str) -> Graded:
    """A result that is no mark."""
    return Graded(id, None, exercise(id).points, "grader's fault", what)


def unread(id: str, why: str) -> Graded:
    """A result that is no mark, of a file that holds no notebook. why: in words about it."""
    return Graded(id, None, exercise(id).points, UNREAD, f"the notebook {why}: hand it in again")


def _wanted(
    handed: Handed, store: Store, limits: JudgeLimits, again: set[tuple[str, str]], gathered: Gathered
) -> bool:
    """Whether a notebook is graded now. One that cannot be read is told."""
    submission = read_surely(handed.path)
    if isinstance(submission, str):
        return True
    if submission.refused:
        called = gathered.students[handed.student].called
        gathered.notes.append(f"{called}, {handed.exercise}: it cannot be marked: "
                              f"{f'the notebook {damage}' if (damage := submission.damaged) else submission.refused}")
    if (handed.student, handed.exercise) in again:
        return True
    hash = store.hash(handed.exercise, submission, limits)
    return store.get(handed.student, handed.exercise, hash) is None


def _written(gathered: Gathered, store: Store, manual: dict[tuple[str, str], Manual], settings: Settings,
             people: People, out: Path) -> Class:  # fmt: skip
    """Write all files; each appears whole."""
    by_hand = marks_by_hand(out, gathered.students, bool(find_spec("nbgrader")))
    for key, given in manual.items():
        earlier = by_hand.get(key, Manual(None)).points
        by_hand[key] = Manual(earlier if given.points is None else given.points, given.comment)
    found = marks(gathered, store, by_hand, settings.late)
    write_tables(found, people, out)
    write_feedback(found, out)
    write_autograder(out / "gradescope" / "autograder.zip", found.exercises or list(EXERCISES))
    if find_spec("nbgrader"):
        write_gradebook(found, settings.late, manual, out)
    else:
        found.notes.append("no gradebook for nbgrader was written: pip install 'speechnas-lab[class]'")
    write_report(found, out)
    return found
