"""What a learner calls: check, hint, progress, reset, buttons, must_pass; and the file that keeps their progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from exercise_files import ROOT, defined, solution_code

from speechnas_lab.grading import EXERCISES, buttons, check, hint, mark, must_pass, progress, reset, state
from speechnas_lab.grading.course import exercise
from speechnas_lab.grading.exercise import Check
from speechnas_lab.grading.notebook import Shown
from speechnas_lab.study.saving import save

RIGHT = solution_code("01-wer")
WRONG = "def wer(reference, hypothesis):\n    return 3.0"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """The learner's own folder, for this test."""
    monkeypatch.setenv("SPEECHNAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def called(code: str, answer: str = RIGHT) -> Shown:
    """What `code` gives in a namespace where the answer was run: as in a notebook, the caller's is used."""
    namespace = defined(answer)
    return eval(code, {**namespace, "check": check, "must_pass": must_pass, "hint": hint})


def kept(home: Path) -> dict:
    return json.loads((home / "progress.json").read_text(encoding="utf-8"))


# check ----------------------------------------------------------------------------------------------------------------
def test_a_right_answer_is_told_so_with_every_check(home):
    shown = called('check("01-wer")')
    assert shown.text.startswith("01-wer: 5 of 5 points, public checks")
    assert shown.text.count("✓ passed") == len(exercise("01-wer").checks) and "✗" not in shown.text
    assert "All public checks pass" in shown.html and "not yet" not in shown.html
    assert kept(home) == {"01-wer": {"best": 5, "tries": 1, "hints": 0}}


def test_a_wrong_answer_hears_the_first_failure_and_how_to_repeat_it():
    shown = called('check("01-wer", seed=7)', WRONG)
    assert "What failed: the result is 3, off by 3" in shown.text
    assert "Example: wer('go', 'go')" in shown.text
    assert 'check("01-wer", seed=7)' in shown.text and 'hint("01-wer")' in shown.text
    assert "public checks" in shown.text and shown.text.count("What failed") == 1
    assert str(called('check("01-wer", seed=7)', WRONG)) == str(shown)


def test_what_cannot_be_judged_yet_waits_without_a_cross():
    smallest = "def front(points):\n    return sorted(range(len(points)), key=points.__getitem__)[:1]"
    shown = called('check("10-pareto", seed=7)', smallest)
    signs = [line.split()[0] for line in shown.text.splitlines()[1:6]]
    assert signs == ["✗", "…", "…", "…", "…"] and "What waits cannot be judged" in shown.html
    slow = "[i for i, p in enumerate(points) if not any(lower(q, p) for q in points)]"
    lower = "def lower(a, b):\n    return a[0] <= b[0] and a[1] <= b[1] and (a[0] < b[0] or a[1] < b[1])"
    shown = called('check("10-pareto", seed=7)', f"{lower}\ndef front(points):\n    return {slow}")
    assert "✗ not yet  compares about n log n" in shown.text and "…" not in shown.text  # nothing before it failed
    assert "…" not in called('check("10-pareto", seed=7)', solution_code("10-pareto")).text


def test_a_check_that_waits_has_failed_and_earns_nothing():
    runs = {"passes": lambda work, rng: None, "fails": lambda work, rng: work.f()}
    namespace = {"f": lambda: 1 / 0}
    for first, second in product(runs, runs):
        base = Check("base", 1, runs[first])
        top = Check("top", 1, runs[second], (base,))
        found = replace(exercise("10-pareto"), defines=("f",), checks=(base, top))
        marked = mark(found, namespace, 0)
        assert [r.passed for r in marked.results] == [first == "passes", second == "passes"]
        assert [r.waits for r in marked.results] == [False, first == second == "fails"]


def test_every_try_has_fresh_inputs():
    seeds = {str(called('check("01-wer")', WRONG)).split("seed=")[1].split(")")[0] for _ in range(3)}
    assert len(seeds) == 3


def test_what_a_page_shows_is_escaped_and_says_the_same():
    answer = "def wer(a, b):\n    raise ValueError('<b>&</b>')"
    bundle = called('check("01-wer")', answer)._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert "<b>&</b>" in bundle["text/plain"] and "&lt;b&gt;&amp;" in bundle["text/html"]
    assert "✗ not yet" in bundle["text/html"] and "a&nbsp;" not in bundle["text/html"]


def test_a_missing_answer_is_one_clear_line():
    assert "wer is not defined; run the cell with your answer" in called('check("01-wer")', "x = 1").text


@pytest.mark.parametrize("call, told", [
    ('check("3-mixed-op")', "did you mean '03-mixed-op'?"),
    ('check("nonsense")', "there are 01-wer"),
    ("check(3)", "no exercise is called 3"),
    ("check([])", 'a text such as "03-mixed-op"'),
    ('check("01-wer", seed="a")', "give the whole number"),
    ('hint("01-wer", 4)', "there are 1 (a question)"),
    ('hint("01-wer", "1")', "there are 1 (a question)"),
    ('hint("01-wer", [])', "there are 1 (a question)"),
    ('hint("wer")', "no exercise is called 'wer'"),
])  # fmt: skip
def test_wrong_usage_is_one_line(call, told, home):
    shown = called(call)
    assert told in shown.text and "\n" not in shown.text and shown.html.startswith("<p>")
    assert not home.exists()


def test_a_check_that_fails_by_itself_costs_nothing(home, monkeypatch):
    import speechnas_lab.grading.checks.wer as module

    monkeypatch.setattr(module, "right", None)
    shown = called('check("01-wer")')
    assert "the check itself failed" in shown.text and not home.exists()


def test_an_answer_that_is_interrupted_has_failed_in_one_line(home):
    shown = called('check("01-wer")', "def wer(a, b):\n    raise KeyboardInterrupt")
    assert "What failed: Interrupted after 0 s: does your loop end?" in shown.text and "does your loop" in shown.html
    assert shown.text.count("✗ not yet") == 1 and shown.text.count("… waits") == len(exercise("01-wer").checks) - 1
    assert "0 of 5 points" in shown.text


def test_an_interrupt_while_the_check_itself_works_is_passed_on(monkeypatch):
    import speechnas_lab.grading.checks.wer as module

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "right", interrupted)
    with pytest.raises(KeyboardInterrupt):
        called('check("01-wer")')


def test_must_pass_is_silent_or_raises_with_the_reason(home):
    assert called('must_pass("01-wer")') is None
    with pytest.raises(AssertionError, match=r"the result is 3, off by 3 \| wer\('go', 'go'\)"):
        called('must_pass("01-wer")', WRONG)
    with pytest.raises(AssertionError, match="no exercise is called"):
        called('must_pass("x")')
    assert not home.exists()


@pytest.mark.parametrize("call", ['check("01-wer")', 'must_pass("01-wer")'])
def test_what_an_answer_warns_of_is_not_on_stderr_which_nbgrader_takes_for_a_failure(call, capsys, monkeypatch):
    noisy = ("import sys, warnings\ndef wer(reference, hypothesis):\n    warnings.warn(f'slow {reference}')\n"
             "    print('hm', file=sys.stderr)\n    return right(reference, hypothesis)\n")  # fmt: skip
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: print(message, file=sys.stderr))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown = called(call, RIGHT.replace("def wer(", "def right(") + "\n" + noisy)
    assert shown is None or "5 of 5" in shown.text
    said = capsys.readouterr()
    assert not said.err and "hm" in said.out and ("slow" in said.out) == call.startswith("check")


# hint -----------------------------------------------------------------------------------------------------------------
def test_hints_open_one_after_the_other(home):
    first, third = hint("01-wer"), hint("01-wer", 3)
    hints = exercise("01-wer").hints
    assert hints[0] in first.text and hints[1] not in first.text and 'hint("01-wer", 2)' in first.text
    assert 'hint(&quot;01-wer&quot;, 2) opens the next, a plan.' in first.html and "opens the next" not in third.html
    assert first.html.count("<details open") == 1 and first.html.count("<details") == 3
    assert hints[2] in third.text and third.html.count("<details open") == 3
    assert kept(home)["01-wer"] == {"best": 0, "tries": 0, "hints": 3}


# progress -------------------------------------------------------------------------------------------------------------
def test_progress_shows_every_exercise_with_a_link(monkeypatch):
    called('check("01-wer")')
    called('check("01-wer")', WRONG)
    monkeypatch.chdir(ROOT / "notebooks")
    shown = progress()
    lines = shown.text.splitlines()
    assert len(lines) == len(EXERCISES) + 2
    assert lines[1].split() == ["01-wer", "Word", "error", "rate", "5", "of", "5", "✓", "15", "2", "of", "5", "2", "0"]
    assert f"1 of {len(EXERCISES)} exercises right, 5 of" in lines[-1] and "public checks" in lines[-1]
    assert '<a href="../exercises/01-wer/01-wer.ipynb">' in shown.html
    monkeypatch.chdir(ROOT / "exercises" / "01-wer")
    assert '<a href="01-wer.ipynb">' in progress().html
    monkeypatch.chdir("/")
    assert "<a href" not in progress().html


# reset ----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A learner's copy of one exercise; the folder above is current."""
    path = tmp_path / "exercises" / "01-wer" / "01-wer.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes((ROOT / "exercises/01-wer/01-wer.ipynb").read_bytes())
    monkeypatch.chdir(path.parent)
    return path


def test_reset_brings_back_the_blank_and_keeps_what_was_written(mine):
    blank = mine.read_bytes()
    assert "is blank already" in reset("01-wer").text
    for number in (1, 2):
        mine.write_text(f"mine {number}")
        said = reset("01-wer").text
        assert f"kept as 01-wer.mine-{number}.ipynb" in said and "Reload Notebook from Disk" in said
        assert mine.read_bytes() == blank
    assert [(mine.parent / f"01-wer.mine-{n}.ipynb").read_text() for n in (1, 2)] == ["mine 1", "mine 2"]


def test_reset_brings_back_a_deleted_notebook_of_a_course_that_is_here(mine, monkeypatch):
    other = mine.parents[1] / "01-ctc-collapse"
    assert "is blank again." in reset("01-ctc-collapse").text
    assert (other / "01-ctc-collapse.ipynb").read_bytes() == (
        ROOT / "exercises/01-ctc-collapse/01-ctc-collapse.ipynb").read_bytes()  # fmt: skip
    monkeypatch.chdir("/")
    assert "no folder exercises here" in reset("01-wer").text


def test_reset_loses_nothing_where_it_may_not_write(mine, monkeypatch):
    from speechnas_lab.grading import notebook

    def full(*_):
        raise OSError(28, "No space left on device")

    mine.write_text("mine")
    monkeypatch.setattr(notebook, "write_text", full)
    assert "could not be reset (No space left on device)" in reset("01-wer").text
    assert mine.read_text() == "mine"


# buttons --------------------------------------------------------------------------------------------------------------
def test_buttons_outside_a_page_are_calls(capsys):
    assert 'check("01-wer"), hint("01-wer")' in buttons("01-wer").text


def test_in_a_notebook_all_of_it_shows_and_leaves_words_behind(tmp_path, monkeypatch):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [
        "from speechnas_lab.grading import *\n" + WRONG, 'buttons("01-wer")', 'check("01-wer", 1)',
        'hint("01-wer", 2)', RIGHT, "import gc, ipywidgets\n[b] = [o for o in gc.get_objects() if isinstance(o, "
        "ipywidgets.Button) and o.description == 'Check']\nb.click()", 'must_pass("01-wer")',
    ]  # fmt: skip
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    save(path)
    outputs = [cell.outputs for cell in nbformat.read(path, 4).cells]
    assert 'In code, the same: check("01-wer")' in outputs[1][0].data["text/plain"]
    assert "3, off by 3" in outputs[2][0].data["text/html"] and "<details open" in outputs[3][0].data["text/html"]
    assert kept(Path(os.environ["SPEECHNAS_HOME"]))["01-wer"] == {"best": 5, "tries": 2, "hints": 2}


# The file of the progress ---------------------------------------------------------------------------------------------
def test_the_best_counts_and_tries_add_up(home):
    for points in (2, 4, 3):
        assert state.record("01-wer", state.tried(points)) == ""
    state.record("01-wer", state.hinted(2))
    state.record("01-wer", state.hinted(1))
    assert state.load() == ({"01-wer": state.Done(4, 3, 2)}, "")


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"01-wer": 3}', '{"01-wer": {"best": "x"}}', '{"01-wer": {"best": -1}}', "\0\0",
    '{"01-wer": {"best": true}}',
])  # fmt: skip
def test_a_damaged_file_is_set_aside_with_one_line(text, home):
    home.mkdir()
    (home / "progress.json").write_text(text)
    shown = called('check("01-wer")')
    assert "could not be read" in shown.text and "All public checks pass" in shown.text
    assert (home / "progress.damaged-1.json").read_text() == text
    assert kept(home)["01-wer"]["tries"] == 1
    assert "could not be read" not in called('check("01-wer")').text


def test_a_field_of_a_newer_version_is_no_damage(home):
    home.mkdir()
    (home / "progress.json").write_text('{"99-new": {"best": 3, "stars": 5}}')
    called('check("01-wer")')
    assert set(kept(home)) == {"01-wer", "99-new"}


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPEECHNAS_HOME", str(tmp_path / "file" / "home"))
    shown = called('check("01-wer")')
    assert "5 of 5" in shown.text and "Your progress was not kept (Not a directory)" in shown.text
    assert "0 of" in progress().text


WRITER = """
import sys
from speechnas_lab.grading import state
for i in range(int(sys.argv[1])):
    told = state.record(sys.argv[2], state.tried(i))
    assert not told, told
"""


def writers(count: int, *names: str) -> list[subprocess.Popen]:
    return [subprocess.Popen([sys.executable, "-c", WRITER, str(count), name], cwd=ROOT) for name in names]


def test_two_tabs_that_write_at_once_lose_nothing(home):
    for process in writers(60, "01-wer", "01-wer", "02-count"):
        assert process.wait(60) == 0
    found, told = state.load()
    assert (found["01-wer"].tries, found["02-count"].tries, told) == (120, 60, "")
    assert found["01-wer"].best == 59


def test_killed_in_the_middle_of_writing_nothing_is_lost_or_blocked(home):
    state.record("02-count", state.tried(3))
    for _ in range(5):
        (process,) = writers(10**6, "01-wer")
        before = time.monotonic()
        while not state.load()[0].get("01-wer") and time.monotonic() - before < 30:
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        start = time.monotonic()
        assert state.record("02-count", state.tried(4)) == "" and time.monotonic() - start < 4
    found, told = state.load()
    assert told == "" and found["02-count"] == state.Done(4, 6, 0) and found["01-wer"].tries > 5
    assert not list(home.glob("*damaged*"))
