"""The README's map of the course agrees with the lessons and the exercises."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from speechnas_lab.grading.course import EXERCISES, exercise
from speechnas_lab.reproduce import FIGURES

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MEASURED = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")


def test_the_map_names_every_lesson_with_its_minutes_and_exercises() -> None:
    rows = {m[1]: m[0] for m in re.finditer(r"^\| \[\d\d\]\(notebooks/(\w+)\.ipynb\) .*$", TEXT, flags=re.MULTILINE)}
    assert list(rows) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for name, row in rows.items():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        prose = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        minutes = re.search(r"bout (\d+) minutes of your time", prose)[1]
        assert f"| {minutes} |" in row, name
    for id in EXERCISES:
        found = exercise(id)
        assert f"[{id}](exercises/{id}/{id}.ipynb) ({found.minutes})" in rows[found.lesson], id
        task = (ROOT / "exercises" / id / f"{id}.ipynb").read_text(encoding="utf-8")
        assert f"about {found.minutes} minutes" in task and f"{found.difficulty} of 5" in task, id


def test_links_and_commands_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"`speechnas reproduce ([a-z0-9-]+)", TEXT + MEASURED):
        assert name in FIGURES, name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", TEXT, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_measurement_that_can_be_repeated_is_told_and_the_two_pages_agree() -> None:
    told = set(re.findall(r"`speechnas reproduce ([a-z0-9-]+)", TEXT + MEASURED))
    assert set(FIGURES) - told <= {"picture"}
    rows = TEXT[TEXT.index("docs/measured.md") :].split("## Tests")[0].splitlines()[2:]
    for row in filter(None, rows):
        for number in re.findall(r"\d+\.\d+|\d[\d,]+", row.split("|")[2]):
            assert number in MEASURED, (number, row)


def test_picture_is_of_the_figures_that_are_kept(tmp_path: Path) -> None:
    """`speechnas reproduce picture` makes docs/found.svg again, and its words in the README are the figures'."""
    from speechnas_lab.reproduce.picture import found_beside_designed

    made = found_beside_designed(tmp_path, 1)
    assert Path(made["svg"]).read_text(encoding="utf-8") == (ROOT / "docs" / "found.svg").read_text(encoding="utf-8")
    words = re.search(r"!\[([^\]]+)\]\(docs/found\.svg\)", TEXT)[1].replace("\n", " ")
    for number in re.findall(r"\d+\.\d+", made["words"]):
        assert number in words, number
