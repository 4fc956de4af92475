"""Comparisons that may end in a tie: Davidson's model, in strengths and, apart, in a policy's log-ratios; Rao and Kupper's in strengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import Comparisons, Ties
from bandits.door import Array, as_numpy, require_beta, require_support
from bandits.graph import comparison_graph
from bandits.jets import Jet
from bandits.strengths import Curve, Rest, component_constants, descend_strengths

__all__ = [
    "davidson_log_ratios",
    "davidson_recession",
    "davidson_strengths",
    "rao_kupper_strengths",
    "tie_likelihood",
    "tie_probabilities",
    "tie_scores",
]

_SEPARABLE = "some strengths put every win further apart than every tie: as they and nu grow together the likelihood rises for ever"
_HALF = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 1.0]])
_GAP = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
_NAMES = {"davidson": "Davidson", "rao-kupper": "Rao and Kupper"}
_CONCORDANCE = {"davidson": np.sqrt(2), "rao-kupper": 5.0}


def tie_probabilities(gap: Any, nu: float, *, model: str = "davidson") -> Array:
    r"""(..., 3) probabilities that the first wins, that the second does, and of a tie.

    Args:
        gap: (...) s_i - s_j, the first's strength less the second's.
        nu: Davidson: win : loss : tie = e^{s_i} : e^{s_j} : nu e^{(s_i + s_j) / 2}, nu >= 0; Chen et al. write 2 nu for this nu.
            Rao-Kupper: i wins with odds e^{s_i} against nu e^{s_j}, nu >= 1.
        model: "davidson" or "rao-kupper".

    Raises:
        ValueError: an unknown model, nu out of its range, or a gap that is not finite.

    Source: Davidson 1970, J. Amer. Statist. Assoc. 65(329); Rao and Kupper 1967, J. Amer. Statist. Assoc. 62(317).

    >>> tie_probabilities(0.0, 2.0).tolist(), tie_probabilities(0.0, 3.0, model="rao-kupper").round(12).tolist()
    ([0.25, 0.25, 0.5], [0.25, 0.25, 0.5])
    """
    found = _checked_gap(gap, nu, model)
    if model == "davidson":
        scores = np.stack([found / 2, -found / 2, np.full(found.shape, np.log(nu) if nu > 0 else -np.inf)], axis=-1)
        return np.exp(scores - np.logaddexp.reduce(scores, axis=-1)[..., None])
    win, loss = _sigmoid(found - np.log(nu)), _sigmoid(-found - np.log(nu))
    return np.stack([win, loss, (nu - 1) * (nu + 1) * win * loss], axis=-1)


def tie_scores(gap: Any, nu: float, *, model: str = "davidson") -> tuple[Array, Array]:
    """(..., 3) probabilities and the (..., 3, 2) derivatives of their logarithms in the gap and in the fit's tie parameter.

    That parameter is log nu for Davidson and log(nu^2 - 1) for Rao-Kupper.

    Raises:
        ValueError: as for `tie_probabilities`, or no ties can occur: nu is at the end of its range.

    >>> tie_scores(0.0, 2.0)[1].tolist()
    [[0.5, -0.5], [-0.5, -0.5], [0.0, 0.5]]
    """
    found = _checked_gap(gap, nu, model)
    if nu <= {"davidson": 0.0, "rao-kupper": 1.0}[model]:
        raise ValueError(f"nu is {nu}, at which no tie occurs and the tie parameter has no derivative. Use the model without ties.")
    probability = tie_probabilities(found, nu, model=model)
    if model == "davidson":
        own = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 1.0]])
        return probability, own - np.einsum("...o,op->...p", probability, own)[..., None, :]
    lean = (1 - 1 / nu**2) / 2  # derivative of log nu in log(nu^2 - 1)
    not_win, not_loss = _sigmoid(np.log(nu) - found), _sigmoid(np.log(nu) + found)
    win, loss = np.stack([not_win, -lean * not_win], axis=-1), np.stack([-not_loss, -lean * not_loss], axis=-1)
    return probability, np.stack([win, loss, win + loss + np.array([0.0, 1.0])], axis=-2)


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
    curve, constants = tie_likelihood(wins, ties, n_actions)
    return descend_strengths(curve, np.zeros(n_actions + 1), constants, concordance=_CONCORDANCE["davidson"])


def rao_kupper_strengths(wins: Comparisons, ties: Ties, n_actions: int) -> Rest:
    r"""Maximum likelihood of Rao and Kupper's model: P(i beats j) = s(z - log nu), P(tie) = (nu^2 - 1) s(z - log nu) s(-z - log nu).

    Args:
        wins, ties: in one context (indices of it are ignored); weights count repetitions.
        n_actions: A.

    Returns:
        Rest of A strengths, of mean 0 on each component, and log(nu^2 - 1), the last parameter, in which the likelihood is concave.

    Raises:
        ValueError: no estimate exists; the condition is that of `davidson_recession`, for the two likelihoods recede alike.

    Source: Rao and Kupper 1967, J. Amer. Statist. Assoc. 62(317).

    >>> rest = rao_kupper_strengths(Comparisons([0, 0], [0, 1], [1, 0]), Ties([0], [0], [1], [2.0]), 2)
    >>> np.sqrt(1 + np.exp(rest.at[2])).round(9)
    np.float64(3.0)
    """
    curve, constants = tie_likelihood(wins, ties, n_actions, model="rao-kupper")
    return descend_strengths(curve, np.zeros(n_actions + 1), constants, concordance=_CONCORDANCE["rao-kupper"])


def tie_likelihood(wins: Comparisons, ties: Ties, n_actions: int, *, model: str = "davidson") -> tuple[Callable[[Array], Curve], Array]:
    """Minus the log-likelihood as a convex function of A strengths and the tie parameter, and the rows along which it is constant.

    Raises:
        ValueError: it has no minimum, or the model is unknown.

    >>> curve, _ = tie_likelihood(Comparisons([0, 0], [0, 1], [1, 0]), Ties([0], [0], [1]), 2)
    >>> round(float(np.exp(-curve(np.zeros(3)).value)) * 27, 12)
    1.0
    """
    _require_model(model)
    place, outcome, weight, constants = _stack(wins, ties, n_actions, model)

    def davidson(parameters: Array) -> Curve:
        scores = parameters[place] @ _HALF.T
        top = scores.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(scores - top).sum(axis=1))
        share = np.exp(scores - total[:, None])
        slope = (share - np.eye(3)[outcome]) @ _HALF
        mean = share @ _HALF
        bend = np.einsum("nk,ki,kj->nij", share, _HALF, _HALF) - mean[:, :, None] * mean[:, None, :]
        value = total - scores[np.arange(len(scores)), outcome]
        return _gathered(len(parameters), place, weight, value, slope, bend)

    def rao_kupper(parameters: Array) -> Curve:
        gap, level = parameters[place] @ _GAP.T, parameters[-1]
        threshold, lean = np.logaddexp(0.0, level) / 2, float(_sigmoid(level)) / 2
        tied = outcome == 2
        value, slope, bend = np.zeros(len(place)), np.zeros((len(place), 2)), np.zeros((len(place), 2, 2))
        for side, counted in ((-1.0, np.ones(len(place))), (1.0, tied)):
            at = threshold + side * gap[:, 0]
            rate = counted * _sigmoid(at)
            spread, along = rate * _sigmoid(-at), np.array([side, lean])
            value += counted * np.logaddexp(0.0, at)
            slope += rate[:, None] * along
            bend += spread[:, None, None] * np.outer(along, along)
            bend[:, 1, 1] += rate * lean * (1 - 2 * lean)
        value, slope[:, 1] = value - tied * level, slope[:, 1] - tied
        return _gathered(len(parameters), place, weight, value, slope @ _GAP, _GAP.T @ bend @ _GAP)

    return (davidson if model == "davidson" else rao_kupper), constants


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
    place, outcome, weight, constants = _stack(wins, ties, len(log_ref), "davidson")
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


def _stack(wins: Comparisons, ties: Ties, n_actions: int, model: str) -> tuple[Array, Array, Array, Array]:
    """(N, 3) parameters that a row reads, its outcome 0 (first wins) or 2 (tie), its weight; directions without effect."""
    wins = wins._replace(context=np.zeros_like(wins.chosen), weight=_ones(wins.weight, wins.chosen), target=None)
    ties = ties._replace(context=np.zeros_like(ties.left), weight=_ones(ties.weight, ties.left))
    reason = davidson_recession(wins, ties, n_actions)
    if reason:
        raise ValueError(f"{_NAMES[model]}'s model has no maximum-likelihood estimate: {reason}.")
    first = np.concatenate([wins.chosen, ties.left])
    place = np.column_stack([first, np.concatenate([wins.rejected, ties.right]), np.full(len(first), n_actions)])
    outcome = np.concatenate([np.zeros(len(wins.chosen), dtype=int), np.full(len(ties.left), 2)])
    component = comparison_graph(wins, n_actions, n_contexts=1, ties=ties).component[0]
    constants = component_constants(component, n_actions + 1)
    return place, outcome, np.concatenate([wins.weight, ties.weight]), constants


def _require_model(model: str) -> None:
    if model not in _NAMES:
        raise ValueError(f"model is {model!r}, expected 'davidson' or 'rao-kupper'.")


def _checked_gap(gap: Any, nu: float, model: str) -> Array:
    _require_model(model)
    least, found = (0.0 if model == "davidson" else 1.0), as_numpy("gap", gap)
    if not (np.isfinite(nu) and nu >= least):
        raise ValueError(f"nu is {nu}, expected a finite number >= {least:g} for {_NAMES[model]}'s model.")
    if not np.isfinite(found).all():
        raise ValueError("gap has an entry that is not finite: a difference of strengths.")
    return found


def _sigmoid(x: Any) -> Array:
    shrunk = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, shrunk) / (1.0 + shrunk)


def _ones(weight: Any, like: Any) -> Array:
    return np.ones(len(like)) if weight is None else np.asarray(weight, dtype=np.float64)


def _gathered(size: int, place: Array, weight: Array, value: Array, slope: Array, bend: Array) -> Curve:
    gradient = np.bincount(place.reshape(-1), weights=(weight[:, None] * slope).reshape(-1), minlength=size)
    cell = place[:, :, None] * size + place[:, None, :]
    hessian = np.bincount(cell.reshape(-1), weights=(weight[:, None, None] * bend).reshape(-1), minlength=size * size)
    magnitude = float(weight @ np.abs(slope).sum(axis=1) + weight @ np.abs(value))
    return Curve(float(weight @ value), gradient, hessian.reshape(size, size), magnitude)
