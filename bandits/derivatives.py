"""Exact first and second derivatives of a loss in the log-probabilities of the policy, one comparison at a time.

Two roads, never a difference quotient: a loss that takes torch tensors is differentiated twice by reverse mode; a loss
that takes NumPy arrays alone is run on second-order jets. Both rely on the loss treating each comparison by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from bandits.data import PairLogProbs, RankedLogProbs
from bandits.door import Array
from bandits.jets import Jet

__all__ = ["Derivatives", "derivatives", "gradients", "loss_values", "margin_derivatives", "quick_margin_derivatives"]

Seen = PairLogProbs | RankedLogProbs
Loss = Callable[[Any], Any]
_FEW = 20_000  # numbers that one thread sees to


class Derivatives(NamedTuple):
    """value (N,); gradient (N, K) and hessian (N, K, K) in the K policy log-probabilities of each comparison."""

    value: Array
    gradient: Array
    hessian: Array


def derivatives(loss: Loss, seen: Seen) -> Derivatives:
    """Value, gradient and Hessian of every comparison's loss.

    Args:
        loss: a callable PairLogProbs -> (N,) or RankedLogProbs -> (N,), each entry a function of its own row.
        seen: PairLogProbs with (N,) columns, K = 2 (chosen, rejected), or RankedLogProbs with (N, K) log-probabilities.

    Returns:
        Derivatives, float64.

    Raises:
        ValueError: the loss does not return (N,), does not depend on the policy, or can be read on neither road.

    >>> found = derivatives(lambda pairs: pairs.margin**2, PairLogProbs(*np.array([[-1.0], [-2.0], [-1.5], [-1.5]])))
    >>> found.gradient.tolist(), found.hessian.tolist()
    ([[2.0, -2.0]], [[[2.0, -2.0], [-2.0, 2.0]]])
    """
    return Derivatives(*_read(loss, seen, _columns(seen), _put_columns))


def margin_derivatives(loss: Loss, seen: PairLogProbs) -> tuple[Array, Array, Array]:
    """Value, first and second derivative along the margin: policy_chosen moves, policy_rejected stays. (N,) each.

    Raises:
        ValueError: as for `derivatives`.

    >>> [part.tolist() for part in margin_derivatives(lambda p: p.margin**2, PairLogProbs(*np.array([[3.0], [0], [0], [0]])))]
    [[9.0], [6.0], [2.0]]
    """
    value, gradient, hessian = _read(loss, seen, np.asarray(seen.policy_chosen, dtype=float)[:, None], _put_margin)
    return value, gradient[:, 0], hessian[:, 0, 0]


def quick_margin_derivatives(loss: Loss, seen: PairLogProbs) -> Callable[[Loss, PairLogProbs], tuple[Array, Array, Array]]:
    """The faster road of `margin_derivatives` for this loss: jets where the loss takes them and agrees with torch at `seen`.

    >>> pairs = PairLogProbs(*np.array([[3.0], [0], [0], [0]]))
    >>> square = lambda p: p.margin**2
    >>> [part.tolist() for part in quick_margin_derivatives(square, pairs)(square, pairs)]
    [[9.0], [6.0], [2.0]]
    """
    slow = margin_derivatives(loss, seen)
    try:
        quick = _along_jets(loss, seen)
    except (TypeError, AttributeError, NotImplementedError, ValueError, RuntimeError, IndexError):
        return margin_derivatives
    for one, other in zip(quick, slow, strict=True):
        if not np.allclose(one, other, rtol=1e-10, atol=1e-13 * np.abs(other).max(initial=0.0)):
            return margin_derivatives
    return _along_jets


def _along_jets(loss: Loss, seen: PairLogProbs) -> tuple[Array, Array, Array]:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = loss(seen._replace(policy_chosen=Jet.line(seen.policy_chosen)))
    if not isinstance(found, Jet):
        raise TypeError("the result does not depend on the policy, or left the jets")
    n = len(found.value)
    return found.value, np.broadcast_to(found.gradient[:, 0], n), np.broadcast_to(found.hessian[:, 0, 0], n)


def loss_values(loss: Loss, seen: Seen) -> Array:
    """(N,) losses without derivatives, computed on the same road as `derivatives`.

    Raises:
        ValueError: as for `derivatives`.
    """
    return _read(loss, seen, _columns(seen), _put_columns, order=0)[0]


def gradients(loss: Loss, seen: Seen) -> tuple[Array, Array]:
    """(N,) losses and their (N, K) gradients, without second derivatives.

    Raises:
        ValueError: as for `derivatives`.

    >>> [part.tolist() for part in gradients(lambda pairs: pairs.margin**2, PairLogProbs(*np.array([[3.0], [0], [0], [0]])))]
    [[9.0], [[6.0, -6.0]]]
    """
    return _read(loss, seen, _columns(seen), _put_columns, order=1)[:2]


def _columns(seen: Seen) -> Array:
    if isinstance(seen, RankedLogProbs):
        return np.asarray(seen.policy, dtype=np.float64)
    return np.stack([np.asarray(seen.policy_chosen, float), np.asarray(seen.policy_rejected, float)], axis=-1)


def _put_columns(seen: Any, columns: Any) -> Any:
    if isinstance(seen, RankedLogProbs):
        return seen._replace(policy=columns)
    return seen._replace(policy_chosen=columns[:, 0], policy_rejected=columns[:, 1])


def _put_margin(seen: Any, columns: Any) -> Any:
    return seen._replace(policy_chosen=columns[:, 0])


def _read(loss: Loss, seen: Seen, columns: Array, put: Callable, order: int = 2) -> tuple[Array, Array, Array]:
    try:
        return _by_torch(loss, seen, columns, put, order)
    except (TypeError, RuntimeError, AttributeError) as error:
        by_torch = f"{type(error).__name__}: {error}"
    try:
        return _by_jets(loss, seen, columns, put, order)
    except (TypeError, AttributeError, NotImplementedError) as error:
        raise ValueError(
            f"the loss {_name(loss)} cannot be differentiated exactly. On torch tensors it says {by_torch.splitlines()[0]!r}; "
            f"on NumPy jets {str(error).splitlines()[0]!r}. Write it with operators and torch functions, or with NumPy ufuncs."
        ) from None


def _by_torch(loss: Loss, seen: Seen, columns: Array, put: Callable, order: int) -> tuple[Array, Array, Array]:
    import torch

    n, k = columns.shape
    leaf = torch.from_numpy(np.array(columns, dtype=np.float64, order="C")).requires_grad_()
    fixed = type(seen)(*(None if part is None else torch.as_tensor(np.asarray(part, float)) for part in seen))
    with _few_threads(columns.size), torch.enable_grad():
        value = loss(put(fixed, leaf))
        _require_rows(loss, tuple(value.shape), n)
        if order == 0:
            return value.detach().numpy().astype(np.float64), np.zeros((n, k)), np.zeros((n, k, k))
        if not value.requires_grad:
            raise ValueError(
                f"the loss {_name(loss)} does not depend on the policy's log-probabilities (a detached input has no "
                "gradient). Return a function of policy_chosen and policy_rejected."
            )
        (gradient,) = torch.autograd.grad(value.sum(), leaf, create_graph=order > 1)
        hessian = torch.zeros(n, k, k, dtype=torch.float64)
        if order > 1 and gradient.requires_grad:
            for column in range(k):
                (row,) = torch.autograd.grad(gradient[:, column].sum(), leaf, retain_graph=column + 1 < k, materialize_grads=True)
                hessian[:, column] = hessian[:, column] + row
    return value.detach().numpy().astype(np.float64), gradient.detach().numpy(), hessian.numpy()


@contextmanager
def _few_threads(size: int) -> Iterator[None]:
    """One thread for few numbers: to wake another costs more than they do, and it is waited for if the processor is busy."""
    import torch

    before = torch.get_num_threads()
    if before == 1 or size > _FEW:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _by_jets(loss: Loss, seen: Seen, columns: Array, put: Callable, order: int) -> tuple[Array, Array, Array]:
    n, k = columns.shape
    fixed = type(seen)(*(None if part is None else np.asarray(part, dtype=np.float64) for part in seen))
    if order == 0:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = np.asarray(loss(put(fixed, columns)), dtype=np.float64)
        _require_rows(loss, value.shape, n)
        return value, np.zeros((n, k)), np.zeros((n, k, k))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = loss(put(fixed, Jet.variables(columns)))
    if not isinstance(found, Jet):
        raise TypeError("the result does not depend on the policy, or left the jets")
    _require_rows(loss, found.value.shape, n)
    return found.value, found.gradient, found.hessian


def _require_rows(loss: Loss, shape: tuple[int, ...], n: int) -> None:
    if shape != (n,):
        raise ValueError(
            f"the loss {_name(loss)} returned shape {shape} for {n} comparisons, expected ({n},): one loss per "
            "comparison, unreduced. Leave the mean to the caller."
        )


def _name(loss: Loss) -> str:
    return getattr(loss, "__name__", None) or repr(loss)
