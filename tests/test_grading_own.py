"""Marks of one's own notebooks: each answer alone, within limits, and nothing left behind."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import psutil
import pytest
from exercise_files import ROOT, solution_code

from speechnas_lab import cli
from speechnas_lab.grading import EXERCISES, own
from speechnas_lab.grading.blank import blank
from speechnas_lab.grading.marking import OUTCOMES
from speechnas_lab.grading.submission import read

WER = solution_code("01-wer")
QUICK = own.Limits(seconds=20, memory=300)


def notebook(*cells: tuple[str, str, str]) -> dict:
    """A notebook of code cells (grade_id, own id, source)."""
    made = [
        {"cell_type": "code", "id": own_id, "source": source, "outputs": [], "execution_count": None,
         "metadata": {"nbgrader": {"grade_id": name}} if name else {}}
        for name, own_id, source in cells
    ]  # fmt: skip
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def written(folder: Path, id: str, *cells: tuple[str, str, str]) -> Path:
    path = folder / id / f"{id}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
    return path


def graded(folder: Path, answer: str, id: str = "01-wer", limits: own.Limits = QUICK) -> own.Graded:
    return own.grade_one(id, written(folder, id, ("answer", "answer", answer)), limits, seed=1)


def left(word: str) -> list[psutil.Process]:
    """Living processes whose command holds `word`."""
    found = []
    for process in psutil.process_iter():
        try:
            if word in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


# Limits ---------------------------------------------------------------------------------------------------------------
HARMFUL = {
    "endless loop": ("while True: pass", "over the limit", "longer than 1.5 seconds"),
    "endless loop in the function": ("def wer(a, b):\n    while True: pass", "over the limit", "longer than"),
    "memory": ('x = []\nwhile True: x.append("a" * 10**6)', "over the limit", "memory"),
    "memory in the function": ('def wer(a, b):\n    x = []\n    while True: x.append("a" * 10**6)', "over", "memory"),
    "one large block": ("x = bytearray(2**33)", "over the limit", "memory"),
    "flood of output": ('while True: print("x" * 10**6)', "over the limit", "printed more than"),
    "flood of errors": ('import sys\nwhile True: sys.stderr.write("x" * 10**6)', "over the limit", "printed more"),
    "input": ("name = input()", "does not run", "asks for input"),
    "input in the function": ("def wer(a, b):\n    return float(input())", "does not run", "EOFError"),
    "exit": ("import sys\nsys.exit()", "does not run", "ends the program"),
    "hard exit": ("import os\nos._exit(0)", "does not run", "ended its process (exit status 0)"),
    "exit in the function": ("import sys\ndef wer(a, b):\n    sys.exit(0)", "does not run", "SystemExit"),
    "hard exit in the function": ("import os\ndef wer(a, b):\n    os._exit(0)", "does not run", "ended its process"),
    "crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "does not run", "signal 11"),
    "endless recursion": ("def wer(a, b):\n    return wer(a, b)", "does not run", "RecursionError"),
    "no Python": ("def wer(a, b) return 1", "does not run", "line 1: SyntaxError"),
    "late error": ("x = 1\n\nx / 0", "does not run", "line 3: ZeroDivisionError"),
    "nothing": ("", "does not run", "wer is not defined"),
    "blank": ("def wer(a, b):\n    raise NotImplementedError()", "not begun", ""),
    "blank cell": ("raise NotImplementedError()", "does not run", "still to be written"),
    "equals everything": (
        "class Any(float):\n    __eq__ = lambda s, o: True\n    __abs__ = __sub__ = __rsub__ = lambda s, o=0: 0.0\n"
        "def wer(a, b): return Any(7)", "wrong", "the result is"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_answers_earn_nothing_and_hear_why(name, tmp_path):
    answer, outcome, why = HARMFUL[name]
    start = time.monotonic()
    found = graded(tmp_path, answer, limits=own.Limits(1.5 if "endless loop" in name else 30, 300))
    assert found.points == 0 and found.max == 5
    assert found.outcome.startswith(outcome) and why in found.what, (found.outcome, found.what)
    assert "\n" not in found.what
    assert time.monotonic() - start < (4 if "endless loop" in name else 35)


def test_an_untouched_notebook_is_not_begun(tmp_path):
    for id in ("01-wer", "13-penalty"):
        place = tmp_path / f"{id}.ipynb"
        place.write_text(blank(id), encoding="utf-8")
        found = own.grade_one(id, place, own.Limits(30, 300), seed=1)
        assert (found.outcome, found.points, found.what) == ("not begun", 0, ""), found


@pytest.mark.parametrize("start", ["", ", start_new_session=True"], ids=["in the group", "in sessions of their own"])
def test_fifty_children_end_with_the_answer(start, tmp_path):
    word = f"6{time.time_ns() % 10**9:09d}.25"
    answer = f"import subprocess\nfor _ in range(50):\n    subprocess.Popen(['sleep', '{word}']{start})\n{WER}"
    found = graded(tmp_path, answer, limits=own.Limits(30, 300))
    assert found.outcome == "right"
    assert not left(word)


def test_children_that_hold_the_pipes_do_not_hold_the_grader(tmp_path):
    word = f"6{time.time_ns() % 10**9:09d}.5"
    answer = f"import os\nif os.fork() == 0:\n    os.setsid()\n    os.execvp('sleep', ['sleep', '{word}'])\n{WER}"
    start = time.monotonic()
    assert graded(tmp_path, answer).outcome == "right"
    assert time.monotonic() - start < 15 and not left(word)


def test_widgets_do_no_harm(tmp_path):
    answer = "from ipywidgets import interact\ninteract(lambda x: x, x=3)\n" + WER
    assert graded(tmp_path, answer).outcome == "right"


def test_one_bad_answer_does_not_touch_the_others(tmp_path, capsys):
    written(tmp_path, "01-wer", ("answer", "answer", "while True: pass"))
    written(tmp_path, "01-ctc-collapse", ("answer", "answer", solution_code("01-ctc-collapse")))
    start = time.monotonic()
    assert cli.main(["grade", str(tmp_path), "--json", str(tmp_path / "marks.json"), "--time", "6"]) == 0
    assert time.monotonic() - start < 2 * 6 + 2
    marks = json.loads((tmp_path / "marks.json").read_text())
    assert marks == {
        "01-wer": {"points": 0, "max": 5, "outcome": "over the limit"},
        "01-ctc-collapse": {"points": 6, "max": 6, "outcome": "right"},
    }
    said = capsys.readouterr().out
    assert "longer than 6 seconds" in said and "public checks" in said
    assert {mark["outcome"] for mark in marks.values()} <= set(OUTCOMES)


def test_an_answer_may_not_count_a_try(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHNAS_HOME", str(tmp_path / "home"))
    answer = WER + '\nfrom speechnas_lab.grading import check\ncheck("01-wer")'
    assert graded(tmp_path, answer).outcome == "right"
    assert not (tmp_path / "home").exists()


# Which cells ----------------------------------------------------------------------------------------------------------
GOOD, BAD = WER, "def wer(a, b):\n    return 3.0"
CASES = {
    "a copy with the same text": (
        [("answer", "answer", GOOD), ("answer", "4fa1", GOOD)], 5, "'answer' stands on cells 1 and 2"),
    "a copy below": ([("answer", "answer", GOOD), ("answer", "4fa1", BAD)], 5, "cell 1 came with it and counts"),
    "a copy above": ([("answer", "4fa1", BAD), ("answer", "answer", GOOD)], 5, "cell 2 came with it and counts"),
    "two that nothing tells apart": ([("answer", "1a", GOOD), ("answer", "2b", BAD)], 0, "delete all but one"),
    "the same, the other way round": ([("answer", "1a", BAD), ("answer", "2b", GOOD)], 0, "delete all but one"),
    "the check copied": ([("answer", "answer", GOOD), ("check", "check", "1/0"), ("check", "9c", "1/0")], 5, "2 and 3"),
    "two ids swapped": (
        [("check", "answer", GOOD), ("answer", "check", "check('01-wer')")], 5, "cell 1: came as 'answer'"),
    "a space at the end": ([("answer ", "5e", GOOD)], 5, "cell 1: the id 'answer ' has a space"),
    "no cell ids at all": ([("answer", "", GOOD)], 5, ""),
    "given after the answer": ([("answer", "answer", f"x = start\n{GOOD}"), ("given", "given", "start = 1")], 5, ""),
    "cells of the learner's own": ([("", "7d", "1/0"), ("answer", "answer", GOOD), ("mine", "8f", "1/0")], 5, ""),
    "no answer": ([("given", "given", "x = 1")], 0, "no cell is called 'answer'"),
    "commands of IPython": ([("answer", "answer", f"%matplotlib inline\n!ls\n{GOOD}")], 5, ""),
    "a text like them": ([("answer", "answer", f'assert """\n%s\n!""" == "\\n%s\\n!"\n{GOOD}')], 5, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_which_cell_counts_is_a_rule(name, tmp_path):
    cells, points, told = CASES[name]
    found = own.grade_one("01-wer", written(tmp_path, "01-wer", *cells), QUICK, seed=2)
    assert found.points == points, found.what
    assert told in " | ".join([found.what, *found.notes])
    if not told:
        assert not found.notes


def test_a_released_notebook_with_copied_cells_is_read_the_same_in_any_order(tmp_path):
    released = json.loads((ROOT / "solutions/01-ctc-collapse/01-ctc-collapse.ipynb").read_text(encoding="utf-8"))
    place = next(i for i, cell in enumerate(released["cells"]) if cell["id"] == "answer")
    copied = copy.deepcopy(released["cells"][place])
    copied["id"], copied["source"] = "f00d", ["def collapse(labels, blank=0):\n", "    return []"]
    for at in (0, place, place + 1, len(released["cells"])):
        cells = [*released["cells"][:at], copied, *released["cells"][at:]]
        path = tmp_path / "01-ctc-collapse.ipynb"
        path.write_text(json.dumps({**released, "cells": cells}), encoding="utf-8")
        assert own.grade_one("01-ctc-collapse", path, QUICK, seed=3).outcome == "right"


NO_NOTEBOOKS = ["", "{", "[]", '{"cells": 3}', '{"cells": [1]}', "null", '{"cells": []}', "\0", "[" * 10**5]


@pytest.mark.parametrize("text", NO_NOTEBOOKS, ids=lambda text: text[:12])
def test_a_file_that_is_no_notebook_is_one_line(text, tmp_path):
    path = tmp_path / "01-wer.ipynb"
    path.write_text(text)
    found = own.grade_one("01-wer", path, QUICK, seed=1)
    assert (found.points, found.outcome) == (0, "does not run") and found.what and "\n" not in found.what


def test_odd_values_in_a_notebook_are_no_trouble(tmp_path):
    listed = {"cell_type": "code", "id": 7, "metadata": {"nbgrader": {"grade_id": ["answer"]}}, "source": [1, 2]}
    odd = [{"cell_type": "code", "metadata": None, "source": None}, {"metadata": {"nbgrader": 3}}, {}, listed]
    path = tmp_path / "01-wer.ipynb"
    path.write_text(json.dumps({"cells": odd}))
    assert "no cell is called 'answer'" in read(path).refused


# Places ---------------------------------------------------------------------------------------------------------------
def test_one_folder_and_one_notebook_are_taken_too(tmp_path):
    path = written(tmp_path, "01-wer", ("answer", "answer", WER))
    assert own.notebooks(tmp_path) == own.notebooks(path.parent) == own.notebooks(path) == {"01-wer": path}


@pytest.mark.parametrize("place", ["missing", "empty", "other.ipynb"])
def test_a_place_without_exercises_is_wrong_usage(place, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.ipynb").write_text("{}")
    with pytest.raises(SystemExit) as end:
        cli.main(["grade", str(tmp_path / place)])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1


def test_help_says_that_it_is_no_sandbox(capsys):
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "no sandbox" in said and "example: speechnas grade" in said


def test_the_table_holds_every_exercise():
    assert len(EXERCISES) == len(set(EXERCISES.values()))
    result = own.Graded("01-wer", 3, 5, "partly right", "the result is 2", 1, ["cell 2: odd"])
    first, *rest = own.row(result).splitlines()
    assert first.split() == ["01-wer", "3", "/", "5", "partly", "right"]
    assert rest == ["    the result is 2", "    cell 2: odd"]
