"""Cells that a learner added and that an answer needs: a helper function, an import, a constant.

A cell counts if it does nothing but define such things, and if an answer uses one of them that no other cell defines.
What runs something (a call, a loop, a print) is no such cell, and neither is a copy of a cell that was handed out.
"""

from __future__ import annotations

import ast
import symtable
import warnings
from collections.abc import Iterable, Iterator

TROUBLE = (SyntaxError, ValueError, RecursionError, MemoryError)
MAKERS = ("float", "int", "frozenset", "tuple", "set", "dict", "list")  # calls that make a constant: float("inf")


def needed(known: Iterable[str], added: dict[int, str], handed_out: set[str]) -> dict[int, list[str]]:
    """Position -> the names for which an added cell is needed.

    known: the text of the cells that are run anyway. added: position -> text. handed_out: texts that never count.
    """
    names = {at: _names(text) for at, text in added.items() if text.strip() not in handed_out and only_defines(text)}
    if not names:
        return {}
    there, used = set(), set()
    for source in known:
        defined, uses = _names(source)
        there |= defined
        used |= uses
    found: dict[int, list[str]] = {}
    while new := {at: wanted for at, (defined, _) in names.items()
                  if at not in found and (wanted := sorted((defined - there) & used))}:  # fmt: skip
        found |= new
        used = used.union(*(names[at][1] for at in new))
    return dict(sorted(found.items()))


def only_defines(source: str) -> bool:
    """Whether a cell holds imports, functions, classes and constants, and nothing else.

    >>> only_defines("import math\\nTOP = 3\\ndef f(x): return x"), only_defines("print(1)"), only_defines("# nothing")
    (True, False, False)
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            body = ast.parse(source).body
    except TROUBLE:
        return False
    return bool(body) and all(map(_defines, body))


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Pass):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # a text that stands alone
    return isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _constant(node.value)


def _constant(node: ast.expr) -> bool:
    """A number, a text, a list of such, a name out of a module (`math.inf`), `float("inf")`, `-1`, `1 / 3`."""
    if isinstance(node, ast.Call):
        made = isinstance(node.func, ast.Name) and node.func.id in MAKERS and not node.keywords
        return made and all(map(_constant, node.args))
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name | ast.Attribute)
    plain = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.operator, ast.unaryop,
             ast.expr_context)  # fmt: skip
    try:
        return all(isinstance(part, plain) for part in ast.walk(node))
    except RecursionError:
        return False


def _names(source: str) -> tuple[set[str], set[str]]:
    """(the names that a cell defines, those that it uses without knowing them from an inner place)."""
    try:
        with warnings.catch_warnings(action="ignore"):
            top = symtable.symtable(source, "<cell>", "exec")
        inner = [symbol for table in _inside(top) for symbol in table.get_symbols() if symbol.is_global()]
        outer = top.get_symbols()
    except TROUBLE:
        return set(), set()
    defined = {one.get_name() for one in outer if one.is_assigned() or one.is_imported() or one.is_namespace()}
    defined |= {one.get_name() for one in inner if one.is_assigned()}
    return defined, {one.get_name() for one in (*outer, *inner) if one.is_referenced()}


def _inside(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """All functions and classes below a place."""
    waiting = list(table.get_children())
    while waiting:
        found = waiting.pop()
        yield found
        waiting += found.get_children()
