"""The solves: the reward by maximum likelihood, the DPO optimum, and the RLHF optimum of that reward by formula and by search.

Only contexts that have a unique estimate are solved; every other entry stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array
from bandits.problem import TabularBandit
from bandits.ranking import minimise_ranking_loss, ranking_strengths
from bandits.solve import Solution, Status, maximise_value, minimise_loss
from bandits.ties import davidson_log_ratios, davidson_strengths
from dpo_theory.fitting.nodes import Nodes
from dpo_theory.losses.dpo import DPO
from dpo_theory.losses.plackett_luce import PlackettLuceDPO
from dpo_theory.optimal import optimal_log_policy

__all__ = ["Estimate", "estimate", "nothing"]

_DENSE = 2_000_000
_LARGEST_BETA = 1e100
_MOST_NATS = 1e4  # between the best and the worst item of a context: beyond, the searches run out of digits


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the solves found, (M,) each, NaN in contexts without a unique estimate.

    Args:
        reward: maximum-likelihood rewards, up to a constant per context.
        standard_error: of reward minus the reward of the context's base.
        log_policy: the DPO optimum.
        rlhf: the RLHF optimum of `reward` by eq. 4.
        searched: the RLHF optimum of `reward` by search.
        reward_bound, policy_bound: how far the two fits can be from their optima, in units of reward and in nats.
        log_nu: log of the tie parameter of Davidson's model, in the reward fit; NaN without it.
        notes: what was not computed, a sentence each.
    """

    reward: Array
    standard_error: Array
    log_policy: Array
    rlhf: Array
    searched: Array
    reward_bound: float
    policy_bound: float
    log_nu: float
    notes: tuple[str, ...] = ()


def estimate(nodes: Nodes, base: Array, log_ref: Array, beta: float, *, davidson: bool) -> Estimate:
    """Solve every context of `nodes` that has a unique estimate.

    Args:
        nodes: M nodes and their data.
        base: (X,) node of each context's base item.
        log_ref: (M,) log-probabilities, normalised within each context.
        beta: reward per nat.
        davidson: ties are fitted by Davidson's model.
    """
    found = nothing(nodes)
    if not nodes.determined.any():
        return found
    if nodes.rankings or davidson:
        return _jointly(nodes, base, log_ref, beta, found, davidson)
    bounds = [_batch(nodes, int(size), base, log_ref, beta, found) for size in np.unique(nodes.size[nodes.determined])]
    reward_bound, policy_bound = (max(column) for column in zip(*bounds, strict=True))
    notes: tuple[str, ...] = ()
    if np.isnan(found.standard_error[nodes.determined[nodes.context]]).any():
        notes = (f"Standard errors are left out: a context has more than {int(_DENSE**0.5)} items.",)
    return Estimate(*_arrays(found), reward_bound, policy_bound, np.nan, notes)


def nothing(nodes: Nodes) -> Estimate:
    """NaN everywhere: no context has an estimate."""
    reward, error, policy, rlhf, searched = np.full((5, len(nodes.context)), np.nan)
    return Estimate(reward, error, policy, rlhf, searched, np.nan, np.nan, np.nan)


def _batch(nodes: Nodes, size: int, base: Array, log_ref: Array, beta: float, out: Estimate) -> tuple[float, float]:
    """Solve the contexts of `size` items together and write them into `out`; bounds of the two fits."""
    contexts = np.flatnonzero(nodes.determined & (nodes.size == size))
    first = nodes.first
    home = nodes.context[nodes.wins.chosen]
    mine = np.isin(home, contexts)
    data = Comparisons(
        np.searchsorted(contexts, home[mine]),
        nodes.wins.chosen[mine] - first[home[mine]],
        nodes.wins.rejected[mine] - first[home[mine]],
        nodes.wins.weight[mine],
    )
    cells = first[contexts][:, None] + np.arange(size)
    shape, probs = cells.shape, np.full(len(contexts), 1 / len(contexts))
    flat = TabularBandit(probs, np.zeros(shape), np.full(shape, -np.log(size)), beta=1.0)
    likelihood = _optimal("the reward", minimise_loss(flat, DPO(beta=1.0), data))
    reward = likelihood.log_policy - likelihood.log_policy.mean(axis=1, keepdims=True)
    _require_within_reach(reward, beta)
    skewed = TabularBandit(probs, np.zeros(shape), log_ref[cells], beta=beta)
    preference = _optimal("the DPO optimum", minimise_loss(skewed, DPO(beta=beta), data))
    out.reward[cells] = reward
    out.log_policy[cells] = preference.log_policy
    _regularised(out, cells, log_ref, beta)
    out.standard_error[cells] = _standard_errors(data, reward, base[contexts] - first[contexts])
    return likelihood.certificate.distance_bound, preference.certificate.distance_bound


def _jointly(nodes: Nodes, base: Array, log_ref: Array, beta: float, out: Estimate, davidson: bool) -> Estimate:
    """Rankings, and ties with their common parameter: all determined contexts in one system."""
    kept = np.flatnonzero(nodes.determined[nodes.context])
    number = np.full(len(nodes.context), -1)
    number[kept] = np.arange(len(kept))
    context, log_nu = nodes.context[kept], np.nan
    if davidson:
        wins, ties = nodes.within(nodes.determined)
        data = wins._replace(chosen=number[wins.chosen], rejected=number[wins.rejected])
        level = ties._replace(left=number[ties.left], right=number[ties.right])
        likelihood = davidson_strengths(data, level, len(kept))
        log_nu = float(likelihood.at[-1])
        _require_within_reach(likelihood.at[None, :-1], beta)
        log_policy, preference = davidson_log_ratios(data, level, log_ref[kept], context, beta=beta)
    else:
        blocks = [
            block._replace(context=block.context[rows], order=number[block.order[rows]], weight=block.weight[rows])
            for block in nodes.rankings
            if (rows := number[block.order[:, 0]] >= 0).any()
        ]
        likelihood = ranking_strengths(blocks, len(kept))
        _require_within_reach(likelihood.at[None, :], beta)
        log_policy, preference = minimise_ranking_loss(
            PlackettLuceDPO(beta=beta), blocks, log_ref[kept], context, concordance=np.sqrt(2) * beta
        )
    out.reward[kept] = likelihood.at[: len(kept)]
    out.log_policy[kept] = log_policy
    against = number[base[context]]
    each, spread = np.arange(len(kept)), likelihood.covariance
    variance = spread[each, each] + spread[against, against] - 2 * spread[each, against]
    out.standard_error[kept] = np.sqrt(np.maximum(variance, 0.0))
    for size in np.unique(nodes.size[nodes.determined]):
        contexts = np.flatnonzero(nodes.determined & (nodes.size == size))
        _regularised(out, nodes.first[contexts][:, None] + np.arange(size), log_ref, beta)
    return Estimate(*_arrays(out), likelihood.distance_bound, preference.distance_bound, log_nu)


def _regularised(out: Estimate, cells: Array, log_ref: Array, beta: float) -> None:
    """The RLHF optimum of the fitted rewards at `cells`, (X, A) nodes: by formula and by search."""
    reward = out.reward[cells]
    bandit = TabularBandit(np.full(len(cells), 1 / len(cells)), reward, log_ref[cells], beta)
    out.rlhf[cells] = optimal_log_policy(reward, log_ref[cells], beta)
    out.searched[cells] = _optimal("the RLHF optimum", maximise_value(bandit)).log_policy


def _require_within_reach(reward: Array, beta: float) -> None:
    if beta > _LARGEST_BETA:
        raise ValueError(f"beta is {beta}, expected at most {_LARGEST_BETA:g}: beyond, products of slopes overflow. Take a smaller beta.")
    with np.errstate(over="ignore"):
        nats = np.ptp(reward, axis=1).max() / np.float64(beta)
    if nats > _MOST_NATS:
        raise ValueError(
            f"beta is {beta}: the fitted rewards differ by up to {np.ptp(reward, axis=1).max():.3g}, which is {nats:.3g} nats at this "
            f"beta, expected at most {_MOST_NATS:g}. Take a larger beta."
        )


def _optimal(name: str, solution: Solution) -> Solution:
    if solution.status is not Status.OPTIMAL:
        raise ValueError(f"the search for {name} ended as {solution.status}: {solution.certificate.reason}.")
    return solution


def _standard_errors(data: Comparisons, reward: Array, base: Array) -> Array:
    """(X, A) from the inverse of the Fisher information with the base's row and column removed."""
    x, a = reward.shape
    errors = np.full((x, a), np.nan)
    if a * a > _DENSE:
        return errors
    rate = 1 / (1 + np.exp(reward[data.context, data.rejected] - reward[data.context, data.chosen]))
    stiff = data.weight * rate * (1 - rate)
    order = np.argsort(data.context, kind="stable")
    step = max(1, _DENSE // (a * a))
    bounds = np.searchsorted(data.context[order], np.append(np.arange(0, x, step), x))
    for block, (start, stop) in enumerate(pairwise(bounds)):
        rows = order[start:stop]
        count = min(step, x - block * step)
        local = data.context[rows] - block * step
        information = np.zeros((count, a, a))
        i, j, w = data.chosen[rows], data.rejected[rows], stiff[rows]
        for left, right, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            np.add.at(information, (local, left, right), sign * w)
        grounded = base[block * step : block * step + count]
        each = np.arange(count)
        information[each, grounded, :] = 0.0
        information[each, :, grounded] = 0.0
        information[each, grounded, grounded] = 1.0
        variance = np.einsum("xaa->xa", np.linalg.inv(information)).copy()
        variance[each, grounded] = 0.0
        errors[block * step : block * step + count] = np.sqrt(variance)
    return errors


def _arrays(found: Estimate) -> tuple[Array, Array, Array, Array, Array]:
    return found.reward, found.standard_error, found.log_policy, found.rlhf, found.searched
