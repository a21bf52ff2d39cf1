"""Answers that are the same program: equal after names, comments, layout and docstrings are taken away.

Two people can write the same short function by chance, so short answers are left out; what is found is a question to
ask, not a finding.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import defaultdict

from ..submission import Submission

SMALLEST = 60  # nodes of the syntax tree; a sum over a generator has about 25


class _Plain(ast.NodeTransformer):
    """Number every name that the answer itself gives, in order of appearance."""

    def __init__(self, own: set[str]) -> None:
        self.own, self.numbers = own, {}

    def _new(self, name: str) -> str:
        return f"v{self.numbers.setdefault(name, len(self.numbers))}" if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._new(node.arg), None
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.arg = self._new(node.arg) if node.arg else None
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self._new(node.name), None
        node.body = _without_text(node.body)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name, node.body = self._new(node.name), _without_text(node.body)
        self.generic_visit(node)
        return node


def fingerprint(submission: Submission) -> tuple[str, int]:
    """(a hash that copies share, how many nodes the answer has). ("", 0) for what is no Python."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse("\n".join(cell.source for cell in submission.cells if cell.name != "given"))
        own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        size = sum(1 for _ in ast.walk(tree))
        tree.body = _without_text(tree.body)
        text = ast.dump(_Plain(own).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "", 0
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20], size


def groups(prints: dict[tuple[str, str], tuple[str, int]], blank: dict[str, str]) -> list[tuple[str, int, list[str]]]:
    """(exercise, nodes, students) of each answer that several handed in, the longest first.

    prints: (student, exercise) -> fingerprint. blank: exercise -> the fingerprint of the notebook as handed out.
    """
    found: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for (student, exercise), (mark, size) in sorted(prints.items()):
        if mark and size >= SMALLEST and mark != blank.get(exercise):
            found[exercise, mark, size].append(student)
    many = [(exercise, size, students) for (exercise, _, size), students in found.items() if len(students) > 1]
    return sorted(many, key=lambda one: (-one[1], one[0]))


def _without_text(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements without strings that stand alone (docstrings and the like) and without `pass`."""
    alone = lambda node: isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # noqa: E731
    return [node for node in body if not alone(node) and not isinstance(node, ast.Pass)]
