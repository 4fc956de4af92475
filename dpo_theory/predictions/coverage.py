r"""Where no pair looks, DPO's mass is decided by where training starts, not by the loss.

Call answers connected by compared pairs a group. The population loss fixes the policy within each group, where it is the optimum's,
and is constant in the groups' masses. The minimiser that stays nearest to the reference keeps its masses; gradient descent on logits
from the reference conserves the sum of the log-ratios over each group, and so comes to rest at

    pi(y) proportional to pi_ref(y) exp((r(y) - mean of r over y's group) / beta),

which is RLHF with a reward that was trained from 0. With one group every answer is the optimum; with more there is no reward of
greatest likelihood, and the regret of the first kind is beta KL(pi_ref || pi*) between the groups' masses.

Why: claims D07b (needs a connected design), E10 (no explicit KL), E13 (its weights do not matter), D15 (constants of the reward).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import losses, methods

PIECES = ("two groups", "worst missing", "best missing")
WHOLE = ("every pair", "one chain")


def judge(records: Records):
    """Within groups, between groups, along the descent, and what it costs."""
    policies = records.where(kind="policy")
    dpo = policies.where(method="dpo")
    found = _policies(dpo)
    tables = _tables(records, dpo)
    best = np.array([table.best for table in tables])
    yield Measured("dpo: within each group the optimum's law, nats", _within(found, tables), _within(best, tables), tolerance=1e-8)
    masses, reference = _masses(found, tables), _masses([table.log_ref for table in tables], tables)
    yield Measured("dpo: each group has the reference's mass", masses, reference, tolerance=1e-9)
    ipo = policies.where(method="ipo")
    tables_ipo = _tables(records, ipo)
    reference = _masses([table.log_ref for table in tables_ipo], tables_ipo)
    yield Measured("ipo: and so it is with another loss of the margin", _masses(_policies(ipo), tables_ipo), reference, tolerance=1e-9)
    levels = records.where(kind="level")
    spread = np.array([group.error for group in levels.means("loss", "cover", "seed", "method")])
    yield Measured("the loss does not see the groups' masses", spread, 0.0, tolerance=1e-12)
    trained = policies.where(method="dpo, descended")
    tables_trained = _tables(records, trained)
    by_group = np.array([table.descended for table in tables_trained])
    yield Measured("dpo, descended: log-ratios sum to 0 over each group, nats", _policies(trained), by_group, tolerance=1e-7)
    cost = [table.beta * float(np.exp(_mass(table.log_ref, table)) @ _gap(table)) for table in tables]
    yield Measured("dpo: regret is beta KL between the groups' masses", dpo.column("regret"), cost, tolerance=1e-9)
    for name in ("dpo", "dpo, descended", "two-stage rlhf"):
        regret = policies.where(method=name, cover=WHOLE).column("regret")
        yield Measured(f"{name}: with one group, the optimum", regret, 0.0, tolerance=1e-9)
    regret = policies.where(method=("dpo", "dpo, descended"), cover=PIECES).column("regret")
    yield Measured("with more groups, a regret", 0.0, regret, relation="<")
    none = np.isnan(policies.where(method="two-stage rlhf", cover=PIECES).column("regret"))
    yield Measured("and no single reward of greatest likelihood", none.mean(), 1.0)
    missing = policies.where(method="preferred-ft", cover=("worst missing", "best missing"))
    unseen = [np.exp(table.at_end(row["log_policy"])) for row, table in zip(missing, _tables(records, missing), strict=True)]
    yield Measured("preferred-ft never gives an answer that no pair shows", unseen, 0.0)


def wrong(records: Records):
    """DPO finds the optimum's masses; training keeps the reference's; a chain of pairs is too little."""
    policies = records.where(kind="policy")
    dpo, trained = policies.where(method="dpo"), policies.where(method="dpo, descended")
    tables = _tables(records, dpo)
    yield Measured("dpo: the optimum, whatever is compared", _policies(dpo), [table.best for table in tables], tolerance=1e-3)
    reference = _masses([table.log_ref for table in tables], tables)
    yield Measured("gradient descent keeps the reference's masses", _masses(_policies(trained), tables), reference, tolerance=1e-3)
    chain = dpo.where(cover="one chain").column("regret")
    yield Measured("a chain of pairs leaves a regret", 1e-6, chain, relation="<")


class _Table:
    """One problem under one cover, and what theory says about it."""

    def __init__(self, row, beta: float) -> None:
        self.beta = beta
        self.reward, self.log_ref, self.groups = (np.array(row[name]) for name in ("reward", "log_ref", "groups"))
        self.cover = row["cover"]
        self.best = optimal.optimal_log_policy(self.reward[None], self.log_ref[None], beta)[0]
        means = np.array([self.reward[self.groups == group].mean() for group in self.groups])
        self.descended = optimal.optimal_log_policy((self.reward - means)[None], self.log_ref[None], beta)[0]

    def at_end(self, log_policy) -> float:
        """The entry of the best or of the worst answer, whichever is missing."""
        at = np.argmax(self.reward) if self.cover == "best missing" else np.argmin(self.reward)
        return float(log_policy[at])


def _tables(records: Records, policies: Records) -> list[_Table]:
    """The table of each policy's problem."""
    beta = records.header["settings"]["beta"]
    known = {(row["seed"], row["cover"]): _Table(row, beta) for row in records.where(kind="problem")}
    return [known[row["seed"], row["cover"]] for row in policies]


def _policies(policies: Records):
    return np.array([row["log_policy"] for row in policies], dtype=float)


def _mass(log_policy, table: _Table):
    """(A,) log-mass of each group, at its first member; -inf at the others."""
    size = len(table.groups)
    inside = table.groups[None, :] == np.arange(size)[:, None]
    with np.errstate(divide="ignore"):
        return np.log((inside * np.exp(log_policy)).sum(axis=1))


def _masses(log_policies, tables):
    return np.array([np.exp(_mass(policy, table)) for policy, table in zip(log_policies, tables, strict=True)])


def _within(log_policies, tables):
    """(M, A) log-probability of each answer within its group."""
    return np.array([policy - _mass(policy, table)[table.groups] for policy, table in zip(log_policies, tables, strict=True)])


def _gap(table: _Table):
    """(A,) log-ratio of the reference's to the optimum's mass of each group."""
    ours, theirs = _mass(table.log_ref, table), _mass(table.best, table)
    held = ours > -np.inf
    return np.where(held, np.where(held, ours, 0.0) - np.where(held, theirs, 0.0), 0.0)


PREDICTION = Prediction(
    study="coverage",
    statement=__doc__,
    source=Source("Song et al. 2024, arXiv:2406.01462", "global coverage; Xu et al. 2024, arXiv:2404.10719, Theorem 4.1"),
    claims=("D07b", "E10", "E13", "D15"),
    judge=judge,
    wrong=wrong,
    methods=lambda: methods(("rlhf", "dpo", "ipo", "two-stage rlhf", "preferred-ft")),
    losses=lambda: losses(("dpo",)),
)
