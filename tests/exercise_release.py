"""Make the learner's notebooks out of the solutions, with nbgrader's own converter: `make exercises`.

One source for each exercise: solutions/ID/ID.ipynb. The text of each blank notebook is kept in the library too, for
`reset`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from exercise_files import ROOT

from speechnas_lab.files import write_json
from speechnas_lab.grading import EXERCISES
from speechnas_lab.grading.blank import STORE


def release(id: str, folder: Path) -> Path:
    """Write folder/ID/ID.ipynb; return its path. Raises RuntimeError with what nbgrader said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # where it looks for tools
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "--no-db", "--force", id,
               f"--CourseDirectory.release_directory={folder}"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    written = folder / id / f"{id}.ipynb"
    if done.returncode or not written.is_file():
        raise RuntimeError(f"nbgrader could not release {id}:\n{done.stderr}")
    return written


def solved() -> list[str]:
    """The exercises that have a solution."""
    return [id for id in EXERCISES if (ROOT / "solutions" / id / f"{id}.ipynb").is_file()]


def main() -> None:
    """Release all, or the ones named."""
    if unknown := set(sys.argv[1:]) - set(EXERCISES):
        sys.exit(f"no exercise is called {sorted(unknown)[0]!r}; there are {', '.join(EXERCISES)}")
    for id in sys.argv[1:] or solved():
        print(release(id, ROOT / "exercises").relative_to(ROOT), flush=True)
    texts = {id: ROOT / "exercises" / id / f"{id}.ipynb" for id in EXERCISES}
    write_json(STORE, {id: path.read_text(encoding="utf-8") for id, path in texts.items() if path.is_file()})


if __name__ == "__main__":
    main()
