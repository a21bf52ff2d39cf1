"""The process that runs one learner's answer: `python -m speechnas_lab.grading.child`, started by `own`.

The job comes as JSON on standard input, the mark leaves as JSON on what was standard output. Whatever the answer prints
goes to standard error. If it ends the process, no mark leaves, and no mark is 0.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
from dataclasses import asdict
from types import ModuleType
from typing import Any

MEMORY = b'{"limit": "it took more memory than allowed"}'  # made beforehand: there is none left when it is needed


def namespace(cells: list[dict[str, str]]) -> tuple[dict[str, Any], str]:
    """Run the cells, {"name": ..., "source": ...}; return what they defined and why they stopped, or ""."""
    module = ModuleType("__main__")  # what is pickled or inspected is looked for there
    sys.modules["__main__"] = module
    for cell in cells:
        place = f"<{cell['name']}>"
        lines = cell["source"].splitlines(keepends=True)
        linecache.cache[place] = (len(cell["source"]), None, lines, place)
        try:
            exec(compile(cell["source"], place, "exec"), module.__dict__)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            return module.__dict__, why(error, cell["name"])
    return module.__dict__, ""


def why(error: BaseException, cell: str) -> str:
    """One line on an error that stopped a cell."""
    if isinstance(error, NotImplementedError):
        return f"the cell {cell!r} is still to be written"
    if isinstance(error, SystemExit):
        return f"the cell {cell!r} ends the program"
    if isinstance(error, EOFError):
        return f"the cell {cell!r} asks for input, and nobody is there to answer"
    trace, line = error.__traceback__, getattr(error, "lineno", None)
    while trace:
        if trace.tb_frame.f_code.co_filename == f"<{cell}>":
            line = trace.tb_lineno
        trace = trace.tb_next
    first = (str(error).splitlines() or [""])[0][:200]
    return f"cell {cell!r}, line {line}: {type(error).__name__}: {first}"


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
    from .marking import mark

    found = exercise(job["exercise"])  # imports what the checks need, before memory is limited
    limit_memory(job["memory"])
    try:
        names, stopped = namespace(job["cells"])
        result = {"stopped": stopped} if stopped else {"mark": asdict(mark(found, names, job["seed"]))}
        text = json.dumps(result).encode()
    except MemoryError:
        text = MEMORY
    os.write(out, text)
    os.close(out)
    sys.stderr.flush()
    os._exit(0)  # no exit handler or thread of the answer's has a say


if __name__ == "__main__":
    main()
