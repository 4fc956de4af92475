"""Loss classes of torchtune and OpenRLHF, from their installed files: neither package is imported, nor what it needs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bandits.data import PairLogProbs
from dpo_theory.adapters import reproduce
from dpo_theory.adapters.adapted import Adapted, InternalsChanged, MissingLibrary, Refused

__all__ = ["LIBRARIES", "installed", "load", "names"]

LOGPS = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps")
REWARDS = ("chosen_reward", "reject_reward")
LIBRARIES = {"torchtune": "rlhf/loss", "openrlhf": "models/loss.py"}


@dataclass(frozen=True)
class Found:
    """A class in a file: its name, whether it takes rewards, and the source that defines it."""

    name: str
    rewards: bool
    path: Path
    source: str


def installed(library: str) -> str:
    """The version of a library.

    Raises:
        MissingLibrary: it is not installed.
    """
    try:
        return version(library)
    except PackageNotFoundError:
        raise MissingLibrary(f"{library} is not installed. Run: pip install --no-deps {library}") from None


def names(library: str) -> tuple[str, ...]:
    """The loss classes of the installed version that take pairs of log-probabilities, or of rewards.

    Raises:
        MissingLibrary: it is not installed.
        InternalsChanged: the file is not where this adapter knows it, or holds no such class.
    """
    return tuple(found.name for found in _found(library))


def load(library: str, name: str, options: Mapping[str, Any] | None = None) -> Adapted:
    """A loss class of the installed version, constructed.

    Args:
        library: `torchtune` or `openrlhf`.
        name: the class.
        options: of its constructor.

    Raises:
        MissingLibrary, InternalsChanged: as `names`.
        Refused: the constructor refuses the options.
        ValueError: no such class, or no such option.
    """
    options = dict(options or {})
    known = {found.name: found for found in _found(library)}
    if name not in known:
        raise ValueError(f"{library} {installed(library)} has no pair loss {name!r}. It has {', '.join(known)}.")
    found = known[name]
    cls = _class(found)
    parameters = {n: p for n, p in inspect.signature(cls).parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    for option in options:
        if option not in parameters:
            raise ValueError(f"{library}:{name} has no option {option!r}. Its options are {', '.join(parameters) or 'none'}.")
    needed = {p.name: 0.1 for p in parameters.values() if p.default is p.empty and p.name not in options and p.name == "beta"}
    try:
        made = cls(**needed, **options)
    except Exception as error:
        raise Refused(f"{library} {installed(library)} refuses {name}({options}): {error}") from None
    current = {p.name: {**needed, **options}.get(p.name, p.default) for p in parameters.values()}

    def once(pairs: PairLogProbs) -> Any:
        value = made(*pairs[: 2 if found.rewards else 4])
        return value[0] if isinstance(value, tuple) else value

    def unreduced(pairs: PairLogProbs) -> Any:
        from dpo_theory.adapters.unreduced import Unreduced

        with Unreduced(len(pairs.policy_chosen)):
            return once(pairs)

    return Adapted(
        f"{library}:{name}", installed(library), current, {**needed, **options}, once, lambda changed: load(library, name, changed),
        lambda: reproduce.instance(f"{library} {installed(library)}", name, current, _snippet(library, found), found.rewards),
        unreduced=unreduced, rewards=found.rewards,
    )  # fmt: skip


@cache
def _found(library: str) -> tuple[Found, ...]:
    installed(library)
    spec = PathFinder.find_spec(library)
    place = Path(next(iter(spec.submodule_search_locations or ()), "")) / LIBRARIES[library] if spec is not None else None
    if place is None or not place.exists():
        raise InternalsChanged(f"{library} {installed(library)} has no {LIBRARIES[library]}: the adapter does not know this version.")
    found = [one for path in ([place] if place.is_file() else sorted(place.glob("*.py"))) for one in _classes(path)]
    if not found:
        raise InternalsChanged(f"{library} {installed(library)}: no class in {LIBRARIES[library]} takes pairs in a way that is known.")
    return tuple(found)


def _classes(path: Path) -> list[Found]:
    source = path.read_text(encoding="utf-8")
    found = []
    for node in ast.parse(source).body:
        forward = next((n for n in getattr(node, "body", ()) if isinstance(n, ast.FunctionDef) and n.name == "forward"), None)
        if isinstance(node, ast.ClassDef) and forward is not None:
            taken = tuple(a.arg for a in forward.args.args[1:])
            if taken == LOGPS or taken[:2] == REWARDS:
                found.append(Found(node.name, taken[:2] == REWARDS, path, source))
    return found


def _class(found: Found) -> Any:
    """The class, its file run without the imports from its own package."""
    space: dict[str, Any] = {"__name__": f"installed_{found.path.stem}"}
    exec(compile(_alone(found), str(found.path), "exec"), space)
    return space[found.name]


def _alone(found: Found) -> ast.Module:
    """The imports of other packages, and the class."""
    tree = ast.parse(found.source)
    package = found.path.parts[-3] if found.path.parent.name != "loss" else found.path.parts[-4]
    kept: list[ast.stmt] = []
    for node in tree.body:
        own = isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] == package)
        if (isinstance(node, ast.Import | ast.ImportFrom) and not own) or (isinstance(node, ast.ClassDef) and node.name == found.name):
            kept.append(node)
    return ast.Module(body=kept, type_ignores=[])


def _snippet(library: str, found: Found) -> str:
    """Lines that define the class from the installed file, where importing the package needs more than torch."""
    place = "/".join(found.path.parts[found.path.parts.index(library) + 1 :])
    return "\n".join(
        [
            "import ast, importlib.util, pathlib",
            f'path = pathlib.Path(importlib.util.find_spec("{library}").submodule_search_locations[0]) / "{place}"',
            "nodes = ast.parse(path.read_text()).body",
            'kept = [n for n in nodes if isinstance(n, ast.Import) or (isinstance(n, ast.ImportFrom) and not n.level and n.module != "'
            f'{library}") or getattr(n, "name", "") == "{found.name}"]',
            'exec(compile(ast.Module(kept, []), str(path), "exec"))',
        ]
    )
