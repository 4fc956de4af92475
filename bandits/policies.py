"""Methods to compare, each by its definition: best-of-N, fine-tuning, unlikelihood, two-stage RLHF, PPO.

Where a method draws samples, its exact law is computed; where it maximises, what it maximises is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array, as_numpy
from bandits.problem import TabularBandit
from bandits.sample import design_matrix, preference_matrix

__all__ = [
    "best_of_n",
    "fine_tuning",
    "ppo",
    "preferred_fine_tuning",
    "two_stage_rlhf",
    "unlikelihood",
    "win_and_loss_law",
]


def best_of_n(bandit: TabularBandit, n: int, *, ties: str = "reference") -> Array:
    """Law of the best of n independent answers from the reference, by the bandit's reward.

    Args:
        bandit: the problem.
        n: how many answers are drawn, >= 1.
        ties: "reference": among equally good answers the one drawn first is kept; "first": the one of smallest index.

    Returns:
        (X, A) log-probabilities: log(F(r)^n - F(r-)^n) of each reward level, split by the reference within a level,
        F the reference's distribution function of the reward.

    Raises:
        ValueError: n is not a whole number >= 1, or ties is neither word.

    Source: Rafailov et al. 2023, arXiv:2305.18290, section 6 and App. D.1.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> np.exp(best_of_n(bandit, 2)).round(2)
    array([[0.75, 0.21, 0.04]])
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n is {n!r}, expected a whole number >= 1: how many answers are drawn.")
    if ties not in ("reference", "first"):
        raise ValueError(f"ties is {ties!r}, expected 'reference' (the one drawn first) or 'first' (the smallest index).")
    rows = [_best(reward, log_ref, int(n), ties) for reward, log_ref in zip(bandit.reward, bandit.log_ref, strict=True)]
    return np.stack(rows)


def _best(reward: Array, log_ref: Array, n: int, ties: str) -> Array:
    actions = np.arange(len(reward))
    place = np.lexsort((-actions, reward)) if ties == "first" else np.argsort(reward, kind="stable")
    level = np.empty(len(reward), dtype=int)
    _, by_reward = np.unique(reward, return_inverse=True)
    level[place] = actions if ties == "first" else by_reward[place]
    mass = np.full(level.max() + 1, -np.inf)
    np.logaddexp.at(mass, level, log_ref)
    below = np.logaddexp.accumulate(mass)
    below = below - below[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = np.log1p(-np.minimum(np.exp(mass - below), 1.0))  # log F(r-)/F(r)
        law = n * below + np.log(-np.expm1(n * missed))
        return np.where(mass[level] > -np.inf, log_ref - mass[level] + law[level], -np.inf)


def fine_tuning(counts: Any) -> Array:
    """Supervised fine-tuning: the policy that maximises sum_i counts_i log pi_i in each context.

    Args:
        counts: (X, A) how often each answer is demonstrated, >= 0, some in every context.

    Returns:
        (X, A) log-probabilities: the demonstrated frequencies, -inf for an answer that is never shown.

    Raises:
        ValueError: a count is negative or not finite, or a context has none.

    Source: Rafailov et al. 2023, arXiv:2305.18290, section 3 (SFT).

    >>> np.exp(fine_tuning([[3, 1]]))
    array([[0.75, 0.25]])
    """
    found = as_numpy("counts", counts)
    if found.ndim != 2:
        raise ValueError(f"counts has shape {found.shape}, expected (X, A): one row per context.")
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"counts is {found[where]} at {where}, expected a finite number >= 0.")
    total = found.sum(axis=-1, keepdims=True)
    if (total == 0).any():
        raise ValueError(f"counts row {int(np.argmin(total))} is all zero: nothing is demonstrated there. Drop the context.")
    with np.errstate(divide="ignore"):
        return np.log(found / total)


def win_and_loss_law(
    bandit: TabularBandit,
    *,
    design: Any = None,
    preferences: Any = None,
    draw: Any = "reference",
    distinct: bool = True,
) -> tuple[Array, Array]:
    """How often each answer is the chosen one, and the rejected one, of a comparison.

    Args:
        bandit: the problem.
        design: (X, A, A) symmetric weights of compared pairs; default two independent draws.
        preferences: (X, A, A) P(i beats j); default Bradley-Terry of the reward.
        draw: "reference", "uniform" or an (X, A) log-policy from which the two answers are drawn.
        distinct: False lets the two draws be one answer, which then wins and loses.

    Returns:
        Winner law and loser law, (X, A) each, rows summing to 1.

    Raises:
        ValueError: as `bandits.sample.design_matrix` and `preference_matrix`, or a context compares nothing.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> win_and_loss_law(bandit)[0].round(4)
    array([[0.7311, 0.2689]])
    """
    weight = design_matrix(bandit, design, draw=draw, distinct=distinct)
    wins = preference_matrix(bandit, preferences, weight)
    empty = ~(weight.sum(axis=(1, 2)) > 0)
    if empty.any():
        raise ValueError(f"context {int(np.argmax(empty))} compares no pair. Give it two supported answers, or drop it.")
    return 2 * (weight * wins).sum(axis=2), 2 * (weight * wins).sum(axis=1)


def preferred_fine_tuning(bandit: TabularBandit, **comparisons: Any) -> Array:
    """Preferred-FT: supervised fine-tuning on the chosen answers alone, on the exact population.

    Args:
        bandit: the problem.
        comparisons: design, preferences, draw, distinct, as in `win_and_loss_law`.

    Returns:
        (X, A) log-probabilities: the maximiser of E log pi(y_w|x).

    Raises:
        ValueError: as `win_and_loss_law`.

    Source: Rafailov et al. 2023, arXiv:2305.18290, sections 4 and 6.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> np.exp(preferred_fine_tuning(bandit)).round(4)
    array([[0.6379, 0.2716, 0.0905]])
    """
    return fine_tuning(win_and_loss_law(bandit, **comparisons)[0])


def unlikelihood(bandit: TabularBandit, alpha: float, **comparisons: Any) -> Array:
    """Unlikelihood: the maximiser of E[log pi(y_w|x) - alpha log pi(y_l|x)] on the exact population.

    Args:
        bandit: the problem.
        alpha: weight of the rejected answers, 0 <= alpha < 1.
        comparisons: design, preferences, draw, distinct, as in `win_and_loss_law`.

    Returns:
        (X, A) log-probabilities; -inf where wins are exactly alpha times losses.

    Raises:
        ValueError: alpha is outside [0, 1), or so large that the objective has no maximum.

    Source: Rafailov et al. 2023, arXiv:2305.18290, App. C.3.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> np.exp(unlikelihood(bandit, 0.2)).round(4)
    array([[0.7552, 0.2381, 0.0067]])
    """
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha is {alpha!r}, expected 0 <= alpha < 1: at 1 the objective is 0 or has no maximum.")
    win, loss = win_and_loss_law(bandit, **comparisons)
    pull = win - alpha * loss
    if (pull < 0).any():
        ratio = np.where(pull < 0, win, np.inf) / np.where(pull < 0, loss, 1.0)
        where = tuple(int(i) for i in np.unravel_index(np.argmin(ratio), ratio.shape))
        raise ValueError(
            f"alpha is {alpha}, but the answer at {where} wins only {ratio[where]:.6g} times as often as it "
            "loses: sending its probability to 0 raises the objective for ever. Take alpha no larger than that ratio."
        )
    return fine_tuning(pull)


def two_stage_rlhf(bandit: TabularBandit, data: Comparisons | None = None, **population: Any) -> Array:
    """RLHF in two stages, both by search: the reward of greatest likelihood, then its best policy.

    Args:
        bandit: the problem; its reward is seen only through the comparisons.
        data: Comparisons; None takes the exact population, with `design` and `preferences` as in `minimise_loss`.

    Returns:
        (X, A) log-probabilities.

    Raises:
        ValueError: the data have no reward of greatest likelihood, or identify it only in parts.

    Source: Rafailov et al. 2023, arXiv:2305.18290, section 3, eqs. 2 and 3.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> np.exp(two_stage_rlhf(bandit)).round(4)
    array([[0.9187, 0.0746, 0.0067]])
    """
    from bandits.maximise import maximise_value
    from bandits.minimise import minimise_loss

    if not bandit.support.all():
        raise ValueError("log_ref has -inf: a reward model scores every answer. Drop the answers without support.")
    flat = np.full(bandit.reward.shape, -np.log(bandit.n_actions))
    found = minimise_loss(bandit.replace(log_ref=flat), _negative_log_likelihood, data, **population)
    if found.status != "optimal":
        raise ValueError(f"the reward model stopped as {found.status}: {found.certificate.reason}")
    return maximise_value(bandit.replace(reward=found.log_policy)).log_policy


def _negative_log_likelihood(pairs: Any) -> Any:
    return np.logaddexp(0.0, -(pairs.policy_chosen - pairs.policy_rejected))


def ppo(
    bandit: TabularBandit,
    *,
    rounds: int = 200,
    epochs: int = 4,
    step: float = 1.0,
    clip: float = 0.2,
    on_round: Callable[[int, Array], None] | None = None,
) -> Array:
    """PPO in exact expectation: ascent on the clipped surrogate, restarted from the current policy each round.

    The reward of an answer is r - beta log pi_old/pi_ref, its baseline the mean under pi_old, the surrogate
    E_old[min(u A, clip(u, 1 - c, 1 + c) A)] with u = pi/pi_old; steps are taken in the logits. Where it stops is
    not the optimum: how far it is, is what a study measures.

    Args:
        bandit: the problem; the reference supports every answer and every reward is finite.
        rounds: how often pi_old is renewed.
        epochs: ascent steps in each round.
        step: their size.
        clip: c in (0, 1).
        on_round: called with (round, (X, A) log-policy).

    Returns:
        (X, A) log-probabilities after the last round.

    Raises:
        ValueError: an answer has no support or reward -inf, or clip or step are out of range.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7; the reward is Rafailov et al. 2023, arXiv:2305.18290, section 3.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> bool(bandit.value(ppo(bandit, rounds=50)) > bandit.value(bandit.log_ref))
    True
    """
    if not (bandit.support.all() and np.isfinite(bandit.reward).all()):
        raise ValueError("PPO moves logits: every answer needs support under log_ref and a finite reward. Drop the others.")
    if not (0 < clip < 1 and step > 0):
        raise ValueError(f"clip is {clip} and step is {step}, expected 0 < clip < 1 and step > 0.")
    log_policy = bandit.log_ref
    for number in range(rounds):
        old = np.exp(log_policy)
        gain = bandit.reward - bandit.beta * (log_policy - bandit.log_ref)
        advantage = gain - (old * gain).sum(axis=-1, keepdims=True)
        logits = log_policy
        for _ in range(epochs):
            policy = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
            ratio = policy / old
            live = np.where(advantage > 0, ratio < 1 + clip, ratio > 1 - clip)
            pull = policy * advantage * live
            logits = logits + step * (pull - policy * pull.sum(axis=-1, keepdims=True))
        log_policy = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        if on_round is not None:
            on_round(number, log_policy)
    return log_policy
