"""The loss under test: told apart by its signature, called in one way, evaluated in NumPy or torch."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from bandits.derivatives import derivatives
from dpo_theory.checks.batches import take
from dpo_theory.checks.label import label
from dpo_theory.checks.precision import epsilon_of
from dpo_theory.checks.returned import described, first, numeric, seen_by_autograd, singles
from dpo_theory.checks.signature import FIELDS, KNOWN, STYLES, adapt
from dpo_theory.reading import Detached, Reading, read
from dpo_theory.rigor.sign import decimal

__all__ = ["FIELDS", "LossFailed", "Subject", "subject"]

OPTIONAL = ("chosen_tokens", "rejected_tokens")


class LossFailed(Exception):
    """The loss raised, or returned something that is no loss; the message is a sentence."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A loss and how to call it.

    Args:
        name: how it is shown.
        loss: the object that was given.
        call: PairLogProbs -> whatever the loss returns.
        style: `pairs`, `logps`, `logps-no-reference`.
        backend: `torch` or `numpy`, what it is evaluated on.
        reduction: `none`, `mean` or `sum`.
        has, lacks: declared properties.
        epsilon: of the dtype that it returns for float64; a loss that computes in float32 is judged as one.
        parameters: name -> value of every option that can be changed.
        rebuild: (name, value) -> Subject with one option changed; None where that is impossible.
        printed: what it printed while it was probed.
    """

    name: str
    loss: Any
    call: Callable[[PairLogProbs], Any]
    style: str
    backend: str
    reduction: str
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    epsilon: float = 2.0**-52
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rebuild: Callable[[str, Any], Subject] | None = None
    printed: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields that every call supplies: log-probabilities, and lengths."""
        return FIELDS + OPTIONAL

    def tolerance(self, wanted: float) -> float:
        """`wanted`, or the rounding of the dtype that the loss computes in where that is more."""
        return max(wanted, 64 * self.epsilon)

    @property
    def alone(self) -> bool:
        """Losses of pairs are found by giving it one pair at a time."""
        return self.reduction != "none" or self.batch_coupled

    @property
    def batch_coupled(self) -> bool:
        """The loss declares that pairs of a batch see each other."""
        return "batch-coupled" in self.has

    @cached_property
    def reading(self) -> Reading:
        """The loss as an expression, or opaque with the reason."""
        return read(self.call)

    @cached_property
    def plain_expression(self) -> Any:
        """The expression that was read, decimals as they are written, what is detached like all else; None where the loss is opaque."""
        expression = self.reading.expression
        return None if expression is None else decimal(expression).replace(Detached, lambda x: x)

    @cached_property
    def margin_expression(self) -> tuple[Any, Any] | None:
        """(l, m): the loss as an expression of the margin in nats alone; None where it is opaque or sees more."""
        import sympy as sp

        if self.reading.expression is None:
            return None
        a, b, c, d = self.reading.symbols
        m = sp.Symbol("m", real=True)
        expression = seen_by_autograd(self.reading.expression, (a, b))
        if expression is None:
            return None
        expression = decimal(expression)
        on_margin = expression.xreplace({a: m, b: sp.S.Zero, c: sp.S.Zero, d: sp.S.Zero})
        moved = on_margin.xreplace({m: a - b - c + d})
        if _clearly_differ(expression, moved, (a, b, c, d)):
            return None
        for difference in (expression - moved, sp.expand(expression - moved), sp.simplify(expression - moved)):
            if difference == 0:
                return on_margin, m
        return None

    def raw(self, pairs: PairLogProbs, dtype: str = "float64", *, grad: bool = False) -> tuple[Any, PairLogProbs]:
        """The loss's own return value, first of a tuple, and the inputs that it saw.

        Raises:
            LossFailed: it raised.
        """
        seen = self.inputs(pairs, dtype, grad=grad)
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            try:
                value = self.call(seen)
            except Exception as error:
                said = str(error).splitlines()[0] if str(error) else ""
                raise LossFailed(f"raised {type(error).__name__}: {said}") from None
        return first(value), seen

    def inputs(self, pairs: PairLogProbs, dtype: str = "float64", *, grad: bool = False) -> PairLogProbs:
        """Fresh arrays or tensors of the wanted dtype."""
        columns = [None if column is None else np.array(column, dtype=np.float64) for column in pairs]
        if self.backend == "numpy":
            return PairLogProbs(*(None if c is None else c.astype(dtype) for c in columns))
        import torch

        kind = getattr(torch, dtype)
        made = [None if c is None else torch.tensor(c).to(kind) for c in columns]
        if grad:
            made = [t if t is None or i >= 4 else t.requires_grad_(True) for i, t in enumerate(made)]
        return PairLogProbs(*made)

    def values(self, pairs: PairLogProbs, dtype: str = "float64") -> np.ndarray:
        """(N,) one loss per pair, float64; a reduced or batch-coupled loss is called on one pair at a time.

        Raises:
            LossFailed: it raised, or did not return one number per pair.
        """
        n = len(np.atleast_1d(pairs.policy_chosen))
        if self.alone:
            return np.array([self._numbers(self.raw(one, dtype)[0], 1)[0] for one in singles(pairs)])
        return self._numbers(self.raw(pairs, dtype)[0], n)

    def gradients(self, pairs: PairLogProbs, dtype: str = "float64") -> np.ndarray:
        """(N, 2) derivatives in policy_chosen and policy_rejected: by autograd, or by jets for a NumPy function.

        Raises:
            LossFailed: it raised, or nothing can be differentiated.
        """
        batches = list(singles(pairs)) if self.alone else [pairs]
        if self.backend == "numpy":
            return np.concatenate([self._slopes(batch) for batch in batches])
        import torch

        rows = []
        for batch in batches:
            value, seen = self.raw(batch, dtype, grad=True)
            if not isinstance(value, torch.Tensor) or not value.requires_grad:
                raise LossFailed("returned a value without a gradient: it is detached from the policy's log-probabilities")
            found = torch.autograd.grad(value.sum(), list(seen[:2]), allow_unused=True)
            size = len(np.atleast_1d(batch.policy_chosen))
            columns = [np.zeros(size) if g is None else g.detach().to(torch.float64).numpy().reshape(-1) for g in found]
            rows.append(np.stack(columns, axis=-1))
        return np.concatenate(rows)

    def _slopes(self, pairs: PairLogProbs) -> np.ndarray:
        """(N, 2) by jets, or by central differences of a loss that leaves them, extrapolated to the sixth order."""
        if self.reduction == "none":
            try:
                return np.asarray(derivatives(self.losses, pairs).gradient)
            except ValueError:
                pass
        columns = []
        for name in FIELDS[:2]:
            at = np.asarray(getattr(pairs, name), dtype=float)
            steps = (2e-2, 1e-2, 5e-3)
            coarse, middle, fine = (
                (self.values(pairs._replace(**{name: at + h})) - self.values(pairs._replace(**{name: at - h}))) / (2 * h) for h in steps
            )
            rough, fine = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
            columns.append((16 * fine - rough) / 15)
        size = np.max(np.abs(np.array([self.values(pairs), *pairs[:4]])), axis=0)[:, None]
        slopes = np.stack(columns, axis=-1)
        return np.where(np.abs(slopes) > 1e4 * self.epsilon * size, slopes, 0.0)  # below that it is rounding

    def losses(self, pairs: PairLogProbs) -> Any:
        """(N,) the losses alone, first of a tuple, on arrays or tensors as they come."""
        if self.reduction != "none" and hasattr(pairs.policy_chosen, "detach"):
            import torch

            rows = range(len(pairs.policy_chosen))
            ones = (PairLogProbs(*(None if column is None else column[k : k + 1] for column in pairs)) for k in rows)
            return torch.stack([first(self.call(one)).reshape(()) for one in ones])
        return first(self.call(pairs))

    def some(self, pairs: PairLogProbs) -> PairLogProbs:
        """The pairs; each fourth of them where they have to be given one at a time."""
        return take(pairs, slice(0, None, 4)) if self.alone else pairs

    def _numbers(self, value: Any, n: int) -> np.ndarray:
        array = numeric(value)
        if array is None:
            raise LossFailed(f"returned {described(value)}, expected {n} floating-point losses")
        if array.size == n and (array.ndim <= 1 or n == 1):
            return array.reshape(n)
        raise LossFailed(f"returned shape {array.shape} for {n} pairs, expected ({n},)")

    def __repr__(self) -> str:
        return f"Subject({self.name}, {self.style}, {self.backend}, {self.reduction})"


def subject(loss: Any, *, style: str | None = None, has: Any = None, lacks: Any = None, name: str | None = None) -> Subject:
    """The loss, ready to be checked.

    Args:
        loss: a callable. One required argument takes PairLogProbs; four take policy and reference log-probabilities of chosen and
            rejected, by the names that libraries use or in that order; two are reference-free.
        style: `pairs`, `logps` or `logps-no-reference` where the signature does not tell.
        has, lacks: declared properties; by default the loss's own attributes.
        name: how it is shown.

    Returns:
        A Subject.

    Raises:
        ValueError: not callable, an ambiguous signature, or an unknown style.
        LossFailed: it cannot be evaluated at all.
    """
    if not callable(loss):
        raise ValueError(f"{loss!r} is not callable. Pass a function, a callable object or an nn.Module.")
    if style is not None and style not in STYLES:
        raise ValueError(f"style is {style!r}, expected one of {', '.join(STYLES)}.")
    style, call = adapt(loss, style)
    shown = name or label(loss)
    declared: dict[str, Any] = {
        "has": frozenset(getattr(loss, "has", ()) if has is None else has),
        "lacks": frozenset(getattr(loss, "lacks", ()) if lacks is None else lacks),
    }
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
        backend = _backend(call)
    draft = Subject(shown, loss, call, style, backend, "none", **declared)
    parameters, rebuild = _options(loss, style, declared)
    made = dataclasses.replace(
        draft,
        reduction=_reduction(draft),
        epsilon=epsilon_of(draft, PROBE),
        parameters=parameters,
        rebuild=rebuild,
        printed=printed.getvalue(),
    )
    made.values(PROBE)
    return made


def _clearly_differ(one: Any, other: Any, symbols: tuple[Any, ...]) -> bool:
    """At some pair of the probe, or one whose policy and margin have different signs, the two are different numbers."""
    import sympy as sp

    for row in (*np.stack(PROBE[:4], axis=-1), (-2.0, -1.5, -3.0, -1.0)):
        at = dict(zip(symbols, map(sp.Float, row), strict=True))
        left, right = (complex(side.xreplace(at).evalf(30)) for side in (one, other))
        if abs(left - right) > 1e-9 * (1 + abs(left)):
            return True
    return False


PROBE = PairLogProbs(
    np.array([-1.0, -2.5, -0.75]),
    np.array([-2.0, -1.5, -3.0]),
    np.array([-1.5, -2.0, -1.0]),
    np.array([-1.25, -2.75, -2.0]),
    np.array([3.0, 2.0, 5.0]),
    np.array([4.0, 2.0, 3.0]),
)


def _backend(call: Callable[[PairLogProbs], Any]) -> str:
    import torch

    reasons = []
    for backend in ("torch", "numpy"):
        given = enumerate(PROBE[: len(FIELDS + OPTIONAL)])
        columns = [torch.tensor(c, requires_grad=k < len(FIELDS)) if backend == "torch" else c.copy() for k, c in given]
        try:
            value = call(PairLogProbs(*columns))
        except Exception as error:
            reasons.append(f"on {backend} it raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        value = first(value)
        if backend == "torch" and isinstance(value, np.ndarray | np.floating):
            continue
        return backend
    raise LossFailed("; ".join(reasons))


def _reduction(draft: Subject) -> str:
    array = numeric(draft.raw(PROBE)[0])
    if array is None or array.shape == (3,):
        return "none"
    if array.size != 1:
        return "none"
    one_by_one = np.array([numeric(draft.raw(one)[0]) for one in singles(PROBE)], dtype=float).reshape(-1)
    whole = float(array.reshape(()))
    return "sum" if abs(whole - one_by_one.sum()) < abs(whole - one_by_one.mean()) else "mean"


def _options(loss: Any, style: str, declared: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """The options of a dataclass, a partial or a function with defaults, and how to change one; or what the loss says itself."""
    if hasattr(loss, "options") and hasattr(loss, "replace"):
        return dict(loss.options), lambda name, value: subject(loss.replace(**{name: value}), style=style, **declared)
    if dataclasses.is_dataclass(loss) and not isinstance(loss, type):
        options = {f.name: getattr(loss, f.name) for f in dataclasses.fields(loss) if f.init}

        def replaced(name: str, value: Any) -> Subject:
            return subject(dataclasses.replace(loss, **{name: value}), style=style, **declared)

        return options, replaced
    plain = loss.func if isinstance(loss, functools.partial) else loss
    if inspect.isfunction(plain):
        optional = [p for p in inspect.signature(loss).parameters.values() if p.default is not p.empty]
        defaults = {p.name: p.default for p in optional if p.name.lower() not in KNOWN}

        def partial(name: str, value: Any) -> Subject:
            return subject(functools.partial(loss, **{name: value}), style=style, **declared)

        return defaults, partial
    return {}, None
