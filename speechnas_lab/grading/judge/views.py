"""What an answer's process sees of this library: a folder of copies, made for each judge. No check, answer or table.

Each exercise has a view: the library's rooms that its given cell uses, less what would answer it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

LIBRARY = Path(__file__).parents[2]
BASE = ("_lazy.py", "errors.py", "files.py")
VIEWS = {  # exercise -> what it sees of the library; all others see none of it
    "02-count": ("space/__init__.py", "space/presets.py", "space/genes.py", "space/architecture.py"),
    "18-search": ("space", "search"),
}
PLAIN = "plain"  # the view of the others
INIT = '''"""What there is of the library while an answer is marked."""
'''
GRADING = '''"""In place of the exercises' own tools: while an answer is marked, they do nothing."""


def _nothing(*inputs, **options):
    return None


buttons = check = hint = progress = reset = must_pass = _nothing
'''


def view(exercise: str) -> str:
    """The name of the view of an exercise."""
    return exercise if exercise in VIEWS else PLAIN


def lay_out(folder: Path) -> None:
    """Make `folder`: inside/ (what runs), view/ (where an answer finds its library), views/."""
    shutil.copytree(Path(__file__).with_name("inside"), folder / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "view").mkdir()
    for name in (PLAIN, *VIEWS):
        library = folder / "views" / name / "speechnas_lab"
        (library / "grading").mkdir(parents=True)
        (library / "__init__.py").write_text(INIT)
        (library / "grading" / "__init__.py").write_text(GRADING)
        for part in (*BASE, *VIEWS.get(name, ())):
            target = library / part
            target.parent.mkdir(exist_ok=True)
            if (LIBRARY / part).is_dir():
                shutil.copytree(LIBRARY / part, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(LIBRARY / part, target)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
