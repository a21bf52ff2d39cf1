"""Run notebooks and save what they show, without a trace of the machine.

    python -m speechnas_lab.study.saving notebooks/03_mixed_operation.ipynb
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def save(path: Path, timeout: int = 600) -> float:
    """Execute the notebook at `path` from top to bottom in its folder and save it there; return the seconds it took.

    Nothing is saved where a cell fails: nbclient.exceptions.CellExecutionError tells which.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", store_widget_state=False, record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    start = time.monotonic()
    client.execute()
    seconds = time.monotonic() - start
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise SystemExit(f"{path}: a cell wrote to stderr, which no reader wants to see: {output.text[:300]}")
            # A reopened page says "model not found" to a widget's view; its words and first picture stay.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return seconds


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{save(Path(name)):5.0f} s  {name}", flush=True)
