r"""With shared features DPO and an explicit reward model are one policy on every context, seen or not.

If log pi = log pi_ref + theta phi / beta - log Z and the reward model is theta phi, both fitted to the same comparisons, the two are
one policy everywhere, whether or not the true reward is linear in phi. A table that starts at the reference stays there on unseen
contexts, at a cost of beta KL(pi_ref || pi*). A reward model with other features is another policy there.

Where the reward is linear, n times the regret over any set of contexts tends to tr(F H^-1) / (2 beta), F the mean over these contexts of
Cov(phi) under pi*, H the information per comparison, sum over compared pairs of s'(r_i - r_j) (phi_i - phi_j)(phi_i - phi_j)^T.

Why: claims C5 (unseen prompts), D07c (one likelihood), D22 (J differs by beta KL); the limit is the delta method.
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Estimated, Prediction
from dpo_theory.predictions.shelf import losses

PARTS = ("seen", "unseen")


def judge(records: Records):
    """One policy, the table, and the rate."""
    policies = _known(records)
    for part in PARTS:
        model = policies.where(method="reward model", part=part)
        yield Measured(f"DPO and the reward model's optimum, {part} contexts, nats", model.column("apart"), 0.0, tolerance=1e-8)
    table = policies.where(method="table", part="unseen")
    yield Measured("a table stays at the reference on unseen contexts", table.column("moved"), 0.0, tolerance=1e-14)
    yield Measured("and loses beta KL(pi_ref || pi*)", table.column("regret"), _at_reference(records, table), 1.0, 1e-9)
    other = policies.where(method="reward model, other features", part="unseen")
    yield Measured("other features make another policy", -other.column("apart"), -0.01, relation="<")
    if 0.0 in records.values("misfit"):
        for part in PARTS:
            yield _rate(records, part, f"n x regret / limit, {part} contexts", 1.0)


def wrong(records: Records):
    """Any reward model agrees; a table generalises; three times the limit."""
    policies = _known(records)
    other = policies.where(method="reward model, other features", part="unseen")
    yield Measured("a reward model of other features is the same policy", other.column("apart"), 0.0, tolerance=1e-8)
    table = policies.where(method="table", part="unseen")
    yield Measured("a table gains on unseen contexts", table.column("regret"), _at_reference(records, table) - 1e-6, relation="<")
    if 0.0 in records.values("misfit"):
        yield _rate(records, "unseen", "n x regret reaches three times the limit on unseen contexts", 3.0)


def _known(records: Records) -> Records:
    """The policies that exist."""
    policies = records.where(kind="policy")
    return Records(policies.header, tuple(row for row in policies if row["regret"] is not None))


def _problems(records: Records):
    """(reward, log_ref, features, context_probs) by misfit and seed."""
    names = ("reward", "log_ref", "features", "context_probs")
    return {(row["misfit"], row["seed"]): tuple(np.array(row[name]) for name in names) for row in records.where(kind="problem")}


def _shares(records: Records, context_probs, part: str):
    """(X,) probabilities of the contexts of a part."""
    seen = np.arange(len(context_probs)) < records.header["settings"]["seen"]
    share = np.where(seen if part == "seen" else ~seen, context_probs, 0.0)
    return share / share.sum()


def _at_reference(records: Records, rows: Records):
    """beta KL(pi_ref || pi*) over the part of each row's contexts."""
    beta, problems, found = records.header["settings"]["beta"], _problems(records), []
    for row in rows:
        reward, log_ref, _, context_probs = problems[row["misfit"], row["seed"]]
        best = optimal.optimal_log_policy(reward, log_ref, beta)
        found.append(beta * float(_shares(records, context_probs, row["part"]) @ optimal.kl_divergence(log_ref, best)))
    return np.array(found)


def _rate(records: Records, part: str, what: str, expected: float) -> Estimated:
    """The mean over seeds of n times DPO's regret over its limit, at the largest n, where the reward is linear.

    In the limit the regret is a quadratic form in a normal vector, so that its variance is known: a sample's own would be too small
    whenever the sample misses the long right tail.
    """
    beta, problems, found, spread = records.header["settings"]["beta"], _problems(records), [], []
    n = max(records.values("n"))
    for row in _known(records).where(method="dpo", part=part, n=n, misfit=0.0):
        reward, log_ref, features, context_probs = problems[0.0, row["seed"]]
        policy = np.exp(optimal.optimal_log_policy(reward, log_ref, beta))
        away = features - np.einsum("xa,xad->xd", policy, features)[:, None]
        shape = np.einsum("x,xa,xad,xae->de", _shares(records, context_probs, part), policy, away, away)
        gap = reward[:, :, None] - reward[:, None, :]
        apart = features[:, :, None] - features[:, None, :]
        actions = reward.shape[1]
        drawn = _shares(records, context_probs, "seen") / (actions * (actions - 1))  # each ordered pair of two answers
        weight = drawn[:, None, None] * np.exp(-np.logaddexp(0, gap) - np.logaddexp(0, -gap))
        information = np.einsum("xij,xijd,xije->de", weight, apart, apart)
        form = shape @ np.linalg.inv(information)
        found.append(n * row["regret"] / (np.trace(form) / (2 * beta)))
        spread.append(2 * np.trace(form @ form) / np.trace(form) ** 2)
    error = float(np.sqrt(np.sum(spread))) / len(found)
    return Estimated(what, float(np.mean(found)), expected, error, len(found), detects=0.5)


PREDICTION = Prediction(
    study="generalisation",
    statement=__doc__,
    source=Source(PAPER, "section 7, first question; answer derived here"),
    claims=("C5", "D07c", "D22"),
    judge=judge,
    wrong=wrong,
    losses=lambda: losses(("dpo",)),
)
