"""Comparisons that may end in a tie: Davidson's model, fitted in strengths and, apart, in the log-ratios of a policy."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.data import Comparisons, Ties
from bandits.door import Array, require_beta, require_support
from bandits.graph import comparison_graph
from bandits.jets import Jet
from bandits.strengths import Curve, Rest, component_constants, descend_strengths

__all__ = ["davidson_log_ratios", "davidson_recession", "davidson_strengths"]

_SEPARABLE = "some strengths put every win further apart than every tie: as they and nu grow together the likelihood rises for ever"
_HALF = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 1.0]])


def davidson_recession(wins: Comparisons, ties: Ties, n_actions: int) -> str:
    """Why Davidson's model has no maximum-likelihood estimate, in a sentence; empty where it has one.

    Args:
        wins, ties: one context; weights > 0.
        n_actions: A.

    Returns:
        The reason. The estimate exists if and only if the comparisons, a tie being an edge each way, are strongly connected in
        each component, there is a tie, and no strengths leave every win at least one unit and every tie at most one unit apart.

    Source: Davidson 1970, J. Amer. Statist. Assoc. 65(329); the third condition is the recession cone of his likelihood.

    >>> none = np.zeros(0, dtype=int)
    >>> davidson_recession(Comparisons([0], [0], [1]), Ties([0], [0], [1]), 2)
    'some strengths put every win further apart than every tie: as they and nu grow together the likelihood rises for ever'
    """
    if not comparison_graph(wins, n_actions, n_contexts=1, ties=ties).exists[0]:
        return "some items never lose to the others and never tie with them"
    if len(ties.left) == 0:
        return "there is no tie, so the tie parameter falls to 0: fit without a tie model"
    cyclic = len(np.unique(comparison_graph(wins, n_actions, n_contexts=1).strong[0])) < n_actions
    if cyclic or not _separable(wins, ties, n_actions):
        return ""
    return _SEPARABLE


def _separable(wins: Comparisons, ties: Ties, n_actions: int) -> bool:
    """Some d has d_i - d_j >= 1 for every win of i over j and |d_i - d_j| <= 1 for every tie."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    low = np.concatenate([wins.rejected, ties.left, ties.right]).astype(np.int64)
    high = np.concatenate([wins.chosen, ties.right, ties.left]).astype(np.int64)
    row = np.arange(len(low))
    entries = np.concatenate([np.ones(len(low)), -np.ones(len(low))])
    matrix = coo_array((entries, (np.tile(row, 2), np.concatenate([low, high]))), shape=(len(low), n_actions))
    limit = np.concatenate([-np.ones(len(wins.chosen)), np.ones(2 * len(ties.left))])
    found = linprog(np.zeros(n_actions), A_ub=matrix.tocsr(), b_ub=limit, bounds=(None, None))
    return found.status == 0


def davidson_strengths(wins: Comparisons, ties: Ties, n_actions: int) -> Rest:
    r"""Maximum likelihood of win : loss : tie = e^{s_i} : e^{s_j} : nu e^{(s_i + s_j) / 2}, by its exact gradient and Hessian.

    Args:
        wins, ties: in one context (indices of it are ignored); weights count repetitions.
        n_actions: A.

    Returns:
        Rest of A strengths, of mean 0 on each component, and log nu, the last parameter.

    Raises:
        ValueError: no estimate exists.

    Source: Davidson 1970, J. Amer. Statist. Assoc. 65(329), eq. 2.3.

    >>> rest = davidson_strengths(Comparisons([0, 0], [0, 1], [1, 0], [4.0, 1.0]), Ties([0], [0], [1], [2.0]), 2)
    >>> np.exp([rest.at[0] - rest.at[1], rest.at[2]]).round(12).tolist()
    [4.0, 1.0]
    """
    place, outcome, weight, constants = _stack(wins, ties, n_actions)

    def curve(parameters: Array) -> Curve:
        scores = parameters[place] @ _HALF.T
        top = scores.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
        share = np.exp(scores - total[:, None])
        slope = (share - np.eye(3)[outcome]) @ _HALF
        mean = share @ _HALF
        bend = np.einsum("nk,ki,kj->nij", share, _HALF, _HALF) - mean[:, :, None] * mean[:, None, :]
        value = total - scores[np.arange(len(scores)), outcome]
        return _gathered(len(parameters), place, weight, value, slope, bend)

    return descend_strengths(curve, np.zeros(n_actions + 1), constants, concordance=np.sqrt(2))


def davidson_log_ratios(wins: Comparisons, ties: Ties, log_ref: Any, context: Any, *, beta: float) -> tuple[Array, Rest]:
    r"""The policy and tie parameter of largest Davidson likelihood, with strengths beta log pi / pi_ref; derivatives by jets.

    Args:
        wins, ties: of A actions; weights count repetitions.
        log_ref: (A,) log-probabilities, normalised within each context, finite.
        context: (A,) the context to which each action belongs.
        beta: reward per nat, > 0.

    Returns:
        (A,) log-policy, normalised within each context, and the Rest of its log-ratios and log nu.

    Raises:
        ValueError: no estimate exists, beta <= 0, or `log_ref` is not normalised.

    Source: the loss DPO-D of Chen et al. 2024, arXiv:2409.17431.
    """
    require_beta(beta)
    context, log_ref = np.asarray(context), np.asarray(log_ref, dtype=np.float64)
    for label in np.unique(context):
        require_support("log_ref", log_ref[context == label], "its log-ratio is not defined")
    place, outcome, weight, constants = _stack(wins, ties, len(log_ref))
    reference = np.column_stack([log_ref[place[:, 0]], log_ref[place[:, 1]]])
    won = outcome == 0

    def curve(parameters: Array) -> Curve:
        policy = np.append(log_ref + parameters[:-1], parameters[-1])
        seen = Jet.variables(policy[place])
        margin = beta * ((seen[:, 0] - reference[:, 0]) - (seen[:, 1] - reference[:, 1]))
        against_loss = np.logaddexp(0.0, -margin)
        against_tie = seen[:, 2] - margin / 2
        of_win = np.logaddexp(against_loss, against_tie)
        loss = np.where(won, of_win, of_win - against_tie)
        return _gathered(len(parameters), place, weight, loss.value, loss.gradient, loss.hessian)

    rest = descend_strengths(curve, np.zeros(len(log_ref) + 1), constants, concordance=np.sqrt(2) * max(beta, 1.0))
    raw = log_ref + rest.at[:-1]
    top = np.full(context.max() + 1, -np.inf)
    np.maximum.at(top, context, raw)
    mass = np.bincount(context, weights=np.exp(raw - top[context]))
    return raw - (top + np.log(np.where(mass > 0, mass, 1.0)))[context], rest


def _stack(wins: Comparisons, ties: Ties, n_actions: int) -> tuple[Array, Array, Array, Array]:
    """(N, 3) parameters that a row reads, its outcome 0 (first wins) or 2 (tie), its weight; directions without effect."""
    wins = wins._replace(context=np.zeros_like(wins.chosen), weight=_ones(wins.weight, wins.chosen), target=None)
    ties = ties._replace(context=np.zeros_like(ties.left), weight=_ones(ties.weight, ties.left))
    reason = davidson_recession(wins, ties, n_actions)
    if reason:
        raise ValueError(f"Davidson's model has no maximum-likelihood estimate: {reason}.")
    first = np.concatenate([wins.chosen, ties.left])
    place = np.column_stack([first, np.concatenate([wins.rejected, ties.right]), np.full(len(first), n_actions)])
    outcome = np.concatenate([np.zeros(len(wins.chosen), dtype=int), np.full(len(ties.left), 2)])
    component = comparison_graph(wins, n_actions, n_contexts=1, ties=ties).component[0]
    constants = component_constants(component, n_actions + 1)
    return place, outcome, np.concatenate([wins.weight, ties.weight]), constants


def _ones(weight: Any, like: Any) -> Array:
    return np.ones(len(like)) if weight is None else np.asarray(weight, dtype=np.float64)


def _gathered(size: int, place: Array, weight: Array, value: Array, slope: Array, bend: Array) -> Curve:
    gradient = np.bincount(place.reshape(-1), weights=(weight[:, None] * slope).reshape(-1), minlength=size)
    cell = place[:, :, None] * size + place[:, None, :]
    hessian = np.bincount(cell.reshape(-1), weights=(weight[:, None, None] * bend).reshape(-1), minlength=size * size)
    magnitude = float(weight @ np.abs(slope).sum(axis=1) + weight @ np.abs(value))
    return Curve(float(weight @ value), gradient, hessian.reshape(size, size), magnitude)
