"""What an installed trainer says about itself: its loss types, its options, and the part of `__init__` that only reads the config.

Read from the source of the installed version, so that a new loss type or a new option is found without a list kept here.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["attributes_read", "compared_with", "config_statements", "copied_options", "tree"]


def tree(function: Callable[..., Any]) -> ast.FunctionDef:
    """The definition of a function or method, parsed."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise ValueError(f"{function} is no function with a source.")
    return node


def compared_with(functions: Iterable[ast.AST], name: str) -> tuple[str, ...]:
    """The strings that `name` or `self.name` is compared with, in their order.

    >>> compared_with([ast.parse("if loss_type == 'a': pass\\nelif self.loss_type in ('b', 'a'): pass")], "loss_type")
    ('a', 'b')
    """
    found: list[str] = []
    for node in (node for function in functions for node in ast.walk(function)):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.In | ast.NotEq | ast.NotIn):
            continue
        if getattr(node.left, "id", getattr(node.left, "attr", None)) == name:
            found += [c.value for c in ast.walk(node.comparators[0]) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
    return tuple(dict.fromkeys(found))


def attributes_read(functions: Iterable[ast.AST], owner: str = "self") -> tuple[str, ...]:
    """The names X of `self.X`, and `args.X` of `self.args.X`, that are read.

    >>> attributes_read([ast.parse("self.beta * self.args.tau")])
    ('args', 'args.tau', 'beta')
    """
    found = set()
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            if isinstance(node.value, ast.Name) and node.value.id == owner:
                found.add(node.attr)
            inner = node.value
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and (inner.value.id, inner.attr) == (owner, "args"):
                found.add(f"args.{node.attr}")
    return tuple(sorted(found))


def config_statements(init: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of `__init__` that need nothing but the config: what it copies, refuses and warns of.

    A statement is taken when every name that it reads is `args`, an attribute that an earlier one set, a builtin, or a helper of the
    module; anything that touches the model, the data or the accelerator is left out.

    Args:
        init: the constructor of a trainer whose config is called `args`.

    Returns:
        Assignments, and `if` statements that raise or warn.
    """
    parameters = {a.arg for a in (*init.args.args, *init.args.kwonlyargs)} - {"self", "args"}
    local = {n.id for n in ast.walk(init) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    known, have = {"self", "args"}, {"args"}
    taken: list[ast.stmt] = []
    for statement in _open(init.body):
        reads = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        own = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if reads & (parameters | (local - known - own)) or "args" in own or not _reads(statement) <= have or _bare(statement):
            continue
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and _plain(statement.value):
            target = statement.targets[0]
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                have.add(target.attr)
            elif isinstance(target, ast.Name):
                known.add(target.id)
            else:
                continue
            taken.append(statement)
        elif isinstance(statement, ast.If) and _only_speaks(statement):
            have |= {n.attr for n in ast.walk(statement) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
            taken.append(statement)
    return taken


def copied_options(statements: Iterable[ast.stmt]) -> dict[str, tuple[str, ...]]:
    """attribute of the trainer -> the options of the config that it is made of.

    >>> copied_options(ast.parse("self.w = args.weights or [1.0] * len(self.kinds)").body)
    {'w': ('weights',)}
    """
    made: dict[str, tuple[str, ...]] = {}
    for statement in (s for outer in statements for s in ast.walk(outer) if isinstance(s, ast.Assign)):
        name = getattr(statement.targets[0], "attr", getattr(statement.targets[0], "id", ""))
        made[name] = tuple(attributes_read_of(statement.value, "args"))
    return made


def attributes_read_of(node: ast.AST, owner: str) -> list[str]:
    """X of every `owner.X`, in order."""
    found = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == owner]
    return list(dict.fromkeys(found))


def _open(body: list[ast.stmt]) -> list[ast.stmt]:
    return [s for s in body if isinstance(s, ast.Assign | ast.If)]


def _reads(statement: ast.stmt) -> set[str]:
    return {name for name in attributes_read([statement]) if not name.startswith("args.")}


def _bare(statement: ast.stmt) -> bool:
    """`self` or `args` is handed on whole."""
    owned = {id(n.value) for n in ast.walk(statement) if isinstance(n, ast.Attribute)}
    return any(isinstance(n, ast.Name) and n.id in ("self", "args") and id(n) not in owned for n in ast.walk(statement))


def _plain(value: ast.expr) -> bool:
    """No call but of a builtin or `defaultdict`: nothing that loads or builds."""
    calls = [n.func for n in ast.walk(value) if isinstance(n, ast.Call)]
    return all(isinstance(f, ast.Name) and (hasattr(builtins, f.id) or f.id == "defaultdict") for f in calls)


def _only_speaks(statement: ast.If) -> bool:
    """Every line of it raises, warns, or copies an option."""
    return all(map(_speaks, (*statement.body, *statement.orelse)))


def _speaks(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return isinstance(node.value.func, ast.Attribute) and node.value.func.attr in ("warning", "warn", "warning_once", "info")
    if isinstance(node, ast.Assign) and _plain(node.value):
        target = node.targets[0]
        return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    return isinstance(node, ast.Raise) or (isinstance(node, ast.If) and _only_speaks(node))
