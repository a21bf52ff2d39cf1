"""For a course that nbgrader grades alone: its feedback pages without the hidden tests.

nbgrader shows students its autograded notebooks as they are, hidden tests and tracebacks through them included.
nbgrader_config.py names `HideTests` among the preprocessors of `generate_feedback`.
"""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade

FAILED = "Not all tests passed. What the public checks found stands above; check() in your notebook says it again.\n"


class HideTests(ClearHiddenTests):
    """Take hidden tests out of the graded cells, and the tracebacks that quote them. Answers stay untouched."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """One cell, in place."""
        if is_grade(cell) and self._remove_hidden_test_region(cell):
            cell.outputs = [_told(output) for output in cell.get("outputs", [])]
        return cell, resources


def _told(output: Any) -> Any:
    if output.output_type != "error":
        return output
    return type(output)(output_type="stream", name="stdout", text=FAILED)
