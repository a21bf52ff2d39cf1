"""Would the checks of an exercise notice a slip? Each small change of its solution is marked, and lives where it earns
all points.

A change that lives is either caught by a better check, or makes no difference; then tests/mutants/equivalent.txt holds
a line `ID | line before -> line after | reason`.
"""

from __future__ import annotations

import ast
import signal
import warnings
from collections.abc import Callable

from ...errors import BadInput
from ..course import exercise
from ..marking import mark
from .changes import mutants
from .source import EQUIVALENT, cells_code, defined

SEEDS = (11, 12)
PATIENCE = 10  # seconds of processor time for all checks; an endless loop is noticed too, a busy machine is not


class _Late(BaseException):
    """The checks of one change took too long."""


def lives(id: str, code: str) -> bool:
    """Whether an answer earns all points under all seeds."""

    def late(*_: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        with warnings.catch_warnings(action="ignore"):  # of a changed line, to nobody's use
            namespace = defined(code)
            return all((found := mark(exercise(id), namespace, seed)).points == found.max for seed in SEEDS)
    except (Exception, SystemExit, _Late):
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def survivors(id: str, tick: Callable[[int, int], None] = lambda done, of: None) -> tuple[list[str], int]:
    """(the changes that no check notices, how many were tried). tick: is told (changes done, all) on the way."""
    import torch  # before any alarm: an import that is broken off half-way breaks torch

    if not hasattr(signal, "SIGPROF"):
        raise BadInput("changes of a solution are tried on Linux, macOS or WSL: elsewhere nothing ends an endless one")
    given = cells_code(id, "given")
    tried: dict[str, str] = {}  # each changed text once, with its first name
    for name, tree in mutants(ast.parse(cells_code(id, "answer"))):
        tried.setdefault(ast.unparse(tree), name)
    lived, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for done, (code, name) in enumerate(tried.items()):
            tick(done, len(tried))
            if lives(id, f"{given}\n\n{code}"):
                lived.append(name)
    finally:
        torch.set_num_threads(threads)
    tick(len(tried), len(tried))
    return lived, len(tried)


def equivalent(id: str) -> dict[str, str]:
    """change -> the reason why it makes no difference. BadInput that names a line which is none."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else []
    found = {}
    for number, line in enumerate(lines, 1):
        if line[:1] in ("", "#"):
            continue
        name, change, reason = (part.strip() for part in [*line.split(" | "), "", ""][:3])
        before, _, after = change.partition(" -> ")
        if not (before.strip() and after.strip() and reason):
            raise BadInput(f"{EQUIVALENT}, line {number}: {line[:60]!r} is no change with a reason; write "
                           f"{name or 'ID'} | LINE BEFORE -> LINE AFTER | REASON")
        if name == id:
            found[change] = reason
    return found
