"""One trainer class of TRL: its config, its checks of the config, and its loss on stand-ins for model and accelerator."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from bandits.data import PairLogProbs
from dpo_theory.adapters import calls, reproduce, source
from dpo_theory.adapters.adapted import Adapted, InternalsChanged, Refused

__all__ = ["Trainer"]

QUIET = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": [], "output_dir": "unused"}


class Trainer:
    """A trainer class, read from its installed source.

    Args:
        family: `dpo`, `kto`, `cpo`, `orpo`.
        cls, config: the class and its config.
        version: of TRL.

    Raises:
        InternalsChanged: the methods that hold the loss are not there.
    """

    def __init__(self, family: str, cls: Any, config: Any, version: str) -> None:
        self.family, self.cls, self.config, self.version = family, cls, config, version
        self.call = calls.CALLS[family]
        missing = [name for name in self.call.methods if not callable(getattr(cls, name, None))]
        if missing:
            raise InternalsChanged(f"{cls.__name__} of trl {version} has no method {missing[0]}: the adapter does not know this version.")
        self.methods = [source.tree(getattr(cls, name)) for name in self.call.methods]
        self.init = source.tree(cls.__init__)
        self.statements = source.config_statements(self.init)
        self.read = source.attributes_read(self.methods)
        self.copied = source.copied_options(self.statements)
        tree = ast.Module(body=list(self.statements), type_ignores=[])
        self._copying = compile(tree, f"<{cls.__name__}.__init__>", "exec")
        self.loss_types = self._loss_types()
        self.fields = {f.name: f for f in dataclasses.fields(config)}
        self.choices = self._choices()

    def _loss_types(self) -> tuple[str, ...]:
        branches = source.compared_with(self.methods, "loss_type")
        default = getattr({f.name: f for f in dataclasses.fields(self.config)}.get("loss_type"), "default", dataclasses.MISSING)
        first = (default,) if isinstance(default, str) else ()
        return tuple(dict.fromkeys((*first, *branches))) or (self.family,)

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The options of the config that the loss reads, through an attribute that `__init__` copies or through `self.args`."""
        read, copied = self.read, self.copied
        found = [option for name in read for option in ((name[5:],) if name.startswith("args.") else copied.get(name, ()))]
        known = dict.fromkeys(name for name in self.fields if name in found)
        return tuple(name for name in known if name not in ("loss_type", "precompute_ref_log_probs", "gradient_checkpointing_kwargs"))

    def _choices(self) -> dict[str, tuple[Any, ...]]:
        """option -> values to try, where the default does not tell: from the strings it is compared with, or from its type."""
        found: dict[str, tuple[Any, ...]] = {}
        for name in self.options:
            kind = str(self.fields[name].type)
            strings = source.compared_with([*self.methods, self.init], name)
            if strings:
                found[name] = strings
            elif "list[float]" in kind:
                found[name] = ([0.5],)
            elif self.fields[name].default is None:
                found[name] = (0.5, 0.25)
        return found

    def default(self, name: str) -> Any:
        """The default of an option of the config."""
        one = self.fields[name]
        return one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default

    def of(self, kind: str, name: str, args: Any) -> bool:
        """Whether an option belongs to this loss: one that carries the name of another type (`simpo_gamma`) does not.

        Nor does one that carries the name of a choice that was not made (`f_alpha_divergence_coef`).
        """
        if any(other in name and other != kind for other in self.loss_types):
            return False
        words = [(c, v) for c, values in self.choices.items() for v in values if isinstance(v, str) and c != name]
        return not any(word in name and getattr(args, choice) != word for choice, word in words)

    def made(self, kind: str, options: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        """A trainer without a model, its attributes set by its own `__init__`, and what it warned of.

        Raises:
            Refused: TRL refuses the options.
            ValueError: no such option.
        """
        shown = f"{self.config.__name__}({', '.join(f'{k}={v!r}' for k, v in {'loss_type': kind, **options}.items())})"
        for name in options:
            if name not in self.fields:
                raise ValueError(
                    f"{self.config.__name__} of trl {self.version} has no option {name!r}. The loss reads {', '.join(self.options)}."
                )
        said = _Said()
        given = {**QUIET, **({"loss_type": kind} if "loss_type" in self.fields else {}), **self.call.fixed(options), **options}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                config = self.config(**{k: v for k, v in given.items() if k in self.fields})
                trainer = object.__new__(self.cls)
                trainer.args = config
                self._copy(trainer, config, said)
            except (ValueError, TypeError, NotImplementedError) as error:
                raise Refused(f"trl {self.version} refuses {shown}: {str(error).splitlines()[0]}") from None
        for name, value in self.call.surroundings().items():
            if not hasattr(trainer, name):
                setattr(trainer, name, value)
        heard = [str(w.message).splitlines()[0] for w in caught if any(f"`{name}`" in str(w.message) for name in options)]
        return trainer, (*said.heard, *heard)

    def _copy(self, trainer: Any, config: Any, said: _Said) -> None:
        space = dict(vars(sys.modules[self.cls.__module__]))
        space |= {"self": trainer, "args": config, "logger": said, "defaultdict": defaultdict}
        exec(self._copying, space)

    def loss(self, target: str, kind: str, options: Mapping[str, Any], remake: Callable[[Mapping[str, Any]], Adapted]) -> Adapted:
        """The loss of one type with these options; see `Adapted`."""
        own = {name: value for name, value in options.items() if name in self.call.own}
        passed = {name: value for name, value in options.items() if name not in own}
        trainer, said = self.made(kind, passed)
        read, copied = self.read, self.copied
        attributes = {n: v for n, v in vars(trainer).items() if n in read and n in copied and not isinstance(v, dict)}
        inherited = {n: v for n, v in vars(trainer).items() if n in read and n not in attributes and isinstance(v, bool | int)}
        current = {name: getattr(trainer.args, name) for name in self.options if self.of(kind, name, trainer.args)}
        if own and not self.call.offers(trainer):
            raise ValueError(f"{target} has no option {next(iter(own))!r}. Its options are {', '.join(current)}.")
        extra = {name: own.get(name, default) for name, default in self.call.own.items() if self.call.offers(trainer)}

        def once(pairs: PairLogProbs) -> Any:
            return self.call.run(trainer, pairs, extra, unreduced=False)

        def unreduced(pairs: PairLogProbs) -> Any:
            return self.call.run(trainer, pairs, extra, unreduced=True)

        try:
            return Adapted(
                target, self.version, {**current, **extra}, options, once, remake,
                lambda: reproduce.trl(self, trainer.args, {**attributes, **inherited}, extra),
                unreduced=unreduced, choices={n: self.choices[n] for n in current if n in self.choices}, said=said,
            )  # fmt: skip
        except AttributeError as error:
            raise InternalsChanged(f"{self.cls.__name__} of trl {self.version}: {error}; the adapter does not know this version.") from None

    def __repr__(self) -> str:
        return f"Trainer({self.cls.__name__}, trl {self.version}, {inspect.getsourcefile(self.cls)})"


class _Said:
    """A logger that remembers warnings."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def warning(self, message: str, *_: Any, **__: Any) -> None:
        self.heard.append(str(message).splitlines()[0])

    warn = warning_once = warning

    def info(self, *_: Any, **__: Any) -> None:
        """Not a warning."""
