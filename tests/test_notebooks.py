"""The lessons as files: valid, executed, tidy, readable, without traces of the machine that ran them."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
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


def test_first_and_last_lesson_are_here() -> None:
    assert {"00_start", "18_mobile_conformer_search"} <= {path.stem for path in NOTEBOOKS}


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
            assert alt, "a picture needs an alternative: speechnas_lab.study.show.show"
            assert not data["text/plain"].startswith("<")
        elif "text/html" in data:
            assert "text/plain" in data and not data["text/plain"].startswith("<")
    assert pictures


def test_links_between_files_lead_somewhere(notebook: nbformat.NotebookNode) -> None:
    for target in re.findall(r"\]\(([^)#]+)", prose(notebook)):
        if "://" not in target:
            assert (ROOT / "notebooks" / target).is_file(), target
