"""What a command is pointed at: a loss in a file, in a module, in the library, or in an installed training library."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["InLibrary", "literals", "load", "prepared"]

INSTALLED = ("trl", "torchtune", "openrlhf")


@dataclasses.dataclass(frozen=True)
class InLibrary:
    """A loss of an installed training library, made when its options are known; `*` is every loss."""

    library: str
    name: str

    def made(self, options: Mapping[str, Any]) -> Any:
        """The loss with these options.

        Raises:
            ValueError: the library is not installed, has no such loss or option, or refuses the options.
        """
        from dpo_theory import adapters

        if self.name == "*":
            raise ValueError(
                f"{self.library}:* is every loss of {self.library}, expected one. `dpo-theory check '{self.library}:*'` checks all."
            )
        return adapters.load(self.library, self.name, dict(options))


def load(target: str) -> tuple[Any, dict[str, Any]]:
    """What FILE.py:NAME, module:NAME, `dpo`, `DPO(beta=0.3)`, `trl:ipo` or `trl:ipo(beta=0.2)` means, and the options that it says itself.

    Says on standard error whose code it runs.

    Raises:
        ValueError: there is no such file, module or name, or it cannot be imported; the message offers the nearest.
    """
    library, colon, rest = target.partition(":")
    if colon and library in INSTALLED:
        return _installed(library, rest)
    place, colon, name = target.rpartition(":")
    if not colon or "(" in target:
        if target.endswith(".py") or os.sep in target:
            raise ValueError(f"{target} does not say which loss. Pass {target}:NAME{_defined_in(Path(target))}.")
        return _from_library(target)
    module = _from_file(Path(place)) if place.endswith(".py") or os.sep in place else _from_module(place)
    return _attribute(module, name, place), {}


def literals(texts: Sequence[str]) -> dict[str, Any]:
    """`["beta=0.3"]` as {"beta": 0.3}.

    Raises:
        ValueError: no `=`, a name twice, or a value that is no Python literal.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"--param {text!r} is not NAME=VALUE. Write for example --param beta=0.3.")
        if name in found:
            raise ValueError(f"--param {name} is given twice.")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            quoted = f'--param {name}="{value!r}"'
            raise ValueError(f"--param {name}: {value!r} is not a Python literal. For text write {quoted}.") from None
    return found


def prepared(target: Any, options: Mapping[str, Any]) -> Callable[..., Any]:
    """The target with its options: a class is constructed, a function keeps them, a dataclass is replaced.

    Raises:
        ValueError: it has no such option, it refuses the value, or it is not callable.
    """
    if isinstance(target, InLibrary):
        return target.made(options)
    name = getattr(target, "__name__", type(target).__name__)
    if not callable(target):
        shown = repr(target).splitlines()[0][:80]
        raise ValueError(f"{shown} ({type(target).__name__}) is not callable. Name a function, a class or a callable object.")
    made: Any = target
    if isinstance(target, type):
        _require_options(name, _parameters(target), options)
        made = _made(target, options, f"{name}({', '.join(f'{k}={v!r}' for k, v in options.items())})")
    elif options and dataclasses.is_dataclass(target):
        _require_options(name, {field.name: field for field in dataclasses.fields(target) if field.init}, options)
        made = _made(functools.partial(dataclasses.replace, made), options, name)
    elif options and (inspect.isroutine(target) or isinstance(target, functools.partial)):
        _require_options(name, _parameters(target), options)
        made = functools.partial(target, **options)
    elif options:
        raise ValueError(f"{name} is an object that is made already, and takes no --param. Name its class instead.")
    if not callable(made):
        raise ValueError(f"{name} makes a {type(made).__name__} that is not callable. A loss defines __call__ or forward.")
    return made


def _made(make: Callable[..., Any], options: Mapping[str, Any], shown: str) -> Any:
    try:
        return make(**options)
    except Exception as error:
        remedy = " Pass its options with --param NAME=VALUE." if isinstance(error, TypeError) else ""
        raise ValueError(f"{shown} cannot be made: {type(error).__name__}: {str(error).rstrip('.')}.{remedy}") from None


def _parameters(target: Any) -> Mapping[str, Any] | None:
    """Names that may be passed; None where anything may, or nobody knows."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) else parameters


def _require_options(name: str, known: Iterable[str] | None, options: Mapping[str, Any]) -> None:
    for option in options if known is not None else ():
        if option not in (known or ()):
            listed = ", ".join(known or ()) or "none"
            raise ValueError(f"{name} has no option {option!r}. {_nearest(option, known or ()) or f'Its options are: {listed}.'}")


def _call(text: str) -> tuple[str, dict[str, Any]]:
    """A name, or a name with options in brackets."""
    if "(" not in text:
        return text, {}
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args and all(k.arg for k in node.keywords):
            return node.func.id, {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    except (SyntaxError, ValueError):
        pass
    raise ValueError(f"{text!r} is not a loss with its options. Write for example 'DPO(beta=0.3)'.")


def _installed(library: str, text: str) -> tuple[Any, dict[str, Any]]:
    name, bracket, inside = text.partition("(")
    if not name:
        raise ValueError(f"{library}: does not say which loss. Write {library}:NAME, or '{library}:*' for all.")
    try:
        _, options = _call(f"loss({inside}") if bracket else ("", {})
    except ValueError:
        raise ValueError(f"{library}:{text} is not a loss with its options. Write for example '{library}:{name}(beta=0.3)'.") from None
    return InLibrary(library, name), options


def _from_library(text: str) -> tuple[Any, dict[str, Any]]:
    from dpo_theory import losses

    name, options = _call(text)
    known = {loss.lower(): loss for loss in losses.__all__}
    if name.lower() not in known:
        hint = _nearest(name.lower(), known, lambda near: known[near]) or f"The library has {', '.join(losses.__all__)}."
        raise ValueError(f"the library has no loss {name!r}. {hint} For a loss of your own write FILE.py:NAME or module:NAME.")
    return getattr(losses, known[name.lower()]), options


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ValueError(f"there is no file {path}. {_nearest(path.name, beside) or 'Check the folder and the name.'}")
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        shown = f": {error.text.strip()!r}" if error.text else ""
        raise ValueError(f"{path} does not parse{line}: {error.msg}{shown}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not Python source: {error}.") from None
    taken = not path.stem.isidentifier() or path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = "checked_" + "".join(c if c.isalnum() else "_" for c in path.stem) if taken else path.stem
    module = module_from_spec(ModuleSpec(name, None, origin=str(path)))
    module.__file__ = str(path.resolve())
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[name] = module
    _imported(lambda: exec(code, module.__dict__), str(path))
    return module


def _from_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r} is neither a file nor a module. Write FILE.py:NAME or package.module:NAME.")
    sys.path.insert(0, os.getcwd())
    module, folder = None, None
    parts = name.split(".")
    for depth, part in enumerate(parts, start=1):
        inner = ".".join(parts[:depth])
        if inner not in sys.modules and find_spec(inner) is None:
            found = {other.name for other in pkgutil.iter_modules(folder)}
            hint = _nearest(part, found) or "Run from the folder that holds it, or write FILE.py:NAME."
            raise ValueError(f"there is no module {inner}. {hint}")
        module = _imported(functools.partial(importlib.import_module, inner), inner, said=depth < len(parts))
        folder = getattr(module, "__path__", [])
    assert module is not None
    return module


def _imported(load: Callable[[], Any], place: str, *, said: bool = False) -> Any:
    """What `load` returns; any error of the code that it runs becomes one message, with the line."""
    if not said:
        print(f"running the code of {place}", file=sys.stderr)
    try:
        return load()
    except SystemExit:
        raise ValueError(f'{place} exits when it is imported. Put what is a script under `if __name__ == "__main__":`.') from None
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<") and f.filename != __file__]
        line = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
        remedy = ""
        if isinstance(error, ImportError):
            remedy = " Install what it imports" + (", or write package.module:NAME." if "relative import" in str(error) else ".")
        first = str(error).splitlines()[0] if str(error) else ""
        raise ValueError(f"{place} cannot be imported{line}: {type(error).__name__}: {first}.{remedy}") from None


def _attribute(module: ModuleType, name: str, place: str) -> Any:
    if not name:
        raise ValueError(f"{place}: does not say which loss. {_offer(module)}")
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [other for other in dir(found) if not other.startswith("_")]
            raise ValueError(f"{place} has no {name!r}. {_nearest(part, known) or _offer(module)}")
        found = getattr(found, part)
    return found


def _offer(module: ModuleType) -> str:
    own = [name for name, value in vars(module).items() if callable(value) and getattr(value, "__module__", "") == module.__name__]
    return f"It defines {', '.join(own)}." if own else "It defines nothing that can be called."


def _defined_in(path: Path) -> str:
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return f"; it defines {', '.join(names)}" if names else ""


def _nearest(word: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    near = difflib.get_close_matches(word, list(known), n=3)
    return f"Did you mean {', '.join(map(shown, near))}?" if near else ""
