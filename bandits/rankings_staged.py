"""Losses on rankings that are a staged softmax, recognised by their derivatives: Plackett-Luce and its truncations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bandits.data import RankedLogProbs
from bandits.derivatives import derivatives, gradients
from bandits.door import Array
from bandits.probe import quickest_values

__all__ = ["DECADES", "Staged", "agrees_at", "read_staged", "staged_softmax"]

_AGREE = 1e-10
DECADES = 14  # of log-ratios at which a loss is asked, up to 1e9 nats
_EACH = 6
_NEAR = 1 + 4 * _EACH  # rows within one nat of the reference


class Staged(NamedTuple):
    """offset + sum_k stage_k [log sum_{j >= k} exp(beta h_j) - beta h_k] for rankings of one length, h = log pi / pi_ref.

    Args:
        beta: > 0.
        stage: (K,) >= 0, the last 0.
        offset: a constant.
        values: the loss itself, on the quickest road that gives its values.
    """

    beta: float
    stage: Array
    offset: float
    values: Callable[[RankedLogProbs], Array] | None = None


def staged_softmax(staged: Staged, log_ratio: Array) -> tuple[Array, Array]:
    """(N,) values and (N, K) gradients of the staged softmax at (N, K) log-ratios, in logarithms throughout.

    >>> value, gradient = staged_softmax(Staged(2.0, np.array([1.0, 0.0]), 0.0), np.zeros((1, 2)))
    >>> value.round(4).tolist(), gradient.tolist()
    ([0.6931], [[-1.0, 1.0]])
    """
    z = staged.beta * log_ratio
    left = np.logaddexp.accumulate(z[:, ::-1], axis=1)[:, ::-1]
    behind = np.concatenate([left[:, 1:], np.full((len(z), 1), -np.inf)], axis=1)
    value = np.logaddexp(0.0, behind - z) @ staged.stage + staged.offset
    with np.errstate(divide="ignore"):
        lost = np.logaddexp.accumulate(np.log(staged.stage) - left, axis=1)[:, :-1]
    gradient = -staged.stage * np.exp(behind - left)
    gradient[:, 1:] += np.exp(z[:, 1:] + lost)
    return value, staged.beta * gradient


def read_staged(loss: Callable, log_ref: Array) -> Staged | None:
    """The staged softmax that a loss is on rankings of K actions, or None.

    The stages' weights follow from the gradient at the reference, beta from the value there, or from the curvature if that does not
    fit. Then value and gradient must agree with the formula at random log-ratios in every decade, and in batches of other sizes.

    Args:
        loss: RankedLogProbs -> (N,).
        log_ref: (M, K) reference log-probabilities of some rankings, at which it is asked.

    >>> read_staged(lambda ranked: np.logaddexp(0.0, 0.5 * (ranked.log_ratio[:, 1] - ranked.log_ratio[:, 0])), np.zeros((4, 2))).beta
    0.5
    """
    ref = np.concatenate([log_ref[:1], log_ref[np.arange(_EACH * DECADES) % len(log_ref)]])
    size = np.concatenate([[0.0], np.repeat(10.0 ** np.arange(10 - DECADES, 10), _EACH)])
    policy = ref - size[:, None] * np.abs(np.random.default_rng(0).normal(size=ref.shape))
    seen = RankedLogProbs(policy, ref)
    try:
        value, slope = gradients(loss, seen)
        for staged in _at_reference(loss, log_ref[:1], float(value[0]), slope[0]):
            if _agrees(staged, seen, value, slope):
                near = RankedLogProbs(policy[:_NEAR], ref[:_NEAR])  # where values are of one size
                values = quickest_values(loss, near, value[:_NEAR])
                return staged._replace(values=values) if _alone(values, seen, value) else None
    except ValueError:  # refused by `derivatives`: the general road says why
        return None
    return None


def agrees_at(staged: Staged, seen: RankedLogProbs) -> bool:
    """Whether the loss's values are those of the staged softmax on the rows seen."""
    if staged.values is None:
        raise ValueError("the staged softmax was not read from a loss. Take it from read_staged.")
    own, _ = staged_softmax(staged, seen.log_ratio)
    return bool((np.abs(staged.values(seen) - own) <= _AGREE * (1 + abs(staged.offset) + own)).all())


def _at_reference(loss: Callable, log_ref: Array, value: float, slope: Array) -> Iterator[Staged]:
    stage, size = _stage_slopes(slope), np.abs(slope).max()
    if not (np.isfinite(slope).all() and np.isfinite(value) and size > 0 and stage.min() >= -_AGREE * size):
        return
    stage = np.where(stage < _AGREE * size, 0.0, stage)
    surprise = float(stage @ np.log(np.arange(len(stage), 0, -1)))
    if value > 0:
        yield _rounded(surprise / value, stage, value)
    first = int(np.argmax(stage > 0))
    share = 1 / (len(stage) - first)
    bend = float(derivatives(loss, RankedLogProbs(log_ref, log_ref)).hessian[0, first, first])
    if np.isfinite(bend) and bend > 0:
        yield _rounded(bend / (stage[first] * share * (1 - share)), stage, value)


def _rounded(beta: float, slopes: Array, value: float) -> Staged:
    beta = float(f"{beta:.15g}")
    stage = slopes / beta
    stage = np.where(np.abs(stage - 1) < 1e-12, 1.0, stage)
    return Staged(beta, stage, value - float(stage @ np.log(np.arange(len(stage), 0, -1))))


def _stage_slopes(slope: Array) -> Array:
    """beta times the stages' weights, from the gradient where every action left is as likely."""
    k = len(slope)
    found, lost = np.zeros(k), 0.0
    for place in range(k - 1):
        share = 1 / (k - place)
        found[place] = (lost - slope[place]) / (1 - share)
        lost += found[place] * share
    return found


def _agrees(staged: Staged, seen: RankedLogProbs, value: Array, slope: Array) -> bool:
    log_ratio = seen.policy - seen.ref
    own_value, own_slope = staged_softmax(staged, log_ratio)
    reach = staged.beta * (1 + np.abs(seen.policy) + np.abs(seen.ref)).max(axis=1)
    slack = _AGREE * (1 + np.abs(staged.offset) + own_value)
    tilt = (_AGREE + 8 * np.finfo(np.float64).eps * reach) * staged.beta * staged.stage.sum()
    return bool((np.abs(value - own_value) <= slack).all() and (np.abs(slope - own_slope) <= tilt[:, None]).all())


def _alone(values: Callable, seen: RankedLogProbs, value: Array) -> bool:
    """Whether a row costs the same in other batches: all reversed, in reversed thirds, and by itself."""
    for rows in (np.arange(len(value))[::-1], np.arange(len(value))[::-3], np.array([7])):
        again = values(RankedLogProbs(seen.policy[rows], seen.ref[rows]))
        if not (np.abs(again - value[rows]) <= _AGREE * (1 + np.abs(value[rows]))).all():
            return False
    return True
