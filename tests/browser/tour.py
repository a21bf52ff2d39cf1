"""Open every lesson in a real browser, run it to the end, move its widget, and keep screenshots to look at.

    python tests/browser/tour.py OUT [LESSON ...]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lab import ROOT, Page, browser, copy_course, jupyterlab


def visit(lab: Page, out: Path, name: str) -> None:
    """Run, move, photograph."""
    lab.run_all()
    panel = lab.page.locator(".jp-NotebookPanel")
    for slider in panel.locator(".widget-slider .noUi-handle").all():
        slider.focus()
        for _ in range(3):
            lab.page.keyboard.press("ArrowRight")
    for menu in panel.locator(".widget-dropdown select").all():
        menu.select_option(index=menu.locator("option").count() - 1)
    lab.page.wait_for_timeout(4000)
    cells = lab.cells()
    for number in range(cells.count()):
        cell = cells.nth(number)
        if cell.locator("img, svg, .widget-slider, select, details, table").count():
            cell.scroll_into_view_if_needed()
            cell.screenshot(path=str(out / f"{name}-{number:03d}.png"))
    wrong = [text for text in lab.complaints if "favicon" not in text and "404" not in text]
    print(f"{name}: {cells.count()} cells, {len(wrong)} complaints {wrong[:3]}", flush=True)


def main(out: Path, names: list[str]) -> None:
    """Visit the named lessons, or all."""
    out.mkdir(parents=True, exist_ok=True)
    names = names or sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as place:
        course = copy_course(Path(place) / "course")
        with jupyterlab(course, Path(place)) as url, browser() as chromium:
            for name in names:
                page = chromium.new_page(viewport={"width": 1100, "height": 1400})
                visit(Page(page, url, f"notebooks/{name}.ipynb", 300_000), out, name)
                page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
