"""What data can tell about rewards: Fisher information, standard errors, and the regret that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.data import Rankings
from bandits.door import Array, as_numpy, require_reward
from bandits.maximise import maximise_value
from bandits.problem import TabularBandit
from bandits.ranking import observed_information
from bandits.rankings_rows import ranked_blocks
from bandits.sample import design_matrix

__all__ = [
    "asymptotic_regret",
    "design_information",
    "difference_errors",
    "pair_information",
    "ranking_information",
    "reward_covariance",
    "tie_information",
]

_MOST_RANKED = 14


def pair_information(reward: Any, counts: Any) -> Array:
    r"""Fisher information about the rewards in Bradley-Terry comparisons: sum over pairs of n p (1 - p) (e_i - e_j)(e_i - e_j)^T.

    Args:
        reward: (A,) or (X, A), finite.
        counts: (A, A) or (X, A, A) symmetric; entry (i, j) is how often i and j are compared, whoever is named first. Each pair
            counts once, so a design whose entries sum to 1 is to be doubled: the information per comparison is that of 2 * design.

    Returns:
        (A, A) or (X, A, A), each row summing to 0: no comparison tells the level of the rewards.

    Raises:
        ValueError: a reward is not finite; the counts are negative, not symmetric, or of another shape.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 2, differentiated twice.

    >>> pair_information([0.0, 0.0, 0.0], np.ones((3, 3)) - np.eye(3)).tolist()
    [[0.5, -0.25, -0.25], [-0.25, 0.5, -0.25], [-0.25, -0.25, 0.5]]
    """
    level = _finite_reward(reward)
    shrunk = np.exp(-np.abs(level[..., :, None] - level[..., None, :]))
    return _laplacian(_counts(counts, level) * shrunk / (1 + shrunk) ** 2)


def design_information(bandit: TabularBandit, design: Any = None) -> Array:
    r"""Expected Fisher information of one comparison in each context, drawn from a design and labelled by the bandit's reward.

    Args:
        bandit: the problem; rewards finite on the support. Actions off the support have no information.
        design: (X, A, A) symmetric weights of compared pairs, zero diagonal; default uniform over supported pairs.

    Returns:
        (X, A, A); n comparisons carry n context_probs[x] times as much about context x.

    Raises:
        ValueError: the design is not what it should be, or a supported action has reward -inf.

    >>> bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> design_information(bandit).tolist()
    [[[0.25, -0.25], [-0.25, 0.25]]]
    """
    return pair_information(np.where(bandit.support, bandit.reward, 0.0), 2 * design_matrix(bandit, design))


def ranking_information(reward: Any, data: Rankings | Sequence[Rankings] | None = None, *, top: int | None = None) -> Array:
    r"""Fisher information about the rewards in Plackett-Luce rankings of which the first `top` places are seen.

    Args:
        reward: (A,) or (X, A), finite.
        data: Rankings, or a list of Rankings of one length each: then the information observed in them, weights counting
            repetitions, at any number of actions. By default the one expected of one ranking of all A actions; A at most 14, since
            all sets of actions left to choose from are visited.
        top: places seen; default all.

    Returns:
        (A, A) or (X, A, A), each row summing to 0. n rankings of all actions are expected to carry n times as much as one.

    Raises:
        ValueError: a reward is not finite, there are too many actions, `top` is out of range, or as `minimise_loss` for rankings.

    Source: Plackett 1975, Applied Statistics 24; Rafailov et al. 2023, arXiv:2305.18290, eq. 18.

    >>> (36 * ranking_information([0.0, 0.0, 0.0])).round(9).tolist()
    [[14.0, -7.0, -7.0], [-7.0, 14.0, -7.0], [-7.0, -7.0, 14.0]]
    >>> difference_errors(ranking_information([0.0, 0.0], Rankings([0], [[0, 1]], [16.0]))).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """
    level = _finite_reward(reward)
    if data is not None:
        blocks = ranked_blocks(data)
        if blocks is None:
            raise ValueError(f"data is {type(data).__name__}, expected Rankings or a list of them.")
        found = observed_information(blocks, np.atleast_2d(level), top=top)
        return found if level.ndim == 2 else found[0]
    a = level.shape[-1]
    places = a - 1 if top is None else top
    if not 2 <= a <= _MOST_RANKED:
        raise ValueError(f"there are {a} actions, expected 2 to {_MOST_RANKED}: every set of actions left to choose from is visited.")
    if int(places) != places or not 1 <= places <= a:
        raise ValueError(f"top is {top}, expected 1 to {a}: how many places of the ranking are seen.")
    left = (np.arange(2**a)[:, None] >> np.arange(a)) & 1 == 1  # (2^A, A): the actions still to be chosen from
    size = left.sum(axis=1)
    score = np.where(left, level[..., None, :], -np.inf)
    top_score = np.where(size > 0, score.max(axis=-1), 0.0)
    weight = np.exp(score - top_score[..., None])
    share = weight / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-300)
    reached = np.zeros((*level.shape[:-1], 2**a))
    reached[..., -1] = 1.0
    found = np.zeros((*level.shape, a))
    for remaining in range(a, max(a - int(places), 1), -1):
        sets = np.flatnonzero(size == remaining)
        seen, chance = share[..., sets, :], reached[..., sets]
        found -= np.einsum("...s,...si,...sj->...ij", chance, seen, seen)
        found[..., np.arange(a), np.arange(a)] += np.einsum("...s,...si->...i", chance, seen)
        for action in range(a):
            inside = sets[left[sets, action]]
            reached[..., inside - 2**action] += reached[..., inside] * share[..., inside, action]
    return found


def tie_information(reward: Any, nu: float, counts: Any, *, model: str = "davidson") -> Array:
    r"""Fisher information about (A,) rewards and the tie parameter, in comparisons that may end in a tie.

    Args:
        reward: (A,) or (X, A), finite.
        nu: Davidson: win : loss : tie = e^{r_i} : e^{r_j} : nu e^{(r_i + r_j) / 2}, nu > 0. Rao-Kupper: i wins with odds e^{r_i}
            against nu e^{r_j}, nu > 1.
        counts: (A, A) or (X, A, A) symmetric, how often each pair is compared, as in `pair_information`.
        model: "davidson" or "rao-kupper".

    Returns:
        (A + 1, A + 1) or (X, A + 1, A + 1); the last parameter is log nu for Davidson and log(nu^2 - 1) for Rao-Kupper, as in the fits.

    Raises:
        ValueError: as for `pair_information`, an unknown model, or nu out of its range.

    Source: Davidson 1970, J. Amer. Statist. Assoc. 65(329); Rao and Kupper 1967, J. Amer. Statist. Assoc. 62(317).

    >>> tie_information([0.0, 0.0], 1.0, [[0.0, 9.0], [9.0, 0.0]]).round(9).tolist()
    [[1.5, -1.5, 0.0], [-1.5, 1.5, 0.0], [0.0, 0.0, 2.0]]
    """
    from bandits.ties import tie_scores

    level = _finite_reward(reward)
    weight = _counts(counts, level)
    probability, score = tie_scores(level[..., :, None] - level[..., None, :], nu, model=model)
    cells = np.einsum("...o,...op,...oq->...pq", probability, score, score, optimize=True) * weight[..., None, None]
    a = level.shape[-1]
    found = np.zeros((*level.shape[:-1], a + 1, a + 1))
    found[..., :a, :a] = _laplacian(cells[..., 0, 0])
    found[..., :a, a] = found[..., a, :a] = cells[..., 0, 1].sum(axis=-1)
    found[..., a, a] = cells[..., 1, 1].sum(axis=(-2, -1)) / 2
    return found


def reward_covariance(information: Any, *, nuisance: int = 0) -> Array:
    r"""The pseudo-inverse of an information matrix: the covariance of efficient estimates whose mean is 0 in each component.

    Actions are in one component when a chain of non-zero entries joins them; which they are is read off the matrix's pattern and
    never off a small eigenvalue, so that a weak link is a large variance and not a missing one.

    Args:
        information: (P, P) or (X, P, P), from the functions of this module, or the Hessian of a fit.
        nuisance: how many of the last parameters are no rewards, such as a tie parameter.

    Returns:
        (P, P) or (X, P, P).

    Raises:
        ValueError: the matrix is not square, finite and symmetric, or a nuisance parameter has no information.

    >>> reward_covariance([[2.0, -2.0], [-2.0, 2.0]]).tolist()
    [[0.125, -0.125], [-0.125, 0.125]]
    """
    return _each(information, nuisance, _pseudo_inverse)


def difference_errors(information: Any, *, nuisance: int = 0) -> Array:
    r"""Standard errors of r_i - r_j: sqrt of the Cramer-Rao bound; NaN where the data do not identify the difference.

    Args:
        information: as in `reward_covariance`.
        nuisance: as there; the errors allow for their being estimated too.

    Returns:
        (A, A) or (X, A, A), 0 on the diagonal; A = P - nuisance.

    Raises:
        ValueError: as for `reward_covariance`.

    >>> difference_errors([[2.0, -2.0, 0], [-2.0, 2.0, 0], [0, 0, 0]]).round(4).tolist()
    [[0.0, 0.7071, nan], [0.7071, 0.0, nan], [nan, nan, 0.0]]
    """

    def errors(matrix: Array, label: Array) -> Array:
        a = len(label)
        spread = _grounded_inverse(matrix, label)[:a, :a]
        variance = np.diag(spread)[:, None] + np.diag(spread)[None, :] - 2 * spread
        return np.where(label[:, None] == label[None, :], np.sqrt(np.maximum(variance, 0.0)), np.nan)

    return _each(information, nuisance, errors)


def asymptotic_regret(bandit: TabularBandit, *, design: Any = None) -> float:
    r"""lim n E[J* - J(pi_n)] for the policy pi_n fitted to n comparisons: sum over contexts of tr(C Sigma) / (2 beta).

    C is the covariance of the indicators of the actions under the optimal policy, Sigma the covariance of efficient rewards per
    comparison. The policy may be the DPO optimum or the RLHF optimum of the fitted reward; they are the same policy.

    Args:
        bandit: the problem; its Bradley-Terry preferences are the truth, its context_probs the frequency of contexts.
        design: (X, A, A) symmetric weights of compared pairs, zero diagonal; default uniform over supported pairs.

    Returns:
        The limit, in units of reward times comparisons; infinite when the design leaves a difference unidentified.

    Raises:
        ValueError: as for `minimise_loss`; or a supported action has reward -inf.

    >>> bandit = TabularBandit([1.0], [[0.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> asymptotic_regret(bandit)
    0.5
    """
    errors = difference_errors(design_information(bandit, design))
    total = 0.0
    best = np.exp(maximise_value(bandit).log_policy)
    for x in np.flatnonzero(bandit.context_probs > 0):
        held = np.flatnonzero(bandit.support[x])
        error = errors[x][np.ix_(held, held)]
        if np.isnan(error).any():
            return np.inf
        policy = best[x, held]
        total += float(policy @ error**2 @ policy) / 2  # tr(C Sigma), from the variances of the differences
    return total / (2 * bandit.beta)


def _finite_reward(reward: Any) -> Array:
    found = require_reward("reward", reward)
    if found.ndim > 2 or not np.isfinite(found).all():
        raise ValueError("reward has an entry -inf or more than two axes, expected finite (A,) or (X, A). Leave forbidden actions out.")
    return found


def _counts(counts: Any, reward: Array) -> Array:
    found = as_numpy("counts", counts).copy()
    if found.shape != (*reward.shape, reward.shape[-1]):
        raise ValueError(f"counts has shape {found.shape}, expected {(*reward.shape, reward.shape[-1])}: one entry per pair.")
    if not (np.isfinite(found) & (found >= 0)).all() or not np.allclose(found, np.swapaxes(found, -1, -2), rtol=1e-9, atol=0):
        raise ValueError(
            "counts is negative, infinite or not symmetric somewhere, expected how often i and j are compared, in both places."
        )
    each = np.arange(reward.shape[-1])
    found[..., each, each] = 0.0
    return found


def _laplacian(stiffness: Array) -> Array:
    found = -stiffness
    each = np.arange(stiffness.shape[-1])
    found[..., each, each] += stiffness.sum(axis=-1)
    return found


def _each(information: Any, nuisance: int, read: Any) -> Array:
    found = as_numpy("information", information)
    if found.ndim not in (2, 3) or found.shape[-1] != found.shape[-2] or not 0 <= nuisance < found.shape[-1]:
        raise ValueError(f"information has shape {found.shape} with {nuisance} nuisance parameters, expected (P, P) or (X, P, P).")
    if not np.isfinite(found).all() or not np.allclose(
        found, np.swapaxes(found, -1, -2), rtol=1e-9, atol=1e-12 * np.abs(found).max(initial=0)
    ):
        raise ValueError("information is not finite and symmetric.")
    stack = found.reshape(-1, *found.shape[-2:])
    results = np.stack([read(matrix, _labels(matrix, len(matrix) - nuisance)) for matrix in stack])
    return results.reshape(*found.shape[:-2], *results.shape[1:])


def _labels(matrix: Array, n_actions: int) -> Array:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    return np.asarray(connected_components(csr_array(matrix[:n_actions, :n_actions] != 0), directed=False)[1])


def _grounded_inverse(matrix: Array, label: Array) -> Array:
    """(P, P) covariance when the first action of each component is held at 0."""
    a, p = len(label), len(matrix)
    silent = np.flatnonzero(np.diag(matrix)[a:] <= 0)
    if len(silent):
        raise ValueError(f"nuisance parameter {int(silent[0])} has no information in the data: leave it out.")
    first = np.unique(label, return_index=True)[1]
    kept = np.setdiff1d(np.arange(p), first)
    grounded = matrix[np.ix_(kept, kept)]
    scale = 1 / np.sqrt(np.diag(grounded))
    inverse = np.zeros((p, p))
    inverse[np.ix_(kept, kept)] = np.linalg.inv(grounded * scale[:, None] * scale) * scale[:, None] * scale
    return inverse


def _pseudo_inverse(matrix: Array, label: Array) -> Array:
    a = len(label)
    same = (label[:, None] == label[None, :]) / np.bincount(label)[label][:, None]
    keep = np.eye(len(matrix))
    keep[:a, :a] -= same
    found = keep @ _grounded_inverse(matrix, label) @ keep.T
    return np.asarray((found + found.T) / 2)
