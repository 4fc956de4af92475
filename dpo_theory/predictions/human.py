"""The bandit that a file of human preferences describes: fitted strengths as rewards."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.problem import TabularBandit

__all__ = ["bandit_from"]


def bandit_from(source: Any, *, pool: bool = False, **options: Any) -> TabularBandit:
    """The problem whose rewards are the fitted Bradley-Terry strengths, with beta 1 until a study sets it.

    Args:
        source: a CSV or JSON lines file, a table, or Preferences, as `dpo_theory.fit` takes it.
        pool: merge all prompts into one context.
        options: of `dpo_theory.fit`, such as reference and the names of columns.

    Returns:
        TabularBandit; contexts count by their comparisons. Items whose strength the data do not determine are left out.

    Raises:
        ValueError: the file cannot be fitted, or its prompts have different numbers of answers.

    >>> table = {"chosen": ["a", "a", "b"], "rejected": ["b", "b", "a"]}
    >>> round(float(np.ptp(bandit_from(table).reward)), 4)
    0.6931
    """
    from dpo_theory.fitting import fit

    found = fit(source, beta=1.0, pool=pool, drop_undetermined=True, **options)
    whole = [context for context in found.by_context if context.exists]
    sizes = sorted({context.size for context in whole})
    if len(sizes) > 1:
        raise ValueError(
            f"the prompts of {found.source} have {sizes[0]} to {sizes[-1]} answers, expected the same number. "
            "Pass --pool (pool=True) to merge them, or keep prompts of one size."
        )
    weight = np.array([context.observations for context in whole], dtype=float)
    log_ref = np.stack([found.log_ref[context.rows] for context in whole])
    log_ref = log_ref - np.logaddexp.reduce(log_ref, axis=1, keepdims=True)
    return TabularBandit(weight / weight.sum(), np.stack([found.strengths[context.rows] for context in whole]), log_ref, 1.0)
