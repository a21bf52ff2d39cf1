"""A bench of the judge: `python -m speechnas_lab.grading.judge.bench LIMITS FOLDER`. Holds the checks and a sandbox.

Jobs come as lines of JSON on standard input, marks leave as lines on what was standard output.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ..course import exercise
from .marker import Found, mark_apart
from .running import JudgeLimits, Running
from .sandbox import Sandbox

LOUD = 1_000_000  # bytes that an answer may print before a note says so
FRESH = 500  # answers after which the warm process is a new one


def main() -> None:
    """Jobs, until there are no more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    limits, folder = JudgeLimits(**json.loads(sys.argv[1])), Path(sys.argv[2])
    sandbox, served = None, 0

    def tell(what: dict[str, Any]) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    try:
        for text in sys.stdin:
            job = json.loads(text)
            for _ in range(2):
                try:
                    if sandbox is None or served >= FRESH:
                        sandbox = _anew(sandbox, limits, folder)
                        served = 0
                    served += 1
                    running = sandbox.begin(job["exercise"])
                    break
                except OSError as error:  # the warm process is gone: a new one, once
                    sandbox, problem = _anew(sandbox, limits, folder), error
            else:
                tell({"failed": f"the sandbox did not start ({problem})"})
                continue
            start = time.monotonic()
            tell(mark(job, running) | {"seconds": round(time.monotonic() - start, 3)})
    except BadInput as error:
        tell({"unfit": str(error)})
    finally:
        if sandbox:
            sandbox.close()


def mark(job: dict[str, Any], running: Running) -> dict[str, Any]:
    """The mark of one job as plain data, while `running` is its process."""
    found = exercise(job["exercise"])
    try:
        done = mark_apart(found, job["cells"], job["seed"], running.line)
        running.read()
    finally:
        running.close()
    return _summed(done, running)


def _summed(done: Found, running: Running) -> dict[str, Any]:
    told = {"points": 0, "outcome": "does not run", "what": done.stopped, "results": [], "notes": list(done.told)}
    if running.printed > LOUD:
        told["notes"].append(f"it printed {running.printed / 1e6:,.0f} MB, which nobody reads")
    limit = running.over or done.limit
    if limit:
        told |= {"outcome": "over the limit", "what": limit}
    elif done.mark:
        failure = done.mark.first_failure
        told |= {"outcome": done.mark.outcome, "results": [asdict(result) for result in done.mark.results],
                 "points": 0 if done.mark.outcome == "over the limit" else done.mark.points}  # fmt: skip
        told["what"] = "; ".join(x for x in (failure.what, failure.case, failure.slip) if x) if failure else ""
        if all(result.what.endswith("is still to be written") for result in done.mark.results):
            told["outcome"] = "not begun"
    elif running.ended:
        told["what"] = done.stopped.replace("ended its process", f"ended its process ({running.ended})")
    return told


def _anew(old: Sandbox | None, limits: JudgeLimits, folder: Path) -> Sandbox:
    if old:
        old.close()
    return Sandbox(limits, Path(tempfile.mkdtemp(dir=folder)))


if __name__ == "__main__":
    main()
