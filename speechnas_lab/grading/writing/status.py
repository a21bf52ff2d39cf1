"""Where an exercise stands, for whoever writes it: `speechnas grade --new ID`, as often as you like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from traceback import extract_tb

from ...errors import BadInput
from ...files import write_json
from ..blank import STORE
from ..course import EXERCISES, exercise
from ..exercise import Exercise
from .alive import equivalent, survivors
from .skeleton import clone, make
from .source import EQUIVALENT, ROOT, answers, files, notebook
from .trial import RIGHT, WRONG, answer_problems, hidden_problems, judged_problems, solution_problems

DONE, OPEN = "ok    ", "to do "
MOST = 12  # lines shown of one kind


def new(id: str) -> Iterator[str]:
    """Make exercise `id` where there is none, then say where it stands, line by line."""
    clone()
    if id not in EXERCISES:
        made = make(id)
        yield f"{id} is made, as a small exercise that works. Rewrite these three files, then run this command again:"
        yield from (f"  {path.relative_to(ROOT)}" for path in (made.solution, made.checks, made.mutants))
        yield "It is listed in speechnas_lab/grading/course.py. How to go on: docs/teaching.md, \"A new exercise\"."
    yield from stands(id)


def stands(id: str) -> Iterator[str]:
    """Each thing that an exercise needs: ok, or to do with the reasons."""
    found = _loaded(id)
    yield from (f"tidied {line}" for line in tidy(id, found))
    yield from told("text of your own everywhere", _templates(id))
    yield from told("text and checks agree", _disagreements(id, found))
    broken = solution_problems(id)
    yield from told(f"the solution earns all {found.points} points with ten seeds", broken)
    yield from told("the check cell accepts right answers and refuses a blank", hidden_problems(id))
    tried = answers(id)
    wrong, right = ([answer for answer in tried if answer.kind == kind] for kind in ("wrong", "right"))
    counts = (("wrong", len(wrong), WRONG), ("right", len(right), RIGHT))
    few = [f"{kind} answers: {count} of at least {least}" for kind, count, least in counts if count < least]
    yield from told(f"{len(wrong)} wrong and {len(right)} right answers in {files(id).mutants.relative_to(ROOT)}", few)
    yield from told("each wrong answer hears its slip", [line for a in wrong for line in answer_problems(a)[:1]])
    yield from told("each other right answer passes", [line for a in right for line in answer_problems(a)[:1]])
    if broken:
        yield f"{OPEN}small changes of the solution: they are tried once it earns all points"
    else:
        yield from _alive(id)
    try:
        yield from told("the judge of a class gives the same points", judged_problems(id))
    except BadInput as error:
        yield f"{OPEN}the judge of a class: not tried here ({error})"
    yield from told("released", _unreleased(id))
    yield from told("README.md and docs/teaching.md name it", _unnamed(id, found))


def _loaded(id: str) -> Exercise:
    """The exercise; BadInput that names the line where its checks file does not run."""
    try:
        return exercise(id)
    except Exception as error:
        places = [frame for frame in extract_tb(error.__traceback__) if frame.filename == str(files(id).checks)]
        where = f", line {places[-1].lineno}" if places else ""
        path = files(id).checks.relative_to(ROOT)
        raise BadInput(f"{path}{where} does not run: {type(error).__name__}: {error}") from None


def told(what: str, problems: list[str]) -> Iterator[str]:
    """One line where all is well; else that and the reasons."""
    yield f"{OPEN if problems else DONE}{what}"
    yield from (f"         {line}" for line in problems[:MOST])
    if len(problems) > MOST:
        yield f"         and {len(problems) - MOST} more"


def tidy(id: str, found: Exercise) -> list[str]:
    """Take out of a solution what an editor left there, and write down the points that its checks sum to; return what
    was done.
    """
    path = files(id).solution
    before = path.read_text(encoding="utf-8")
    data, done = json.loads(before), []
    for cell in data["cells"]:
        if cell.get("outputs") or cell.get("execution_count"):
            cell["outputs"], cell["execution_count"] = [], None
            done.append("outputs taken out")
        nbgrader = cell["metadata"].get("nbgrader", {})
        if set(cell["metadata"]) - {"nbgrader"}:
            cell["metadata"] = {"nbgrader": nbgrader} if nbgrader else {}
            done.append("an editor's marks on cells taken out")
        if nbgrader.get("grade_id") and cell.get("id") != nbgrader["grade_id"]:
            cell["id"] = nbgrader["grade_id"]
            done.append("cells' own ids made their nbgrader ids")
        if nbgrader.get("grade_id") == "check" and nbgrader.get("points") != found.points:
            nbgrader["points"] = found.points
            done.append(f"the check cell carries {found.points} points, the sum of the checks")
    plain = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
             "language_info": {"name": "python"}}  # fmt: skip
    if data["metadata"] != plain:
        data["metadata"] = plain
        done.append("the notebook's kernel made plain Python 3")
    if done:
        write_json(path, data)
    return list(dict.fromkeys(done))


def _templates(id: str) -> list[str]:
    """Lines that still hold the word TEMPLATE."""
    place, found = files(id), []
    for path in (place.checks, place.mutants):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
            if "TEMPLATE" in line:
                found.append(f"{path.relative_to(ROOT)}, line {number}: {line.strip()[:60]}")
    for cell in notebook(place.solution)["cells"]:
        found += [f"{place.solution.relative_to(ROOT)}, cell {cell.get('id')!r}: {line.strip()[:60]}"
                  for line in cell["source"].splitlines() if "TEMPLATE" in line]  # fmt: skip
    return found


def _disagreements(id: str, found: Exercise) -> list[str]:
    """What the solution's text says otherwise than the checks file."""
    cells, lines = notebook(files(id).solution)["cells"], []
    named = {cell["metadata"].get("nbgrader", {}).get("grade_id"): cell["source"] for cell in cells}
    needed = ("task", "given", "answer", "check", "next")
    lines += [f"a cell with the nbgrader id {name!r} is missing" for name in needed if name not in named]
    task = named.get("task", "")
    code = "\n".join(text for name, text in named.items() if str(name).startswith("answer"))
    for wanted in (f"# Exercise {id}: ", f"**Difficulty** {found.difficulty} of 5", f"about {found.minutes} minutes",
                   f"../../notebooks/{found.lesson}.ipynb"):  # fmt: skip
        if wanted not in task:
            lines.append(f"the task does not say {wanted!r}, as the checks file does")
    lines += [f"the answer cells do not define {name}" for name in found.defines
              if not re.search(rf"^(def|class) {name}\b", code, flags=re.M)]  # fmt: skip
    if "### BEGIN SOLUTION" not in code:
        lines.append("the answer cells have no ### BEGIN SOLUTION ... ### END SOLUTION, so the solution is handed out")
    if "### BEGIN HIDDEN TESTS" not in named.get("check", ""):
        lines.append("the check cell has no ### BEGIN HIDDEN TESTS ... ### END HIDDEN TESTS")
    if not found.hints[0].rstrip().endswith("?"):
        lines.append("the first hint is no question")
    return lines


def _alive(id: str) -> Iterator[str]:
    """The changes of the solution that no check notices."""
    from tqdm import tqdm

    with tqdm(desc="small changes of the solution", unit="change", leave=False) as bar:

        def tick(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        lived, tried = survivors(id, tick)
    known = equivalent(id)
    new = [change for change in lived if change not in known]
    kept = f", {len(lived) - len(new)} argued to make no difference" if len(lived) > len(new) else ""
    words = f"{tried} small changes of the solution: {tried - len(lived)} noticed{kept}, {len(new)} live"
    yield from told(words, [f"{id} | {change} |" for change in new])
    if new:
        yield "         Catch each with a better check, or, where it makes no difference, copy its line into"
        yield f"         {EQUIVALENT.relative_to(ROOT)} and write the reason behind it."
    gone = sorted(set(known) - set(lived))
    if gone:
        yield from told(f"{EQUIVALENT.relative_to(ROOT)} holds only changes that live", gone)


def _unreleased(id: str) -> list[str]:
    """Whether exercises/ID and the blank for `reset` are what the solution says."""
    path = files(id).released
    cure = f"run python tests/exercise_release.py {id}, and commit exercises/{id} and {STORE.name}"
    if not path.exists():
        return [f"{path.relative_to(ROOT)} is not there: {cure}"]
    released, full = (notebook(p)["cells"] for p in (path, files(id).solution))
    regions = {"SOLUTION": r"\g<1># YOUR CODE HERE\n\g<1>raise NotImplementedError()", "HIDDEN TESTS": ""}
    same = [cell["source"].rstrip() for cell in released] == [_blanked(cell["source"], regions) for cell in full]
    kept = json.loads(STORE.read_text(encoding="utf-8")).get(id) == path.read_text(encoding="utf-8")
    return [] if same and kept else [f"the released notebook is not of this solution: {cure}"]


def _blanked(source: str, regions: dict[str, str]) -> str:
    for name, stub in regions.items():
        source = re.sub(rf"^([ \t]*)### BEGIN {name}\n.*?### END {name}$", stub, source, flags=re.S | re.M)
    return source.rstrip()


def _unnamed(id: str, found: Exercise) -> list[str]:
    """Whether the course's map and the term's plan have the exercise."""
    link = f"[{id}](exercises/{id}/{id}.ipynb) ({found.minutes})"
    wanted = {"README.md": link, "docs/teaching.md": f" {id}"}
    texts = {name: (ROOT / name).read_text(encoding="utf-8") if (ROOT / name).exists() else "" for name in wanted}
    return [f"{name}: write {words.strip()} into the row of lesson {found.lesson[:2]}"
            for name, words in wanted.items() if words not in texts[name]]  # fmt: skip
