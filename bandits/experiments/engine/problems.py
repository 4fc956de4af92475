"""Random problems, several problems as one, and data drawn as counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandits.data import Comparisons
from bandits.door import Array
from bandits.problem import TabularBandit
from bandits.sample import design_matrix, preference_matrix

__all__ = ["draw_counts", "join_data", "join_problems", "random_bandit", "split_data", "split_rows"]


def random_bandit(
    rng: np.random.Generator, *, beta: float, contexts: int = 1, actions: int = 5, spread: float = 1.0, skew: float = 1.0
) -> TabularBandit:
    """A problem with normal rewards and a reference whose logits are normal.

    Args:
        rng: NumPy generator.
        beta: reward per nat.
        contexts: X; their probabilities are exponential variates, normalised.
        actions: A, >= 2.
        spread: standard deviation of the rewards.
        skew: standard deviation of the reference's logits.

    Raises:
        ValueError: beta is not positive, or there are fewer than one context or two actions.

    >>> random_bandit(np.random.default_rng(0), beta=0.5, contexts=2, actions=3).reward.shape
    (2, 3)
    """
    if actions < 2:
        raise ValueError(f"actions is {actions}, expected 2 or more: with one action there is nothing to compare.")
    if contexts < 1:
        raise ValueError(f"contexts is {contexts}, expected 1 or more.")
    weight = rng.exponential(size=contexts)
    reward = spread * rng.normal(size=(contexts, actions))
    logits = skew * rng.normal(size=(contexts, actions))
    return TabularBandit(weight / weight.sum(), reward, logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), beta)


def join_problems(problems: Sequence[TabularBandit]) -> TabularBandit:
    """P problems as one, whose contexts are theirs one after the other: what one solve takes at once.

    Raises:
        ValueError: they differ in beta or in the number of actions, or only some have lengths.

    >>> rng = np.random.default_rng(0)
    >>> join_problems([random_bandit(rng, beta=1.0, contexts=2) for _ in range(3)]).n_contexts
    6
    """
    if len({(problem.beta, problem.n_actions, problem.tokens is None) for problem in problems}) != 1:
        raise ValueError("problems that are solved at once share beta, the number of actions, and whether they have lengths.")
    if len(problems) == 1:
        return problems[0]
    tokens = [problem.tokens for problem in problems if problem.tokens is not None]
    return TabularBandit(
        np.concatenate([problem.context_probs for problem in problems]) / len(problems),
        np.concatenate([problem.reward for problem in problems]),
        np.concatenate([problem.log_ref for problem in problems]),
        problems[0].beta,
        np.concatenate(tokens) if tokens else None,
    )


def join_data(problems: Sequence[TabularBandit], data: Sequence[Comparisons | None]) -> Comparisons | None:
    """The data of P problems as data of the joined one; None when none has any.

    Raises:
        ValueError: some have data and others none.
    """
    told = [one for one in data if one is not None]
    if not told:
        return None
    if len(told) != len(problems):
        raise ValueError(f"{len(told)} of {len(problems)} problems have data, expected all or none.")
    first = np.concatenate([[0], np.cumsum([problem.n_contexts for problem in problems])])

    def joined(name: str) -> Array | None:
        columns = [getattr(one, name) for one in told]
        if all(column is None for column in columns):
            return None
        filled = [
            np.ones(len(one.chosen)) if column is None else np.asarray(column, dtype=float)
            for one, column in zip(told, columns, strict=True)
        ]
        return np.concatenate(filled)

    return Comparisons(
        np.concatenate([np.asarray(one.context) + start for one, start in zip(told, first, strict=False)]),
        np.concatenate([np.asarray(one.chosen) for one in told]),
        np.concatenate([np.asarray(one.rejected) for one in told]),
        joined("weight"),
        joined("target"),
    )


def split_data(problems: Sequence[TabularBandit], data: Comparisons) -> list[Comparisons]:
    """The data of the joined problem, problem by problem: the inverse of `join_data`.

    >>> two = [random_bandit(np.random.default_rng(0), beta=1.0)] * 2
    >>> [len(part.chosen) for part in split_data(two, Comparisons([0, 1, 1], [0, 0, 1], [1, 1, 0]))]
    [1, 2]
    """
    ends = np.cumsum([problem.n_contexts for problem in problems])
    context = np.asarray(data.context)
    owner = np.searchsorted(ends, context, side="right")
    parts = []
    for i, (problem, end) in enumerate(zip(problems, ends, strict=True)):
        mine = owner == i
        others = (None if column is None else np.asarray(column)[mine] for column in data[1:])
        parts.append(Comparisons(context[mine] - (end - problem.n_contexts), *others))
    return parts


def split_rows(problems: Sequence[TabularBandit], rows: Any) -> list[Any]:
    """What was found for each context of the joined problem, problem by problem."""
    ends = np.cumsum([problem.n_contexts for problem in problems])
    return [rows[end - problem.n_contexts : end] for problem, end in zip(problems, ends, strict=True)]


def draw_counts(
    bandit: TabularBandit,
    n: int,
    rng: np.random.Generator,
    *,
    design: Any = None,
    draw: Any = "uniform",
    preferences: Any = None,
    per_context: bool = False,
) -> Comparisons:
    """`n` labelled comparisons as counts: the same law as `bandits.sample.pairs`, at a cost that does not grow with n.

    Args:
        bandit: the problem.
        n: how many comparisons.
        rng: NumPy generator.
        design: (X, A, A) weights of compared pairs; replaces `draw`.
        draw: "uniform", "reference" or an (X, A) log-policy, from which two different actions are drawn.
        preferences: (X, A, A) P(i beats j); default Bradley-Terry of the reward.
        per_context: True gives every context n comparisons of its own instead of sharing n by context_probs.

    Returns:
        Comparisons with int weights > 0, sorted by context, chosen, rejected.

    Raises:
        ValueError: as `bandits.sample.design_matrix`, or a context that can be drawn compares nothing.

    >>> bandit = TabularBandit([1.0], [[1.0, 0.0]], np.log([[0.5, 0.5]]), beta=1.0)
    >>> int(draw_counts(bandit, 1000, np.random.default_rng(0)).weight.sum())
    1000
    """
    weights = design_matrix(bandit, design, draw=draw)
    empty = ~(weights.sum(axis=(1, 2)) > 0) & (bandit.context_probs > 0)
    if empty.any():
        raise ValueError(f"the design of context {int(np.argmax(empty))} is empty: no pair is compared. Give it two supported actions.")
    cells = 2 * weights * preference_matrix(bandit, preferences, weights)
    cells = cells.reshape(bandit.n_contexts, -1)
    if not per_context:
        counts = rng.multinomial(n, _law((bandit.context_probs[:, None] * cells).reshape(-1))).reshape(cells.shape)
    else:
        counts = rng.multinomial(n, _law(cells))
    context, cell = np.nonzero(counts)
    return Comparisons(context, cell // bandit.n_actions, cell % bandit.n_actions, counts[context, cell])


def _law(cells: Array) -> Array:
    """Rows that sum to 1 as strictly as a multinomial asks."""
    return cells / cells.sum(axis=-1, keepdims=True)
