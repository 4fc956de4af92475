"""What a study is, what a plan of it is, and the task that one block of a plan hands to the study."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bandits.door import require_beta
from bandits.experiments.engine.records import plain
from bandits.problem import TabularBandit

if TYPE_CHECKING:
    from bandits.experiments.engine.records import Records

__all__ = ["SCHEMA", "SCHEMA_VERSION", "Plan", "Study", "Task"]

SCHEMA = "bandits/records"
SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Study:
    """One question, and how it is measured.

    Args:
        name: the file's name.
        question: one sentence, with a question mark.
        measures: what a record holds, one sentence.
        measure: task -> records, flat dicts of numbers, strings, None and lists of them.
        draw: (records, matplotlib figure) -> None; sees nothing but the records.
        axes: name -> values; the sweep visits their product, one block of seeds at a time.
        settings: name -> value; the same for every block.
        seeds: how many seeds by default.
        block: how many seeds are measured in one call.
        check: plan -> None, raises ValueError for what cannot be measured, before anything runs.
        summary: (columns that tell groups apart, columns that are averaged), for the table.
    """

    name: str
    question: str
    measures: str
    measure: Callable[[Task], Iterable[Mapping[str, Any]]]
    draw: Callable[[Records, Any], None]
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 20
    block: int = 20
    check: Callable[[Plan], None] | None = None
    summary: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def plan(
        self,
        *,
        methods: Mapping[str, Callable[..., Any]] | None = None,
        losses: Mapping[str, Callable[..., Any]] | None = None,
        seeds: int | None = None,
        block: int | None = None,
        root: int = 0,
        bandit: TabularBandit | None = None,
        **changes: Any,
    ) -> Plan:
        """What will be run.

        Args:
            methods: name -> method, (problem, data, rng) -> log-policy.
            losses: name -> maker, beta -> loss.
            seeds: how many; they are 0 to seeds - 1.
            block: how many are measured in one call.
            root: entropy from which every seed's streams are spawned.
            bandit: the problem for every seed, at the beta that the plan says; default a random one for each seed.
            changes: other values of axes (one or several) and settings.

        Raises:
            ValueError: no axis or setting has such a name, a value is of another kind, or there is nothing to run.
        """
        axes, settings = dict(self.axes), dict(self.settings)
        for name, value in changes.items():
            if name in axes:
                axes[name] = tuple(value) if isinstance(value, tuple | list | range | np.ndarray) else (value,)
            elif name in settings:
                settings[name] = _as_setting(self.name, name, value, settings[name])
            else:
                known = ", ".join([*axes, *settings]) or "none"
                raise ValueError(f"the study {self.name} has no setting {name!r}. Its settings are: {known}.")
        found = Plan(
            self,
            axes,
            settings,
            _whole("seeds", self.seeds if seeds is None else seeds),
            _whole("block", self.block if block is None else block),
            root,
            dict(methods or {}),
            dict(losses or {}),
            bandit,
        )
        found.require()
        return found


@dataclass(frozen=True, eq=False)
class Plan:
    """A study with its values: which blocks there are, in which order. Made by `Study.plan`."""

    study: Study
    axes: Mapping[str, tuple[Any, ...]]
    settings: Mapping[str, Any]
    seeds: int
    block: int
    root: int
    methods: Mapping[str, Callable[..., Any]]
    losses: Mapping[str, Callable[..., Any]]
    bandit: TabularBandit | None = None

    def require(self) -> None:
        """Refuse what cannot be run.

        Raises:
            ValueError: a beta is not positive, an axis is empty, or the study's own check says so.
        """
        for name, values in self.axes.items():
            if not values:
                raise ValueError(f"the axis {name} has no value. Give it at least one.")
            if len({json.dumps(plain(value)) for value in values}) < len(values):
                raise ValueError(f"the axis {name} has a value twice: {list(values)}. Give each once.")
        for name in ("beta", "betas"):
            told = self.axes.get(name, self.settings.get(name, ()))
            for beta in told if isinstance(told, tuple | list) else (told,):
                require_beta(beta, name)
        if self.bandit is not None:
            _require_answers(self.bandit)
        if self.study.check is not None:
            self.study.check(self)

    @property
    def points(self) -> tuple[dict[str, Any], ...]:
        """The product of the axes."""
        return tuple(dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values()))

    def __len__(self) -> int:
        """How many blocks."""
        return len(self.points) * -(-self.seeds // self.block)

    def task(self, index: int) -> Task:
        """The task of block `index`."""
        chunks = -(-self.seeds // self.block)
        point, chunk = divmod(index, chunks)
        seeds = tuple(range(chunk * self.block, min((chunk + 1) * self.block, self.seeds)))
        return Task(self, index, seeds, self.points[point])

    def __iter__(self) -> Iterator[Task]:
        return (self.task(index) for index in range(len(self)))

    @property
    def header(self) -> dict[str, Any]:
        """What is written above the records: schema, study, values, and their fingerprint."""
        told = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "study": self.study.name,
            "seeds": self.seeds,
            "block_size": self.block,
            "root": self.root,
            "axes": plain(dict(self.axes)),
            "settings": plain(dict(self.settings)),
            "methods": {name: _described(method) for name, method in self.methods.items()},
            "losses": {name: _described(loss) for name, loss in self.losses.items()},
            "problem": "random" if self.bandit is None else hashlib.sha256(repr(self.bandit).encode()).hexdigest(),
        }
        print_of = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        return told | {"blocks": len(self), "fingerprint": print_of}


@dataclass(frozen=True, eq=False)
class Task:
    """One block: a point of the axes and some seeds. `task["beta"]` is an axis or a setting.

    Args:
        plan: the plan.
        index: which block.
        seeds: the seeds to measure.
        point: axis -> value.
    """

    plan: Plan
    index: int
    seeds: tuple[int, ...]
    point: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.point[name] if name in self.point else self.plan.settings[name]

    @property
    def methods(self) -> Mapping[str, Callable[..., Any]]:
        """name -> (problem, data, rng) -> log-policy."""
        return self.plan.methods

    @property
    def losses(self) -> Mapping[str, Callable[..., Any]]:
        """name -> beta -> loss."""
        return self.plan.losses

    def stream(self, seed: int, name: str) -> np.random.Generator:
        """The random stream of a seed for one purpose: the same in every block, whatever else is drawn."""
        return np.random.default_rng(np.random.SeedSequence(self.plan.root, spawn_key=(seed, zlib.crc32(name.encode()))))

    def block_stream(self, name: str) -> np.random.Generator:
        """One random stream for all seeds of the block, where a stream for each would cost more than the work."""
        return self.stream(self.seeds[0], f"{name} of {len(self.seeds)} seeds at {json.dumps(plain(dict(self.point)))}")

    def problem(self, seed: int, *, beta: float, **shape: Any) -> TabularBandit:
        """The seed's random problem (`random_bandit`, with `shape`), or the plan's bandit, at this beta."""
        from bandits.experiments.engine.problems import random_bandit

        if self.plan.bandit is not None:
            return self.plan.bandit.replace(beta=beta)
        return random_bandit(self.stream(seed, "problem"), beta=beta, **shape)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}, expected a whole number >= 1.")
    return int(value)


def _as_setting(study: str, name: str, value: Any, usual: Any) -> Any:
    if isinstance(usual, tuple):
        value = tuple(value) if isinstance(value, tuple | list | range | np.ndarray) else (value,)
        kinds = {type(item) for item in usual}
        if not value:
            raise ValueError(f"{name} of the study {study} is empty, expected values like {usual!r}.")
        if kinds <= {int, float} and not all(isinstance(item, int | float | np.number) and not isinstance(item, bool) for item in value):
            raise ValueError(f"{name} of the study {study} is {value!r}, expected numbers like {usual!r}.")
        return value
    if isinstance(usual, bool) != isinstance(value, bool) or (
        isinstance(usual, int | float) and not isinstance(value, int | float | np.number)
    ):
        raise ValueError(f"{name} of the study {study} is {value!r}, expected a value like {usual!r}.")
    if isinstance(usual, int) and not isinstance(usual, bool):
        return _whole(name, value)
    return value


def _require_answers(bandit: TabularBandit) -> None:
    if bandit.n_actions < 2:
        raise ValueError("the problem has one action in each context: there is nothing to compare. Give it two or more.")
    if not bandit.support.all():
        where = tuple(int(i) for i in np.argwhere(~bandit.support)[0])
        raise ValueError(
            f"the reference gives action {where[1]} of context {where[0]} no probability: a study needs every log-ratio. "
            "Drop the action, or give the reference full support."
        )
    if not np.isfinite(bandit.reward).all():
        raise ValueError("a reward is -inf: a study needs every answer's reward. Drop forbidden actions.")


def _described(value: Any) -> str:
    """A method's or loss's options as far as its repr shows them, without addresses, which differ from run to run."""
    shown = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    return f"{value.__module__}: {shown}" if inspect.isroutine(value) else shown
