r"""The DPO-RLHF difference is the sum of four terms, and theory says when each of them vanishes.

J at the optimum minus J of the trained policy is beta KL(pi || pi*). Its terms run along a ladder of policies: the optimum, the
best of the class, the class's DPO policy told all pairs exactly (misspecification), told the design exactly (coverage), told n
comparisons (statistical), after T steps of gradient descent (optimisation).

Misspecification is 0 in a table; elsewhere both of its parts, what the class lacks and what DPO misses within it, are >= 0.
Coverage is 0 in a table whose comparisons connect all answers; one answer never compared keeps its log-ratio while those compared are
centred on their mean. n times the statistical term tends to tr(C Sigma) / (2 beta) in a table. With steps of 1/L, L the loss's
smoothness, the loss is within |theta^|^2 / (2 length T) of its least, so that the last term vanishes; it may be negative: stopping
early can help. So may coverage and statistical terms, in a class that lacks the optimum.

Why: claims D22 (J differs by beta KL), D07b and D08 (DPO is RLHF in a table), E12 (parametric classes), D07d (the loss is convex).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from bandits.experiments.gap import TERMS, design_of
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Estimated, Prediction
from dpo_theory.predictions.shelf import losses

CONNECTED = ("all pairs", "chain")


def judge(records: Records):
    """The sum, each term where it vanishes or is known, and how fast the others do."""
    gaps = _complete(records)
    total = _totals(records, gaps)
    yield Measured("the terms sum to beta KL(pi || pi*)", _sum(gaps, TERMS), total, 1.0, 1e-10)
    yield Measured("J* - J is beta KL(pi || pi*)", gaps.column("total"), total, 1.0, 1e-10)
    table, features = (gaps.where(**{"class": kind}) for kind in ("table", "features"))
    yield Measured("a table has no misspecification", table.column("misspecification"), 0.0, tolerance=1e-9)
    for name, what in (("class_term", "what the class lacks"), ("objective_term", "what DPO misses in the class")):
        yield Measured(f"{what} is at least 0", -features.column(name), 0.0, 1.0, 1e-10, "<=")
    yield Measured("all pairs leave no coverage term", gaps.where(design="all pairs").column("coverage"), 0.0, tolerance=1e-10)
    connected = [name for name in CONNECTED if name in gaps.values("design")]
    for design in connected:
        yield Measured(
            f"nor does any connected design in a table ({design})", table.where(design=design).column("coverage"), 0.0, 1.0, 1e-9
        )
    cut = table.where(design="one never compared", steps=min(gaps.values("steps")), n=min(gaps.values("n")))
    if len(cut):
        yield Measured("one never compared, in a table: the term by formula", cut.column("coverage"), _uncovered(records, cut), 1.0, 1e-9)
    yield Measured("DPO policies meet the score equations of the exact population", _scores(records), 0.0, tolerance=1e-9)
    yield Measured("the best of the class is stationary", _slopes(records), 0.0, tolerance=1e-7)
    late = gaps.where(steps=tuple(steps for steps in gaps.values("steps") if steps > 0))
    bound = late.column("away") / (2 * late.column("length") * late.column("steps"))
    yield Measured("the loss after T steps is within the bound of descent", late.column("excess"), bound, 1.0, 1e-13, "<=")
    for design in connected:
        yield _rate(records, gaps, design, f"n x statistical term / limit ({design})", 1.0)


def wrong(records: Records):
    """DPO and RLHF agree in every class; coverage never matters; three terms suffice; three times the limit."""
    gaps = _complete(records)
    yield Measured("DPO is RLHF in every class", gaps.where(**{"class": "features"}).column("objective_term"), 0.0, tolerance=1e-6)
    cut = gaps.where(**{"class": "table"}, design="one never compared")
    if len(cut):
        yield Measured("an answer never compared costs nothing", cut.column("coverage"), 0.0, tolerance=1e-6)
    uncovered = set(gaps.values("design")) - {"all pairs"}
    for left_out in TERMS if uncovered else [name for name in TERMS if name != "coverage"]:
        kept = _sum(gaps, [name for name in TERMS if name != left_out])
        yield Measured(f"the other three sum to it, without the {left_out} term", kept, gaps.column("total"), 1.0, 1e-10)
    yield _rate(records, gaps, "all pairs", "n x statistical term reaches three times the limit", 3.0)


def _complete(records: Records) -> Records:
    """The gaps of which every term is known."""
    gaps = records.where(kind="gap")
    return Records(gaps.header, tuple(row for row in gaps if row["statistical"] is not None))


def _sum(gaps: Records, terms):
    return sum(gaps.column(name) for name in terms)


def _problems(records: Records):
    return {row["seed"]: {name: np.array(row[name]) for name in ("reward", "log_ref", "features")} for row in records.where(kind="problem")}


def _optima(records: Records):
    beta = records.header["settings"]["beta"]
    return {seed: optimal.optimal_log_policy(told["reward"], told["log_ref"], beta) for seed, told in _problems(records).items()}


def _totals(records: Records, gaps: Records):
    """beta KL(pi || pi*) of every trained policy."""
    best = _optima(records)
    policies = np.array([row["log_policy"] for row in gaps])
    return records.header["settings"]["beta"] * optimal.kl_divergence(policies, np.array([best[row["seed"]] for row in gaps]))


def _uncovered(records: Records, cut: Records):
    """beta KL to pi* of the policy with r/beta, centred on the compared answers, as log-ratio, and 0 for the last answer."""
    problems, best, beta, found = _problems(records), _optima(records), records.header["settings"]["beta"], []
    for row in cut:
        told = problems[row["seed"]]
        ratio = told["reward"] / beta
        ratio = np.append((ratio - ratio[:-1].mean())[:-1], 0.0)
        policy = optimal.optimal_log_policy(ratio, told["log_ref"], 1.0)
        found.append(beta * float(optimal.kl_divergence(policy, best[row["seed"]])))
    return np.array(found)


def _scores(records: Records):
    """Mean over the design of (P(i beats j) - s(beta margin)) (phi_i - phi_j) at the exact DPO policies."""
    problems, beta, found = _problems(records), records.header["settings"]["beta"], []
    for row in records.where(kind="policy", stage=("all pairs", "design")):
        told = problems[row["seed"]]
        ratio = np.array(row["log_policy"]) - told["log_ref"]
        design = design_of("all pairs" if row["stage"] == "all pairs" else row["design"], len(ratio))[0]
        features = np.eye(len(ratio)) if row["class"] == "table" else told["features"]
        gap = told["reward"][:, None] - told["reward"][None, :]
        margin = beta * (ratio[:, None] - ratio[None, :])
        pull = design * (1 / (1 + np.exp(-gap)) - 1 / (1 + np.exp(-margin)))
        found.append(np.abs(pull.sum(axis=1) @ features - pull.sum(axis=0) @ features).max())
    return np.array(found)


def _slopes(records: Records):
    """Largest derivative of J in theta at the best policy of the class: Cov_pi(r - beta log pi/pi_ref, features)."""
    problems, beta, found = _problems(records), records.header["settings"]["beta"], []
    for row in records.where(kind="policy", stage="best in class"):
        told = problems[row["seed"]]
        log_policy = np.array(row["log_policy"])
        gain = told["reward"] - beta * (log_policy - told["log_ref"])
        features = np.eye(len(gain)) if row["class"] == "table" else told["features"]
        policy = np.exp(log_policy)
        found.append(np.abs((policy * (gain - policy @ gain)) @ features).max())
    return np.array(found)


def _rate(records: Records, gaps: Records, design: str, what: str, expected: float) -> Estimated:
    """The mean over seeds of n times the statistical term over its limit in a table, at the largest n.

    In the limit it is a quadratic form in a normal vector, so that its variance is known: a sample's own would be too small whenever
    the sample misses the long right tail.
    """
    problems, beta = _problems(records), records.header["settings"]["beta"]
    best, n = _optima(records), max(gaps.values("n"))
    found, spread = [], []
    for row in gaps.where(**{"class": "table"}, design=design, n=n, steps=min(gaps.values("steps"))):
        reward, policy = problems[row["seed"]]["reward"], np.exp(best[row["seed"]])
        gap = reward[:, None] - reward[None, :]
        weight = 2 * design_of(design, len(reward))[0] * np.exp(-np.logaddexp(0, gap) - np.logaddexp(0, -gap))
        np.fill_diagonal(weight, 0.0)
        information = np.diag(weight.sum(axis=1)) - weight
        shape = np.diag(policy) - np.outer(policy, policy)
        form = shape @ np.linalg.pinv(information)
        found.append(n * row["statistical"] / (np.trace(form) / (2 * beta)))
        spread.append(2 * np.trace(form @ form) / np.trace(form) ** 2)
    error = float(np.sqrt(np.sum(spread))) / len(found)
    return Estimated(what, float(np.mean(found)), expected, error, len(found), detects=0.6)


PREDICTION = Prediction(
    study="gap",
    statement=__doc__,
    source=Source(PAPER, "section 4; the decomposition is derived here"),
    claims=("D22", "D07b", "D08", "E12", "D07d"),
    judge=judge,
    wrong=wrong,
    losses=lambda: losses(("dpo",)),
)
