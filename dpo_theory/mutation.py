"""Faults made by machine: every formula with one operator, constant, term or argument changed.

A mutant is applied to the function that is shipped, in place, by exchanging its code object, so that everybody who holds the
function sees the fault. Validation is left alone: statements that raise, doors and guards are not formulas.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["Mutant", "edited", "mutants"]

_SWAPS: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
_COMPARE: dict[type, type] = {ast.LtE: ast.Lt, ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}


@dataclass(frozen=True, eq=False)
class Mutant:
    """One fault in one function.

    Args:
        target: `module.qualname` of the function.
        line: line in its file.
        change: what was written, and what stands there now.
        function: the shipped function.
        code: its faulty code.
    """

    target: str
    line: int
    change: str
    function: FunctionType
    code: CodeType

    @property
    def name(self) -> str:
        """`target: change`, stable when lines move."""
        return f"{self.target}: {self.change}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The fault is in force inside the `with` block, everywhere in the process."""
        before = self.function.__code__
        self.function.__code__ = self.code
        try:
            yield
        finally:
            self.function.__code__ = before


def edited(function: Callable[..., Any], old: str, new: str) -> Mutant:
    """A fault made by hand: `old` in the function's source becomes `new`.

    Args:
        function: a shipped function, method, property getter or static method.
        old: text that occurs exactly once in the function's source.
        new: what takes its place.

    Raises:
        ValueError: `old` does not occur exactly once.
    """
    plain = _plain(function)
    module = inspect.getmodule(plain)
    assert module is not None
    source = inspect.getsource(plain)
    if source.count(old) != 1:
        raise ValueError(f"{old!r} occurs {source.count(old)} times in {plain.__qualname__}, expected once")
    whole = inspect.getsource(module)
    tree = ast.parse(whole.replace(source, source.replace(old, new), 1))
    return Mutant(f"{module.__name__}.{plain.__qualname__}", 0, f"{old} -> {new}", plain, _code(tree, module, plain.__qualname__))


def mutants(module: ModuleType) -> Iterator[Mutant]:
    """Every mechanical fault of the public formulas in a module, in the order of the source.

    Operators (+ and -, * and /, unary minus, comparisons), constants, dropped terms, dropped branches, exchanged arguments.
    """
    tree = ast.parse(inspect.getsource(module))
    for qualname, function in _functions(tree, module):
        if _private(qualname):
            continue  # guards and casts; their faults are for the tests of the door
        node = _find(tree, qualname)
        for place in _places(node):
            for number, (line, change) in enumerate(_faults(place)):
                faulty = copy.deepcopy(tree)
                target = _same(tree, faulty, place)
                _apply(target, number)
                code = _code(ast.fix_missing_locations(faulty), module, qualname)
                yield Mutant(f"{module.__name__}.{qualname}", line, change, function, code)


def _functions(tree: ast.Module, module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, _plain(getattr(module, node.name))
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", _plain(inspect.getattr_static(getattr(module, node.name), inner.name))


def _private(qualname: str) -> bool:
    last = qualname.rsplit(".", 1)[-1]
    return last.startswith("_") and not last.startswith("__")


def _plain(function: Any) -> FunctionType:
    if isinstance(function, property):
        function = function.fget
    if isinstance(function, staticmethod | classmethod):
        function = function.__func__
    if not isinstance(function, FunctionType):
        raise ValueError(f"{function!r} is not a Python function")
    return function


def _find(tree: ast.Module, qualname: str) -> ast.FunctionDef:
    body: list[Any] = tree.body
    for part in qualname.split("."):
        node = next(n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part)
        body = node.body
    assert isinstance(node, ast.FunctionDef)
    return node


def _places(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Expressions that compute: in returns and assignments, outside guards."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in body:
            if isinstance(statement, ast.Return | ast.Assign):
                yield statement
            elif isinstance(statement, ast.With):
                yield from statements(statement.body)
            elif isinstance(statement, ast.If) and not _guards(statement):
                yield from statements(statement.body)
                yield from statements(statement.orelse)
            elif isinstance(statement, ast.FunctionDef):
                yield from statements(statement.body)

    for statement in statements(function.body):
        value = statement.value  # type: ignore[attr-defined]
        if value is not None and not _admits(value):
            yield from (node for node in ast.walk(value) if not isinstance(node, ast.expr_context))


def _guards(statement: ast.If) -> bool:
    """An `if` that raises or calls a door looks at arguments; it computes nothing."""
    return any(isinstance(node, ast.Raise) or _admits(node) for inner in statement.body for node in ast.walk(inner))


def _admits(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else ""
    return name.startswith(("require_", "_admit", "_arrays", "_finite", "as_numpy", "is_symbolic"))


def _faults(node: ast.AST) -> list[tuple[int, str]]:
    return [(getattr(node, "lineno", 0), f"{ast.unparse(node)} -> {ast.unparse(after)}") for after in _after(node)]


def _after(node: ast.AST) -> list[ast.expr]:
    """What may stand in place of an expression."""
    found: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        if type(node.op) in _SWAPS:
            found.append(ast.BinOp(node.left, _SWAPS[type(node.op)](), node.right))
        found += [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        found.append(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        found.append(ast.Constant(not node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        found.append(ast.Constant(node.value + 1))
    elif isinstance(node, ast.Call) and len(node.args) >= 2:
        found.append(ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords))
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        found.append(ast.Compare(node.left, [_COMPARE[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BoolOp):
        found += node.values
    elif isinstance(node, ast.IfExp):
        found += [node.body, node.orelse]
    return found


def _apply(node: Any, number: int) -> None:
    """Turn `node` into its fault in place, so that whatever holds it sees the fault."""
    after = copy.deepcopy(_after(node)[number])
    node.__class__ = after.__class__
    position = {name: getattr(node, name) for name in ("lineno", "col_offset") if hasattr(node, name)}
    node.__dict__.clear()
    node.__dict__.update(after.__dict__)
    node.__dict__.update(position)


def _same(tree: ast.AST, other: ast.AST, node: ast.AST) -> ast.AST:
    """The node of `other` at the place where `node` stands in `tree`, its copy."""
    return next(b for a, b in zip(ast.walk(tree), ast.walk(other), strict=True) if a is node)


def _code(tree: ast.Module, module: ModuleType, qualname: str) -> CodeType:
    whole = compile(tree, module.__file__ or "<mutant>", "exec")
    stack = [whole]
    while stack:
        code = stack.pop()
        if code.co_qualname == qualname:
            return code
        stack += [const for const in code.co_consts if isinstance(const, CodeType)]
    raise ValueError(f"{qualname} is not in {module.__name__}")
