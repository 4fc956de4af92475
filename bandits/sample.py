"""Sampling comparisons, rankings and ties. Randomness is an argument, always."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.data import Comparisons, Rankings, Ties
from bandits.door import Array, as_numpy, require_log_probs, require_same_shape
from bandits.problem import TabularBandit

__all__ = ["design_matrix", "flip", "pairs", "preference_matrix", "rankings", "ties"]


def pairs(
    bandit: TabularBandit,
    n: int,
    rng: np.random.Generator,
    *,
    preferences: Any = None,
    design: Any = None,
    draw: Any = "uniform",
    distinct: bool = True,
    soft: bool = False,
) -> Comparisons:
    """`n` labelled comparisons: a context, two actions, and who won.

    Args:
        bandit: the problem; contexts are drawn from its context_probs.
        n: how many comparisons, N.
        rng: NumPy generator.
        preferences: (X, A, A) P(i beats j); default Bradley-Terry of the reward.
        design: (X, A, A) symmetric weights of compared pairs, zero diagonal; replaces `draw`.
        draw: "uniform" over the supported actions, "reference", or the (X, A) log-policy from which the two actions
            are drawn independently (conditioned on being distinct).
        distinct: False keeps comparisons of an action with itself, labelled by a coin.
        soft: True returns every pair once with `target` = P(chosen wins) instead of a sampled label.

    Returns:
        Comparisons of int64 indices; weight None; target None, or (N,) when soft.

    Raises:
        ValueError: preferences or design are not of the kind stated, or a context offers no pair to compare.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> data = pairs(bandit, 1000, np.random.default_rng(0))
    >>> bool(0.68 < (data.chosen == 0).mean() < 0.78)
    True
    """
    _require_count(n)
    weights = design_matrix(bandit, design, draw=draw, distinct=distinct)
    beats = preference_matrix(bandit, preferences, weights)
    x, a = bandit.reward.shape
    empty = (weights.sum(axis=(1, 2)) <= 0) & (bandit.context_probs > 0)
    if empty.any():
        where = int(np.flatnonzero(empty)[0])
        raise ValueError(f"context {where} offers no pair to compare. Give it two supported actions, or probability 0.")
    context = rng.choice(x, size=n, p=bandit.context_probs / bandit.context_probs.sum())
    cumulative = np.cumsum(weights.reshape(x, a * a), axis=1)
    cell = _invert(cumulative, context, rng.random(n))
    first, second = cell // a, cell % a
    if soft:
        return Comparisons(context, first, second, None, beats[context, first, second])
    won = rng.random(n) < beats[context, first, second]
    return Comparisons(context, np.where(won, first, second), np.where(won, second, first))


def rankings(bandit: TabularBandit, n: int, k: int, rng: np.random.Generator) -> Rankings:
    """`n` Plackett-Luce rankings of `k` actions: the k best after adding Gumbel noise to the reward.

    A ranking of fewer than A actions is the top of the ranking of k actions drawn uniformly from the supported ones.

    Args:
        bandit: the problem; reward scores the actions, which need finite rewards where supported.
        n: how many rankings, N.
        k: K, at most the smallest number of supported actions.
        rng: NumPy generator.

    Returns:
        Rankings, order (N, K) best first.

    Raises:
        ValueError: a context supports fewer than k actions.

    >>> bandit = TabularBandit([1.0], [[9.0, 0.0, -9.0]], np.log([[0.5, 0.3, 0.2]]), beta=1.0)
    >>> rankings(bandit, 1, 3, np.random.default_rng(0)).order
    array([[0, 1, 2]])
    """
    _require_count(n)
    usable = bandit.support & np.isfinite(bandit.reward)
    fewest = int(usable[bandit.context_probs > 0].sum(axis=1).min())
    if not 2 <= k <= fewest:
        raise ValueError(f"k is {k}, expected 2 <= k <= {fewest}: the fewest supported actions of any context.")
    context = rng.choice(bandit.n_contexts, size=n, p=bandit.context_probs / bandit.context_probs.sum())
    shown = np.where(usable[context], rng.random((n, bandit.n_actions)), np.inf)
    kept = np.argpartition(shown, k - 1, axis=1)[:, :k]
    noisy = bandit.reward[context[:, None], kept] + rng.gumbel(size=(n, k))
    return Rankings(context, np.take_along_axis(kept, np.argsort(-noisy, axis=1), axis=1))


def flip(comparisons: Comparisons, rate: float, rng: np.random.Generator) -> Comparisons:
    """Label noise: chosen and rejected change places with probability `rate`, independently for each row.

    Raises:
        ValueError: rate is not a probability.

    >>> flip(Comparisons(np.array([0]), np.array([0]), np.array([1])), 1.0, np.random.default_rng(0)).chosen
    array([1])
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}, expected a probability in [0, 1].")
    chosen, rejected = np.asarray(comparisons.chosen), np.asarray(comparisons.rejected)
    swap = rng.random(len(chosen)) < rate
    return comparisons._replace(chosen=np.where(swap, rejected, chosen), rejected=np.where(swap, chosen, rejected))


def ties(bandit: TabularBandit, n: int, rng: np.random.Generator, *, threshold: float, model: str = "davidson") -> tuple[Comparisons, Ties]:
    """`n` judgements of which some end in a tie.

    Args:
        bandit: the problem; actions are drawn uniformly among the supported ones.
        n: how many judgements.
        rng: NumPy generator.
        threshold: how readily judges call a tie. Davidson: nu >= 0, tie odds nu * sqrt(s_i s_j) against s_i and s_j.
            Rao-Kupper: theta >= 1, i wins with odds s_i against theta s_j.
        model: "davidson" or "rao-kupper".

    Returns:
        The decided comparisons and the ties, n rows in all.

    Raises:
        ValueError: the model is unknown or the threshold out of its range.

    Source: Davidson 1970, JASA 65(329); Rao and Kupper 1967, JASA 62(317).

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> len(ties(bandit, 10, np.random.default_rng(0), threshold=0.0)[1].left)
    0
    """
    least = {"davidson": 0.0, "rao-kupper": 1.0}.get(model)
    if least is None:
        raise ValueError(f"model is {model!r}, expected 'davidson' or 'rao-kupper'.")
    if not (np.isfinite(threshold) and threshold >= least):
        raise ValueError(f"threshold is {threshold}, expected a finite number >= {least:g} for the {model} model.")
    shown = pairs(bandit, n, rng, soft=True)
    context, left, right = shown.context, shown.chosen, shown.rejected
    gap = bandit.reward[context, left] - bandit.reward[context, right]
    if model == "davidson":
        scores = np.stack([gap / 2, -gap / 2, np.full(n, np.log(threshold) if threshold > 0 else -np.inf)])
        probability = np.exp(scores - np.logaddexp.reduce(scores, axis=0))
        left_wins, right_wins = probability[0], probability[1]
    else:
        left_wins, right_wins = _sigmoid(gap - np.log(threshold)), _sigmoid(-gap - np.log(threshold))
    coin = rng.random(n)
    won, lost = coin < left_wins, coin >= 1 - right_wins
    decided, tied = won | lost, ~(won | lost)
    winner, loser = np.where(won, left, right)[decided], np.where(won, right, left)[decided]
    return Comparisons(context[decided], winner, loser), Ties(context[tied], left[tied], right[tied])


def preference_matrix(bandit: TabularBandit, preferences: Any = None, design: Array | None = None) -> Array:
    """(X, A, A) P(i beats j); by default Bradley-Terry of the reward, 1/2 on the diagonal.

    Raises:
        ValueError: entries outside [0, 1], P(i beats j) + P(j beats i) is not 1, or the default needs the difference
            of two rewards of -inf for a pair that `design` compares.
    """
    x, a = bandit.reward.shape
    if preferences is None:
        with np.errstate(invalid="ignore"):
            gap = bandit.reward[:, :, None] - bandit.reward[:, None, :]
        gap[:, np.arange(a), np.arange(a)] = 0.0
        unknown = np.isnan(gap)
        if design is not None and (unknown & (design > 0)).any():
            where = tuple(int(i) for i in np.argwhere(unknown & (design > 0))[0])
            raise ValueError(f"design compares {where}, two actions of reward -inf: Bradley-Terry says nothing. Pass preferences.")
        return _sigmoid(np.where(unknown, 0.0, gap))
    found = as_numpy("preferences", preferences)
    if found.shape != (x, a, a):
        raise ValueError(f"preferences has shape {found.shape}, expected {(x, a, a)}: P(i beats j) in each context.")
    compared = ~np.eye(a, dtype=bool)[None] & ((design > 0) if design is not None else True)
    bad = compared & ~((found >= 0) & (found <= 1) & (np.abs(found + found.transpose(0, 2, 1) - 1) <= 1e-9))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        mirror = (where[0], where[2], where[1])
        raise ValueError(
            f"preferences is {found[where]} at {where} and {found[mirror]} at {mirror}, expected two probabilities that sum to 1."
        )
    return found


def design_matrix(bandit: TabularBandit, design: Any = None, *, draw: Any = "uniform", distinct: bool = True) -> Array:
    """(X, A, A) weights of compared pairs, each context normalised to 1 over ordered pairs, or 0 where it has no pair.

    Without `design`, two actions that both have reward -inf are never compared.

    Raises:
        ValueError: not symmetric, negative, a diagonal entry, or a pair off the reference's support.
    """
    x, a = bandit.reward.shape
    if design is not None:
        found = as_numpy("design", design).copy()
        if found.shape != (x, a, a):
            raise ValueError(f"design has shape {found.shape}, expected {(x, a, a)}: weights of compared pairs in each context.")
        faults = (
            (~(np.isfinite(found) & (found >= 0)), "a finite weight >= 0"),
            (~np.isclose(found, found.transpose(0, 2, 1), rtol=1e-9, atol=0), "the same weight as its mirror image"),
            ((found > 0) & np.eye(a, dtype=bool), "0 on the diagonal: an action is not compared with itself"),
            ((found > 0) & ~_both(bandit.support), "0 for an action that the reference does not support"),
        )
        for fault, wanted in faults:
            if fault.any():
                where = tuple(int(i) for i in np.argwhere(fault)[0])
                raise ValueError(f"design is {found[where]} at {where}, expected {wanted}.")
    else:
        mass = _drawing(bandit, draw)
        found = mass[:, :, None] * mass[:, None, :]
        forbidden = bandit.reward == -np.inf
        found[forbidden[:, :, None] & forbidden[:, None, :]] = 0.0
        if distinct:
            found[:, np.arange(a), np.arange(a)] = 0.0
    total = found.sum(axis=(1, 2))
    return found / np.where(total > 0, total, 1.0)[:, None, None]


def _drawing(bandit: TabularBandit, draw: Any) -> Array:
    if isinstance(draw, str):
        if draw == "uniform":
            return bandit.support / bandit.support.sum(axis=1, keepdims=True)
        if draw == "reference":
            return np.exp(bandit.log_ref)
        raise ValueError(f"draw is {draw!r}, expected 'uniform', 'reference' or an (X, A) log-policy.")
    found = require_log_probs("draw", draw)
    require_same_shape(reward=bandit.reward, draw=found)
    if (found[~bandit.support] > -np.inf).any():
        raise ValueError("draw gives probability to an action that the reference does not support. Set it to -inf there.")
    return np.exp(found)


def _both(support: Array) -> Array:
    return support[:, :, None] & support[:, None, :]


def _invert(cumulative: Array, context: Array, uniform: Array) -> Array:
    """The cell of each row's cumulative weights in which its uniform number falls, never one of weight 0."""
    cells = np.empty(len(context), dtype=np.int64)
    for x in np.unique(context):
        mine = context == x
        total = cumulative[x, -1]
        cells[mine] = np.searchsorted(cumulative[x], np.minimum(uniform[mine] * total, np.nextafter(total, 0)), "right")
    return cells


def _require_count(n: int) -> None:
    if isinstance(n, bool) or int(n) != n or n < 1:
        raise ValueError(f"n is {n}, expected a whole number >= 1.")


def _sigmoid(x: Array) -> Array:
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, shrunk) / (1.0 + shrunk)
