"""The lessons as files: valid, executed, tidy, readable, without traces of the machine that ran them."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from speechnas_lab.grading.course import EXERCISES, exercise

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSONS = [
    "00_start", "01_sound_to_text", "02_search_space", "03_mixed_operation", "04_darts", "05_when_darts_fails",
    "06_supernet", "07_shared_weights", "08_sandwich", "09_evolution", "10_many_objectives", "11_latency",
    "12_pruning", "13_latency_penalty", "14_zero_shot", "15_quantisation", "16_streaming_and_drift",
    "17_all_strategies", "18_mobile_conformer_search",
]  # fmt: skip
OPENERS = {"00_start", "18_mobile_conformer_search"}  # the way in and the way out: no piece is built by hand there
UNITS = r"\s*(?:%|ms\b|MB\b|kB\b|times\b|seconds?\b|points?\b|x\b)"
QUANTITY = re.compile(rf"(?<![\w.])(\d+(?:\.\d+)?)(?:{UNITS}|(?<=\.\d)|(?<=\.\d\d))")  # with a unit, or a decimal
NO_CLAIM = r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|\*[^*]*minutes of your time.*"  # formulas, code, links
LEAKS = {
    "a home or system folder": r"/home/|/root/|/tmp/|/work/|/Users/|[A-Z]:\\",
    "a memory address": r"0x[0-9a-f]{6,}",
    "a date": r"\b20\d\d-\d\d-\d\d\b",
    "a progress bar": r"it/s|s/it|\d%\|",
    "a terminal's colours": r"\x1b\[",
}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def cells(notebook: nbformat.NotebookNode, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in cells(notebook, "code") for output in cell.outputs]


def prose(notebook: nbformat.NotebookNode) -> str:
    """Markdown without fenced code."""
    text = "\n\n".join(cell.source for cell in cells(notebook, "markdown"))
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def test_every_lesson_of_the_course_is_here() -> None:
    assert [path.stem for path in NOTEBOOKS] == LESSONS


def test_every_exercise_starts_from_its_lesson_and_the_lesson_leads_to_it() -> None:
    for name in EXERCISES:
        lesson = nbformat.read(ROOT / "notebooks" / f"{exercise(name).lesson}.ipynb", as_version=4)
        assert f"](../exercises/{name}/{name}.ipynb)" in prose(lesson), name
        task = (ROOT / "exercises" / name / f"{name}.ipynb").read_text(encoding="utf-8")
        assert f"../../notebooks/{exercise(name).lesson}.ipynb" in task, name


def test_an_exercise_calls_lessons_by_their_headings_and_leads_on_without_a_gap() -> None:
    headings = {name: re.search(r"^# (.+)$", prose(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)), re.M)[1]
                for name in LESSONS}  # fmt: skip
    ids = list(EXERCISES)
    for id, after in zip(ids, [*ids[1:], None], strict=True):
        lesson, text = exercise(id).lesson, prose(nbformat.read(ROOT / "exercises" / id / f"{id}.ipynb", 4))
        named = re.findall(r"\[([^\]]*)\]\(\.\./\.\./notebooks/(\w+)\.ipynb\)", text)
        assert named and all(words == headings[name] for words, name in named), id
        if after and exercise(after).lesson == lesson:
            assert f"](../{after}/{after}.ipynb)" in text.splitlines()[-1], id
        elif after:
            assert named[-1][1] == LESSONS[LESSONS.index(lesson) + 1], id


def test_valid_and_free_of_widget_state(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata  # without its state a page shows "invalid notebook"
    kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
    assert not any("widget" in kind for kind in kinds)  # reopened, such an output shows "model not found"


def test_one_title_and_headings_in_order(notebook: nbformat.NotebookNode) -> None:
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(notebook), flags=re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_ends_with_what_to_remember_and_where_to_go(notebook: nbformat.NotebookNode) -> None:
    headings = re.findall(r"^## (.+)$", prose(notebook), flags=re.MULTILINE)
    assert headings[-2:] == ["What to remember", "Where to go next"]
    assert "minutes of your time" in prose(notebook)
    assert prose(notebook).count("**Predict") >= 4


def test_asks_and_lets_try(notebook: nbformat.NotebookNode, request: pytest.FixtureRequest) -> None:
    code = "\n".join(cell.source for cell in cells(notebook, "code"))
    assert len(re.findall(r"\bexplore\(", code)) == 1  # one "what if" that can be moved
    if request.node.callspec.id not in OPENERS:
        assert "quiz(" in code and "## Now you" in prose(notebook)
        assert re.search(r"^assert ", code, flags=re.MULTILINE)  # the piece made by hand is the library's
    minutes = re.search(r"bout (\d+) minutes of your time", prose(notebook))
    assert minutes and 10 <= int(minutes[1]) <= 45
    questions = re.findall(r"<p><b>Quiz\.</b>.*", "\n".join(str(output) for output in outputs(notebook)))
    assert len(questions) == len(re.findall(r"\bquiz\(", code))
    for question in questions:
        assert question.count("✓ Right.") >= 1 and question.count("✗ Not this one.") >= 2


def test_numbers_in_prose_are_computed_or_have_a_source(notebook: nbformat.NotebookNode) -> None:
    """A quantity in a paragraph stands in the lesson's code or outputs, or the paragraph names a paper or a command."""
    made = "\n".join(cell.source for cell in cells(notebook, "code"))
    made += "\n".join(output.get("text", "") + " ".join(map(str, output.get("data", {}).values()))
                      for output in outputs(notebook) if "image/png" not in output.get("data", {}))  # fmt: skip
    made += "\n".join(str(output["data"]["text/plain"]) for output in outputs(notebook)
                      if "image/png" in output.get("data", {}))  # fmt: skip
    known = set(re.findall(r"\d+(?:\.\d+)?", made.replace(",", "").replace("_", "")))
    loose = []
    for paragraph in re.split(r"\n\s*\n", prose(notebook)):
        sourced = re.search(r"\b(19|20)\d\d\b|`speechnas |`make ", paragraph)
        bare = re.sub(NO_CLAIM, " ", paragraph, flags=re.DOTALL)
        if not sourced and not paragraph.startswith(("**Predict", "**Quiz")):  # questions claim nothing
            loose += [m[0] for m in QUANTITY.finditer(bare.replace(",", "")) if m[1] not in known]
    assert not loose, loose


def test_words_are_spelt_right() -> None:
    texts = [ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "solutions").glob("*/*.ipynb")]
    skipped = ["--ignore-regex", r"data:[^\"]*|\"image/[^\n]*", "--ignore-words-list", "te,ans,nd,fo,nin,ot"]
    command = [sys.executable, "-m", "codespell_lib", *skipped, *map(str, texts)]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0 and not told.stdout, told.stdout + told.stderr


def test_size(notebook: nbformat.NotebookNode) -> None:
    assert len(prose(notebook).split()) < 3000
    lines = [cell.source.splitlines() for cell in cells(notebook, "code")]
    assert statistics.median(map(len, lines)) < 8
    assert max(map(len, lines)) <= 30
    assert max(len(line) for cell in lines for line in cell) <= 100  # wider needs scrolling


def test_executed_from_top_to_bottom_without_complaints(notebook: nbformat.NotebookNode) -> None:
    code = cells(notebook, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = [(output.output_type, output.get("name")) for output in outputs(notebook)]
    assert ("error", None) not in kinds and ("stream", "stderr") not in kinds


def test_outputs_tell_nothing_of_the_machine(notebook: nbformat.NotebookNode) -> None:
    for output in outputs(notebook):
        texts = [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
        for text in texts:
            bare = re.sub(r'"data:[^"]*"', "", text)
            for what, pattern in LEAKS.items():
                assert not re.search(pattern, bare), f"{what}: {re.search(pattern, bare)}"


def test_cells_carry_no_time_of_their_run(notebook: nbformat.NotebookNode) -> None:
    assert not any("execution" in cell.metadata for cell in notebook.cells)


def test_pictures_and_players_say_in_words_what_they_hold(notebook: nbformat.NotebookNode) -> None:
    pictures = 0
    for output in outputs(notebook):
        data = output.get("data", {})
        if any(kind.startswith("image/") for kind in data):
            pictures += 1
            alt = re.search(r'<img [^>]*alt="([^"]{20,})"', data["text/html"])
            assert alt, "a picture needs an alternative: speechnas_lab.study.pictures.show"
            assert not data["text/plain"].startswith("<")
        elif "text/html" in data:
            assert "text/plain" in data and not data["text/plain"].startswith("<")
    assert pictures


def test_links_between_files_lead_somewhere(notebook: nbformat.NotebookNode) -> None:
    for target in re.findall(r"\]\(([^)#]+)", prose(notebook)):
        if "://" not in target:
            assert (ROOT / "notebooks" / target).is_file(), target
