"""Run the cells of an answer, each as far as it goes."""

from __future__ import annotations

import ast
import linecache
import sys
from types import ModuleType
from typing import Any

from .frames import first_line


def run(cells: list[dict[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """Run the cells, {"name": ..., "source": ...}; return what they defined, and a line on whatever stopped one.

    A statement that imports what is not there is left out, and its cell goes on; any other error ends its own cell.
    """
    module = ModuleType("__main__")  # what is pickled or inspected is looked for there
    sys.modules["__main__"] = module
    told = []
    for cell in cells:
        place = f"<{cell['name']}>"
        lines = cell["source"].splitlines(keepends=True)
        linecache.cache[place] = (len(cell["source"]), None, lines, place)
        try:
            statements = ast.parse(cell["source"], place).body
        except (SyntaxError, ValueError, RecursionError) as error:
            told.append(why(error, cell["name"]))
            continue
        for statement in statements:
            try:
                exec(compile(ast.Module([statement], []), place, "exec"), module.__dict__)
            except MemoryError:
                raise
            except BaseException as error:
                told.append(why(error, cell["name"]))
                if not (isinstance(error, ImportError) and isinstance(statement, ast.Import | ast.ImportFrom)):
                    break
    return module.__dict__, told


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
    return f"cell {cell!r}, line {line}: {type(error).__name__}: {first_line(error)}"
