"""A black box: a loss of any record, evaluated; how it reduces, and whether rows of a batch see each other."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.label import label
from dpo_theory.checks.subject import LossFailed, Subject
from dpo_theory.checks.subject import subject as make_subject
from dpo_theory.fingerprint.known import expressed
from dpo_theory.identify.samples import PLAIN, sample, take

__all__ = ["GROUP", "Box", "LossFailed", "bare", "box"]

GROUP = 4  # rows that see each other, where they do


@dataclass(frozen=True, eq=False)
class Box:
    """A loss as identification sees it.

    Args:
        name: how it is shown.
        takes: its record.
        call: record -> whatever the loss returns.
        subject: for losses of pairs.
        plain: it is content with log-probabilities and lengths.
        coupled: rows of a batch see each other.
        reduction: `none`, `mean` or `sum`.
    """

    name: str
    takes: type
    call: Callable[[Any], Any]
    subject: Subject | None
    plain: bool
    coupled: bool
    reduction: str

    @property
    def tolerance(self) -> float:
        """Relative residual up to which two evaluations are equal."""
        return 1e-9 if self.subject is None or self.subject.epsilon < 1e-9 else 2e-5

    def seen(self, batch: Any) -> Any:
        """The columns that this loss is given."""
        return bare(batch) if self.plain else batch

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options, by name."""
        return {} if self.subject is None else self.subject.parameters

    @property
    def gradients(self) -> Callable[[Any], np.ndarray] | None:
        """pairs -> (N, 2), in policy_chosen and policy_rejected."""
        subject = self.subject
        return None if subject is None else lambda batch: subject.gradients(self.seen(batch))

    def values(self, batch: Any) -> np.ndarray:
        """(N,) one loss per row, or of a coupled one (N / 4,) the sum over each group of four rows."""
        batch = self.seen(batch)
        n = len(np.asarray(batch[0]))
        if self.coupled:
            per = 1.0 if self.reduction != "mean" else float(GROUP)
            return np.array([per * self._array(take(batch, slice(k, k + GROUP))).sum() for k in range(0, n - n % GROUP, GROUP)])
        if self.reduction != "none":
            return np.array([self._array(take(batch, slice(k, k + 1))).sum() for k in range(n)])
        return self._array(batch).reshape(n)

    @cached_property
    def expression(self) -> tuple[Any, tuple[Any, ...]] | None:
        """(expression, symbols) of one pair, or None."""
        if self.subject is None or self.coupled or not self.plain:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, symbols, _ = expressed(self.subject.reading, self.subject.call)
        return None if found is None else (found, symbols)

    def _array(self, batch: Any) -> np.ndarray:
        if self.subject is not None:
            value = self.subject.raw(batch)[0]
            value = value.detach() if hasattr(value, "detach") else value
        else:
            value = _evaluated(self.call, batch)
        return np.atleast_1d(np.asarray(value, dtype=np.float64))


def box(loss: Any, *, style: str | None = None, name: str | None = None) -> Box:
    """The loss as a black box.

    Args:
        loss: a callable of pairs, in any shape that `check_loss` takes, or of the record that its attribute `takes` names.
        style: how it is called, where that is unclear.
        name: how it is shown.

    Raises:
        ValueError: it is not callable, its signature does not tell how it is called, or it cannot be evaluated.
    """
    if isinstance(loss, Box):
        return loss
    takes = getattr(loss, "takes", PairLogProbs)
    shown = name or label(loss)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _record(loss, takes, shown) if takes is not PairLogProbs else _pairs(loss, style, shown)
    except LossFailed as error:
        raise ValueError(f"{shown} cannot be evaluated: it {error}") from None


def bare(batch: Any) -> Any:
    """The batch without its optional columns; pairs keep their lengths."""
    kept = PLAIN if isinstance(batch, PairLogProbs) else [name for name in batch._fields if name not in batch._field_defaults]
    return batch._replace(**{name: None for name in batch._fields if name not in kept})


def _record(loss: Any, takes: type, shown: str) -> Box:
    try:
        return _told(Box(shown, takes, loss, None, True, False, "none"))
    except LossFailed:
        return _told(Box(shown, takes, loss, None, False, False, "none"))


def _pairs(loss: Any, style: str | None, shown: str) -> Box:
    for plain in (True, False):
        try:
            found = _subject(loss, style, plain)
            return _told(Box(shown, PairLogProbs, found.call, found, plain, False, found.reduction))
        except LossFailed:
            if not plain:
                raise
    raise AssertionError


def _subject(loss: Any, style: str | None, plain: bool) -> Subject:
    if plain:
        return make_subject(loss, style=style)
    from dpo_theory.checks.signature import adapt

    style, call = adapt(loss, style)
    probe = sample(PairLogProbs, 3, 1)
    for backend in ("torch", "numpy"):
        draft = Subject(label(loss), loss, call, style, backend, "none")
        try:
            value = draft.raw(probe)[0]
        except LossFailed:
            if backend == "numpy":
                raise
            continue
        if np.shape(value) != (3,):
            raise LossFailed(f"returned shape {np.shape(value)} for 3 pairs, expected (3,)")
        return draft
    raise AssertionError


def _told(made: Box) -> Box:
    """The box with its coupling: the sum over a group against the sum of its rows alone."""
    batch = made.seen(sample(made.takes, 2 * GROUP, 2))
    with contextlib.redirect_stdout(io.StringIO()):
        whole = np.array([made._array(take(batch, slice(k, k + GROUP))).sum() for k in (0, GROUP)])
        alone = np.array([made._array(take(batch, slice(k, k + 1))).sum() for k in range(2 * GROUP)]).reshape(2, GROUP)
    single = alone.mean(axis=1) if made.reduction == "mean" else alone.sum(axis=1)
    apart = np.abs(whole - single) > 1e3 * made.tolerance * np.maximum(1.0, np.abs(single))
    reduction = made.reduction
    if made.subject is None and len(made._array(batch)) == 1:
        reduction = "mean" if np.abs(whole - alone.mean(axis=1)).max() < np.abs(whole - alone.sum(axis=1)).max() else "sum"
        single = alone.mean(axis=1) if reduction == "mean" else alone.sum(axis=1)
        apart = np.abs(whole - single) > 1e3 * made.tolerance * np.maximum(1.0, np.abs(single))
    return Box(made.name, made.takes, made.call, made.subject, made.plain, bool(apart.any()), reduction)


def _evaluated(call: Callable[[Any], Any], batch: Any) -> Any:
    try:
        value = call(batch)
    except Exception as raised:
        import torch

        try:
            value = call(type(batch)(*(None if c is None else torch.tensor(np.asarray(c)) for c in batch)))
        except Exception:
            said = str(raised).splitlines()[0] if str(raised) else ""
            raise LossFailed(f"raised {type(raised).__name__}: {said}") from None
    value = value[0] if isinstance(value, tuple) else value
    return value.detach() if hasattr(value, "detach") else value
