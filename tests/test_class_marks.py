"""What a mark is made of, what is graded again, and that nothing is lost when a run is killed."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from pathlib import Path

import pytest
from class_judge import PaperJudge
from class_of import notebook_of

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.classes import run, store
from speechnas_lab.grading.classes.late import Late, read_due
from speechnas_lab.grading.classes.run import Settings, grade_class
from speechnas_lab.grading.submission import read

FIVE = {"01-wer": 5, "03-mixed-op": 4}  # exercise -> its points


@pytest.fixture(autouse=True)
def paper(monkeypatch):
    """No gradebook and no autograder here: they take a second a run, and test_class_nbgrader has them."""
    PaperJudge.asked, PaperJudge.fails_after = [], 10**9
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(run, "write_autograder", lambda *_: None)


def settings(**more: object) -> Settings:
    return Settings(judge=PaperJudge, seed=7, **more)


def hand_in(folder: Path, student: str, id: str, answer: str, time: str = "") -> Path:
    path = folder / student / id / f"{id}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook_of(id, answer)), encoding="utf-8")
    if time:
        path.with_name("timestamp.txt").write_text(time)
    return path


@pytest.fixture
def work(tmp_path) -> Path:
    for student, points in (("anna", 5), ("bob", 3), ("carl", 0)):
        hand_in(tmp_path / "in", student, "01-wer", f"# points: {points}")
    hand_in(tmp_path / "in", "anna", "03-mixed-op", "# points: 4")
    return tmp_path / "in"


def marks(found) -> dict[tuple[str, str], float | None]:
    return {key: row.points for key, row in found.rows.items()}


# What is graded again -------------------------------------------------------------------------------------------------
def test_a_second_run_grades_only_what_changed(work, tmp_path):
    first = grade_class(work, tmp_path / "out", settings())
    assert marks(first) == {("anna", "01-wer"): 5, ("anna", "03-mixed-op"): 4, ("bob", "01-wer"): 3,
                            ("carl", "01-wer"): 0}  # fmt: skip
    PaperJudge.asked = []
    assert marks(grade_class(work, tmp_path / "out", settings())) == marks(first) and not PaperJudge.asked
    hand_in(work, "bob", "01-wer", "# points: 4")
    assert marks(grade_class(work, tmp_path / "out", settings()))["bob", "01-wer"] == 4
    assert PaperJudge.asked == ["01-wer"]


def test_text_and_outputs_around_the_answer_do_not_count(work, tmp_path):
    grade_class(work, tmp_path / "out", settings())
    path = work / "bob" / "01-wer" / "01-wer.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] = "other words"
    notebook["cells"].append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "my notes"})
    path.write_text(json.dumps(notebook))
    PaperJudge.asked = []
    grade_class(work, tmp_path / "out", settings())
    assert not PaperJudge.asked


def test_other_checks_limits_or_seeds_grade_again(work, tmp_path, monkeypatch):
    grade_class(work, tmp_path / "out", settings())
    version = store.check_version
    monkeypatch.setattr(store, "check_version", lambda id: "changed" if id == "01-wer" else version(id))
    PaperJudge.asked = []
    grade_class(work, tmp_path / "out", settings())
    assert PaperJudge.asked == ["01-wer"] * 3
    for more in (settings(seconds=9.0), Settings(judge=PaperJudge, seed=8)):
        PaperJudge.asked = []
        grade_class(work, tmp_path / "out", more)
        assert len(PaperJudge.asked) == 4


def test_a_zip_is_graded_once_too(work, tmp_path):
    place = shutil.make_archive(str(tmp_path / "class"), "zip", work)
    files = []
    for _ in range(2):
        assert len(marks(grade_class(Path(place), tmp_path / "out", settings()))) == 4
        files.append(sorted(path.name for path in (tmp_path / "out" / "unpacked").rglob("*.ipynb")))
    assert files[0] == files[1] and len(PaperJudge.asked) == 4


def test_again_grades_one_student_one_notebook_or_all(work, tmp_path):
    grade_class(work, tmp_path / "out", settings())
    for again, count in (("anna", 2), ("anna/01-wer", 1), ("all", 4)):
        PaperJudge.asked = []
        grade_class(work, tmp_path / "out", settings(again=(again,)))
        assert len(PaperJudge.asked) == count, again


def test_the_seed_is_drawn_once_and_kept(work, tmp_path):
    grade_class(work, tmp_path / "out", Settings(judge=PaperJudge))
    seed = json.loads((tmp_path / "out" / "class.json").read_text())["seed"]
    PaperJudge.asked = []
    grade_class(work, tmp_path / "out", Settings(judge=PaperJudge))
    assert json.loads((tmp_path / "out" / "class.json").read_text())["seed"] == seed and not PaperJudge.asked


# The grader's fault ---------------------------------------------------------------------------------------------------
def test_a_graders_fault_is_no_zero_and_is_graded_again(work, tmp_path):
    hand_in(work, "bob", "01-wer", "# points: fault")
    found = grade_class(work, tmp_path / "out", settings())
    assert found.rows["bob", "01-wer"].points is None
    table = list(csv.DictReader(io.StringIO((tmp_path / "out" / "marks.csv").read_text("utf-8-sig"))))
    assert {row["student"]: row["01-wer"] for row in table} == {"anna": "5", "bob": "", "carl": "0"}
    assert {row["student"]: row["not_graded"] for row in table}["bob"] == "01-wer"
    PaperJudge.asked = []
    grade_class(work, tmp_path / "out", settings())
    assert PaperJudge.asked == ["01-wer"]


def test_a_notebook_that_the_reader_trips_over_does_not_stop_the_others(work, tmp_path, monkeypatch):
    def trips(path: Path):
        if "bob" in path.parts:
            raise MemoryError("too much")
        return read(path)

    monkeypatch.setattr(run, "read", trips)
    found = grade_class(work, tmp_path / "out", settings())
    row = found.rows["bob", "01-wer"]
    assert (row.points, row.outcome) == (None, "grader's fault") and "could not be read" in row.what
    assert marks(found)["anna", "01-wer"] == 5
    monkeypatch.setattr(run, "read", read)
    assert marks(grade_class(work, tmp_path / "out", settings()))["bob", "01-wer"] == 3


# Marks by hand --------------------------------------------------------------------------------------------------------
def test_manual_marks_win_and_stay(work, tmp_path):
    out = tmp_path / "out"
    grade_class(work, out, settings())
    lines = ('carl,01-wer,"2,5",see me', "bob,01-wer,,well tried", "bob,03-mixed-op,1,by mail", "zed,01-wer,1,")
    (out / "manual.csv").write_text("\n".join(["student,exercise,points,comment", *lines]), encoding="utf-8")
    for again in ((), ("all",)):
        found = grade_class(work, out, settings(again=again))
        assert marks(found)["carl", "01-wer"] == 2.5 and marks(found)["bob", "01-wer"] == 3
        assert found.rows["bob", "01-wer"].comment == "well tried"
        assert marks(found)["bob", "03-mixed-op"] == 1  # handed in nowhere, marked by hand
        assert any("nobody is called 'zed'" in note for note in found.notes)
    (out / "manual.csv").write_text("student,exercise,points,comment\n")
    assert marks(grade_class(work, out, settings()))["carl", "01-wer"] == 0


@pytest.mark.parametrize(("line", "says"), [("anna,01-wer,6,", "line 2"), ("anna,01-wer,-1,", "0 to 5"),
                                            ("anna,nope,1,", "no exercise"), ("anna,01-wer,x,", "0 to 5")])  # fmt: skip
def test_a_manual_mark_that_cannot_be_is_refused_before_grading(line, says, work, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manual.csv").write_text(f"student,exercise,points,comment\n{line}\n")
    with pytest.raises(BadInput, match=says):
        grade_class(work, tmp_path / "out", settings())
    assert not PaperJudge.asked


# Late days ------------------------------------------------------------------------------------------------------------
def test_each_day_begun_costs_its_share_of_the_points(tmp_path):
    due, _ = read_due("2026-11-02 23:59")
    cases = {"early": ("2026-11-02 10:00:00", 5), "minutes": ("2026-11-03 00:03:00 UTC", 5),
             "hours": ("2026-11-03 08:00:00", 4.5), "two": ("2026-11-04 08:00:00.123 Europe/Berlin", 4),
             "weeks": ("2026-12-24T00:00:00+00:00", 0), "unknown": ("", 5)}  # fmt: skip
    for student, (time, _) in cases.items():
        hand_in(tmp_path / "in", student, "01-wer", "# points: 5", time)
    late = Late(due, percent=10, grace_minutes=5)
    found = grade_class(tmp_path / "in", tmp_path / "out", settings(late=late))
    assert {student: found.rows[student, "01-wer"].points for student in cases} == {s: p for s, (_, p) in cases.items()}


def test_free_days_are_used_in_order_of_the_due_times(tmp_path):
    (tmp_path / "due.csv").write_text("exercise,due\n03-mixed-op,2026-11-01 00:00\n01-wer,2026-11-09 00:00\n")
    hand_in(tmp_path / "in", "anna", "01-wer", "# points: 5", "2026-11-10 12:00:00")  # two days begun
    hand_in(tmp_path / "in", "anna", "03-mixed-op", "# points: 4", "2026-11-02 12:00:00")  # two days begun
    late = Late(read_due(str(tmp_path / "due.csv"))[0], percent=20, free_days=3)
    found = grade_class(tmp_path / "in", tmp_path / "out", settings(late=late))
    assert marks(found) == {("anna", "01-wer"): 5 - 0.2 * 5, ("anna", "03-mixed-op"): 4}


def test_an_extension_is_one_students(tmp_path):
    (tmp_path / "due.csv").write_text("student,exercise,due\n,01-wer,2026-11-01 00:00\nbob,01-wer,2026-11-05 00:00\n")
    for student in ("anna", "bob"):
        hand_in(tmp_path / "in", student, "01-wer", "# points: 5", "2026-11-04 12:00:00")
    due, longer = read_due(str(tmp_path / "due.csv"))
    late = Late(due, percent=10, longer=longer)
    found = grade_class(tmp_path / "in", tmp_path / "out", settings(late=late))
    assert marks(found) == {("anna", "01-wer"): 3, ("bob", "01-wer"): 5}


def test_an_extension_cancels_canvas_mark_of_lateness(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("ann_LATE_11_200", "bob_LATE_12_201"):
        text = json.dumps(notebook_of("01-wer", "# points: 5"))
        (tmp_path / "in" / f"{name}_01-wer.ipynb").write_text(text)
    (tmp_path / "due.csv").write_text("student,exercise,due\n12,01-wer,2026-11-05\n12,03-mixed-op,2026-11-05\n")
    late = Late(percent=20, longer=read_due(str(tmp_path / "due.csv"))[1])
    found = grade_class(tmp_path / "in", tmp_path / "out", settings(late=late))
    assert marks(found) == {("11", "01-wer"): 4, ("12", "01-wer"): 5}
    assert any("the extension covers it" in note for note in found.rows["12", "01-wer"].notes)


def test_late_deductions_against_a_slow_count():
    rng = random.Random(3)
    for _ in range(200):
        days = {id: rng.randrange(5) for id in FIVE}
        rule = Late(percent=rng.choice([0, 10, 33, 100]), free_days=rng.randrange(6))
        left, expected = rule.free_days, {}
        for id in FIVE:  # both undated: in the course's order
            paid = 0
            for _ in range(days[id]):
                left, paid = (left - 1, paid) if left else (0, paid + 1)
            expected[id] = round(min(FIVE[id], FIVE[id] * paid * rule.percent / 100), 2)
        assert rule.deductions(days, FIVE) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "2026-11-02 10:00 Nowhere/Land"])
def test_a_due_time_that_is_none(text):
    with pytest.raises(BadInput, match="is no time"):
        read_due(text)


# Killed runs ----------------------------------------------------------------------------------------------------------
def test_a_stopped_run_goes_on_and_loses_nothing(work, tmp_path):
    whole = marks(grade_class(work, tmp_path / "whole", settings()))
    PaperJudge.asked = []
    for reached in (1, 0, 2):
        PaperJudge.fails_after = reached
        with pytest.raises(KeyboardInterrupt):
            grade_class(work, tmp_path / "out", settings())
    PaperJudge.fails_after = 10**9
    assert marks(grade_class(work, tmp_path / "out", settings())) == whole and len(PaperJudge.asked) == 4


def test_a_torn_last_line_is_graded_again_and_damage_elsewhere_is_told(work, tmp_path):
    whole = marks(grade_class(work, tmp_path / "out", settings()))
    journal = tmp_path / "out" / "journal.jsonl"
    raw = journal.read_bytes()
    last = len(raw.splitlines(keepends=True)[-1])
    for cut in (1, last // 2, last - 1):
        journal.write_bytes(raw[:-cut])
        PaperJudge.asked = []
        assert marks(grade_class(work, tmp_path / "out", settings())) == whole and len(PaperJudge.asked) == 1
    journal.write_bytes(b"nonsense\n" + raw)
    with pytest.raises(BadInput, match="line 1 is damaged"):
        grade_class(work, tmp_path / "out", settings())


def test_out_may_not_hold_the_class_and_two_runs_do_not_meet(work, tmp_path):
    for out in (work, work / "marks", tmp_path):
        with pytest.raises(BadInput, match="beside the class"):
            grade_class(work, out, settings())
    lock = store_lock(tmp_path / "out")
    with pytest.raises(BadInput, match="held by process"):
        grade_class(work, tmp_path / "out", settings())
    lock.release()


def store_lock(out: Path):
    from speechnas_lab.search.lock import Lock

    out.mkdir()
    lock = Lock(out / "running.lock")
    lock.acquire()
    return lock
