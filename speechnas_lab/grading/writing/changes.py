"""Small changes of a program, each a single slip: another operator, a forgotten call, swapped arguments.

Mutation testing (DeMillo, Lipton and Sayward, "Hints on test data selection", 1978): a check that does not notice a
changed solution would not notice a learner who made that slip.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

OPERATORS: dict[type, list[type]] = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult], ast.MatMult: [ast.Mult],
    ast.FloorDiv: [ast.Div], ast.Pow: [ast.Mult], ast.Mod: [ast.FloorDiv],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot],
    ast.In: [ast.NotIn], ast.NotIn: [ast.In],  # codespell:ignore
    ast.IsNot: [ast.Is], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin",
    "zeros_like": "ones_like", "minimum": "maximum", "maximum": "minimum", "sum": "mean", "mean": "sum",
    "softmax": "log_softmax", "choice": "sample", "append": "extend", "ceil": "floor", "sample": "choices",
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of one node, each a single slip."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        for kind in OPERATORS.get(type(node.op), []):
            yield _with(node, op=kind())
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
        if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Pow, ast.MatMult)):
            yield _with(node, left=node.right, right=node.left)
    if isinstance(node, ast.BoolOp):
        yield from node.values
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for kind in OPERATORS.get(type(operator), []):
                yield _with(node, ops=[*node.ops[:i], kind(), *node.ops[i + 1 :]])
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _constants(node.value))
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield _with(node, test=ast.Constant(False))
        if not isinstance(node, ast.While):
            yield _with(node, test=ast.Constant(True))
    if isinstance(node, ast.comprehension):
        for i in range(len(node.ifs)):
            yield _with(node, ifs=node.ifs[:i] + node.ifs[i + 1 :])
    if isinstance(node, ast.Slice):
        for part in ("lower", "upper", "step"):
            if getattr(node, part) is not None:
                yield _with(node, **{part: None})
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    if isinstance(node, (ast.Tuple, ast.List)) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        yield _with(node, elts=node.elts[::-1])
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.Continue, ast.Break)):
        yield ast.Pass()
    if isinstance(node, ast.With):
        yield ast.If(ast.Constant(True), node.body, [])
    if isinstance(node, ast.For):
        yield _with(node, iter=_call("reversed", [_call("list", [node.iter])]))
        yield _with(node, iter=ast.Subscript(_call("list", [node.iter]), ast.Slice(ast.Constant(1)), ast.Load()))
        yield _with(node, iter=ast.Subscript(_call("list", [node.iter]), ast.Slice(None, ast.Constant(-1)), ast.Load()))


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    """Slips of a call: not called, an argument forgotten or swapped, its neighbour called instead."""
    if node.args:
        yield node.args[0]
    if isinstance(node.func, ast.Attribute):
        yield node.func.value
        if node.func.attr in NAMES:
            yield _with(node, func=_with(node.func, attr=NAMES[node.func.attr]))
    elif isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield _with(node, func=_with(node.func, id=NAMES[node.func.id]))
    for i in range(len(node.keywords)):
        yield _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    for i in range(len(node.args)):
        yield _with(node, args=node.args[:i] + node.args[i + 1 :])
    if len(node.args) == 2 and getattr(node.func, "id", "") not in ("max", "min"):
        yield _with(node, args=node.args[::-1])


def _constants(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2, 0.0, -value]
    return []


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _call(name: str, args: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), args, [])


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """(line before -> line after, the changed tree) for every change of every node. Docstrings and messages stay."""
    whole = ast.unparse(tree)
    skip = {id(part) for node in ast.walk(tree) for part in _words(node)}
    mixed = {id(name): others for function in ast.walk(tree) for name, others in _mixed_up(function)}
    for spot in [node for node in ast.walk(tree) if id(node) not in skip]:
        for new in [*changes(spot), *mixed.get(id(spot), [])]:
            changed = ast.fix_missing_locations(_Replace(spot, new).visit(copy.copy(tree)))
            if ast.unparse(changed) != whole:  # two equal arguments that are swapped change nothing
                yield _difference(tree, changed), changed


def _mixed_up(function: ast.AST) -> Iterator[tuple[ast.Name, list[ast.AST]]]:
    """Each use of an argument of `function`, with the other arguments that may be taken for it."""
    if isinstance(function, ast.FunctionDef):
        names = [argument.arg for argument in function.args.args]
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                yield node, [ast.Name(name, ast.Load()) for name in names if name != node.id]


def _words(node: ast.AST) -> Iterator[ast.AST]:
    """Parts that only speak: docstrings, what is raised, annotations."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield from (node, node.value)
    if isinstance(node, (ast.Raise, ast.arg, ast.Import, ast.ImportFrom, ast.JoinedStr)):
        yield from ast.walk(node)


class _Replace(ast.NodeTransformer):
    """A tree with one node replaced. Untouched parts are shared, changed ones are copies."""

    def __init__(self, spot: ast.AST, new: ast.AST) -> None:
        self.spot, self.new = spot, new

    def generic_visit(self, node: ast.AST) -> ast.AST:
        changed = copy.copy(node)
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(changed, name, [self.visit(item) if isinstance(item, ast.AST) else item for item in value])
            elif isinstance(value, ast.AST):
                setattr(changed, name, self.visit(value))
        return changed

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.spot else self.generic_visit(node)


def _difference(tree: ast.AST, changed: ast.AST) -> str:
    """The lines that differ, before -> after."""
    before, after = (ast.unparse(node).splitlines() for node in (tree, changed))
    marks = [block for block in SequenceMatcher(None, before, after).get_opcodes() if block[0] != "equal"]
    old = " ".join(line.strip() for _, a, b, _, _ in marks for line in before[a:b])
    new = " ".join(line.strip() for _, _, _, a, b in marks for line in after[a:b])
    twin = [place for place, line in enumerate(before) if line.strip() == old]
    which = f" (no. {twin.index(marks[0][1]) + 1})" if len(twin) > 1 else ""
    return f"{old} -> {new}{which}"
