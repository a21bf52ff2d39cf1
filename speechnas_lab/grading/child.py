"""The process that runs one learner's answer: `python -m speechnas_lab.grading.child`, started by `own`.

The job comes as JSON on standard input, the mark leaves as JSON on what was standard output. Whatever the answer prints
goes to standard error. If it ends the process, no mark leaves, and no mark is 0.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

MEMORY = b'{"limit": "it took more memory than allowed"}'  # made beforehand: there is none left when it is needed


def limit_memory(megabytes: int) -> None:
    """Let this process take no more than `megabytes` beyond what it has. Where the system cannot, `own` watches."""
    try:
        import resource

        import psutil

        limit = psutil.Process().memory_info().vms + megabytes * 2**20
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def main() -> None:
    """One job."""
    out = os.dup(1)
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    from .course import exercise
    from .judge.inside.cells import run
    from .marking import mark

    found = exercise(job["exercise"])  # imports what the checks need, before memory is limited
    limit_memory(job["memory"])
    try:
        names, told = run(job["cells"])
        if told and not any(name in names for name in found.defines):
            result = {"stopped": told[0]}
        else:
            result = {"mark": asdict(mark(found, names, job["seed"])), "told": told}
        text = json.dumps(result).encode()
    except MemoryError:
        text = MEMORY
    os.write(out, text)
    os.close(out)
    sys.stderr.flush()
    os._exit(0)  # no exit handler or thread of the answer's has a say


if __name__ == "__main__":
    main()
