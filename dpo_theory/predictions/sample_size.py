r"""n times regret tends to tr(C Sigma) / (2 beta); DPO and two-stage RLHF are one policy on every data set.

C is the covariance of the actions' indicators under the optimal policy, Sigma that of efficient rewards per comparison. An estimate
exists if and only if the wins connect the actions strongly; for three actions, each pair compared m times, there is none with
probability

    sum_i (prod_j p_ij^m + prod_j p_ji^m) - sum over orders i, j, k of (p_ij p_ik p_jk)^m.

Why: claims D08 (consistency), D07c (the same finite-sample answer), E4 (existence is not certain); inclusion and exclusion over the
sets of actions that never lose to the others.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Prediction, from_sample
from dpo_theory.predictions.shelf import methods


def judge(records: Records):
    """The limit, the agreement, and the exact law."""
    samples = records.where(kind="sample")
    both = samples.where(method="two-stage rlhf").column("apart")
    yield Measured("DPO and two-stage RLHF agree on every data set, nats", both[~np.isnan(both)], 0.0, tolerance=1e-8)
    yield from_sample("n x regret / limit at the largest n (dpo)", _ratios(records, "dpo"), 1.0, detects=0.25)
    law = records.where(kind="law", method=("dpo", "two-stage rlhf"))
    yield Measured("P(no estimate), enumerated and by inclusion-exclusion", law.column("none"), _no_estimate(law), tolerance=1e-12)
    yield Measured("the limit of the small problem", law.column("limit"), _small_limit(law), law.column("limit"), tolerance=1e-9)
    for m in records.values("m"):
        exact = law.where(m=m, method="dpo")
        drawn = records.where(kind="draw", m=m, method="dpo")
        chance = exact.rows[0]["none"]
        if 0.01 < chance < 0.99:
            yield from_sample(f"how often there is no estimate, {m} of each pair", drawn.column("none"), chance, detects=0.12)
        regret = drawn.column("regret")
        found = regret[~np.isnan(regret)]
        if len(found) > 100:
            mean = exact.rows[0]["regret"]
            yield from_sample(f"mean regret where there is one, {m} of each pair", found, mean, detects=0.5 * mean)


def wrong(records: Records):
    """A limit twice as large; an estimate that always exists; IPO as the same policy."""
    yield from_sample("n x regret reaches tr(C Sigma) / beta", _ratios(records, "dpo"), 2.0, detects=0.25)
    first = records.where(kind="draw", m=records.values("m")[0], method="dpo")
    yield Measured("there is always an estimate", first.column("none").mean(), 0.0)
    apart = records.where(kind="sample", method="ipo").column("apart")
    yield Measured("IPO is the same policy", apart[~np.isnan(apart)], 0.0, tolerance=1e-8)


def _ratios(records: Records, method: str):
    """n times regret over its limit, one for each seed, at the largest n."""
    limit = {(row["seed"], row["beta"]): row["limit"] for row in records.where(kind="limit")}
    last = records.where(kind="sample", n=max(records.values("n")), method=method)
    return [row["scaled"] / limit[row["seed"], row["beta"]] for row in last if row["scaled"] is not None]


def _no_estimate(records: Records):
    """P(no estimate) of every `law` record, by inclusion and exclusion."""
    reward = np.array(records.header["settings"]["reward"])
    beats = 1 / (1 + np.exp(reward[None, :] - reward[:, None]))
    found = []
    for row in records:
        lifted = beats ** row["m"]
        np.fill_diagonal(lifted, 1.0)
        one_sided = lifted.prod(axis=1).sum() + lifted.prod(axis=0).sum()
        ordered = sum(lifted[i, j] * lifted[i, k] * lifted[j, k] for i, j, k in permutations(range(3)))
        found.append(one_sided - ordered)
    return np.array(found)


def _small_limit(records: Records):
    """tr(C Sigma) / (2 beta) of every `law` record, from the closed form of the optimum and the pseudo-inverse of the information."""
    reward, reference = (np.array(records.header["settings"][name]) for name in ("reward", "reference"))
    found = []
    for row in records:
        best = np.exp(optimal.optimal_log_policy(reward[None], np.log(reference)[None], row["beta"]))[0]
        shape = np.diag(best) - np.outer(best, best)
        gap = reward[None, :] - reward[:, None]
        weight = np.exp(-np.logaddexp(0, gap) - np.logaddexp(0, -gap)) / 3
        np.fill_diagonal(weight, 0.0)
        information = np.diag(weight.sum(axis=1)) - weight
        found.append(np.trace(shape @ np.linalg.pinv(information)) / (2 * row["beta"]))
    return np.array(found)


PREDICTION = Prediction(
    study="sample_size",
    statement=__doc__,
    source=Source(PAPER, "section 4, consistency"),
    claims=("D08", "D07c", "E4"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("dpo", "two-stage rlhf", "ipo", "cdpo")),
)
