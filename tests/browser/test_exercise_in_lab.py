"""As a learner does it: open an exercise in JupyterLab, answer wrongly, read why, open a hint, answer rightly."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import CHROMIUM, Page, browser, copy_course, jupyterlab

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium"),
]

WRONG = "def mix(x, operations, alpha):\nreturn sum(a * o(x) for a, o in zip(alpha, operations))"
RIGHT = "def mix(x, operations, alpha):\nreturn sum(w * o(x) for w, o in zip(alpha.softmax(0), operations))"


def test_wrong_answer_message_hint_right_answer_tick(tmp_path: Path) -> None:
    pytest.importorskip("playwright")
    course = copy_course(tmp_path / "course")
    with jupyterlab(course, tmp_path) as url, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 1600})
        lab = Page(page, url, "exercises/03-mixed-op/03-mixed-op.ipynb")
        lab.run(lab.cell("import torch"))
        answer, check = lab.cell("def mix"), lab.cell('check("03-mixed-op")')
        buttons = lab.cell('buttons("03-mixed-op")')

        lab.type_into(answer, WRONG.replace("\n", "\n    "))
        lab.run(answer)
        lab.run(check)
        told = check.locator(".jp-OutputArea").inner_text()
        assert "without softmax" in told and "✓" in told

        lab.run(buttons)
        buttons.get_by_role("button", name="Hint").click()
        hint = buttons.locator("details").first
        hint.wait_for()
        assert "Which function" in hint.inner_text()

        lab.type_into(answer, RIGHT.replace("\n", "\n    "))
        lab.run(answer)
        lab.run(check)
        told = check.locator(".jp-OutputArea").inner_text()
        assert told.count("✓") >= 4 and "✗" not in told
        assert not [text for text in lab.complaints if "favicon" not in text and "404" not in text], lab.complaints
