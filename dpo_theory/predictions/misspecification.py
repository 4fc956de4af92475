r"""In a class that misses the optimum DPO is a projection weighted by the design, and can be worse than the reference.

Policies proportional to pi_ref exp(theta.phi). DPO's theta solves sum_ij w_ij (s(beta theta.(phi_i - phi_j)) - p_ij)(phi_i - phi_j) = 0,
the KL projection of the preferences under the weights w of the design; RLHF's solves Cov_pi(phi, r - beta log pi/pi_ref) = 0 and does
not see the design. DPO's policy is RLHF's with the reward of greatest likelihood in the class theta.phi. On three answers with
phi = (1, 0, -1) and r = (0, 1, -10), weight w on the pair (1, 2) and (1 - w)/2 on the others, theta is negative for

    w > w* = g / (g + 1/2 - p_12),    g = ((2 p_13 - 1) + (p_23 - 1/2)) / 2 - the reward of DPO is then below the reference's

and its order of the answers is the reverse of that of the best linear policy, for every loss whose slope at the reference is the same
for each pair, IPO among them. One logit for prompts with gaps d: s(beta theta) is the
mean of s(d) for DPO, beta theta the mean of d for RLHF.

Why: claims C6 (shared logits), E12 (nothing is claimed of parametric classes), D21 (the equivalence is tabular).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims.claim import Measured, Source
from dpo_theory.predictions.prediction import Prediction
from dpo_theory.predictions.shelf import losses

BEST = "best linear policy"


def judge(records: Records):
    """The projection, its dependence on the design, the reversal, the loss of reward, and the aggregation over prompts."""
    line, beta = records.where(kind="line"), records.header["settings"]["beta"]
    dpo, best, reward_class = (line.where(method=name) for name in ("dpo", BEST, "linear reward"))
    expected = [_projection(records, row["w"]) for row in dpo]
    yield Measured("dpo on the line: theta of the weighted projection", dpo.column("theta"), expected, tolerance=1e-8)
    for row in records.where(kind="turn"):
        what = f"{row['method']} on the line: the weight at which its order reverses"
        yield Measured(what, np.nan if row["w"] is None else row["w"], _turn(records), tolerance=1e-9)
    late, early = ([row["reward_gain"] for row in dpo if (row["w"] > _turn(records)) is side] for side in (True, False))
    yield Measured("dpo on the line: beyond it, less reward than the reference", late, 0.0, relation="<")
    yield Measured("dpo on the line: before it, more", 0.0, early, relation="<")
    yield Measured("linear reward, any policy: dpo's theta", reward_class.column("theta"), dpo.column("theta"), tolerance=1e-8)
    yield Measured("and dpo's policy", reward_class.column("gain"), dpo.column("gain"), tolerance=1e-8)
    slopes = [_slope(row["theta"], _line(records), beta) for row in best]
    yield Measured("best linear policy: its slope is 0 and its order the other one", slopes, 0.0, tolerance=1e-8)
    yield Measured("whatever the design, theta > 0", 0.0, best.column("theta"), relation="<")
    told = {row["method"]: row["theta"] for row in records.where(kind="prompts")}
    gaps = np.array(records.header["settings"]["gaps"])
    win = (1 / (1 + np.exp(-gaps))).mean()
    yield Measured("one logit for all prompts, dpo: the mean of probabilities", beta * told["dpo"], np.log(win / (1 - win)), tolerance=1e-8)
    yield Measured("one logit for all prompts, rlhf: the mean of rewards", beta * told[BEST], gaps.mean(), tolerance=1e-7)
    yield Measured("and the two order the answers differently", told["dpo"] * told[BEST], 0.0, relation="<")
    problems, random = _problems(records), records.where(kind="random")
    residual = [_residual(problems[row["seed"]], np.array(row["theta"]), beta) for row in random.where(method="dpo")]
    yield Measured("random problems, dpo: the projection's equations", residual, 0.0, tolerance=1e-9)
    slopes = [_slope(row["theta"], problems[row["seed"]], beta) for row in random.where(method=BEST)]
    yield Measured("random problems, best linear policy: a stationary value", slopes, 0.0, tolerance=1e-7)
    for name in ("dpo", "ipo"):
        mine = random.where(method=name).column("gain")
        yield Measured(
            f"random problems, {name}: not above the best in the class", mine, random.where(method=BEST).column("gain"), 1.0, 1e-9, "<="
        )


def wrong(records: Records):
    """The design does not matter; DPO is never worse than the reference; DPO finds the best policy of the class."""
    dpo = records.where(kind="line", method="dpo")
    yield Measured("dpo on the line: one theta for every design", dpo.column("theta"), dpo.column("theta")[0], tolerance=1e-3)
    yield Measured("dpo on the line: never less reward than the reference", -dpo.column("reward_gain"), 0.0, relation="<=")
    random = records.where(kind="random")
    lost = random.where(method=BEST).column("gain") - random.where(method="dpo").column("gain")
    yield Measured("random problems: dpo is the best in the class", lost, 0.0, tolerance=1e-3)


def _line(records: Records):
    """Features, reward and reference of the three answers."""
    settings = records.header["settings"]
    return np.array(settings["features"], dtype=float)[:, None], np.array(settings["reward"]), np.full(3, -np.log(3.0))


def _win(reward):
    return 1 / (1 + np.exp(reward[None, :] - reward[:, None]))


def _projection(records: Records, w: float) -> float:
    """theta of the weighted projection, by bracketing the one zero of its monotone equation."""
    from scipy.optimize import brentq

    phi, reward, log_ref = _line(records)
    design = np.array([[0, w, (1 - w) / 2], [w, 0, (1 - w) / 2], [(1 - w) / 2, (1 - w) / 2, 0]]) / 2
    beta = records.header["settings"]["beta"]
    return float(brentq(lambda theta: _residual((phi, reward, log_ref, design), np.array([theta]), beta)[0], -50, 50, xtol=1e-14))


def _residual(problem, theta, beta: float):
    """(D,) sum_ij w_ij (s(beta theta.(phi_i - phi_j)) - p_ij)(phi_i - phi_j)."""
    phi, reward, _, design = problem
    steps = phi[:, None, :] - phi[None, :, :]
    model = 1 / (1 + np.exp(-beta * steps @ theta))
    return np.einsum("ij,ij,ijd->d", design, model - _win(reward), steps)


def _turn(records: Records) -> float:
    """The weight at which theta = 0 solves the projection's equation, which is linear in the weight."""
    phi, reward, _ = _line(records)
    pull = (0.5 - _win(reward)) * (phi - phi.T)
    first, others = pull[0, 1], (pull[0, 2] + pull[1, 2]) / 2
    return float(others / (others - first))


def _slope(theta, problem, beta: float):
    """(D,) Cov_pi(phi, r - beta log pi/pi_ref), the slope of the value in theta."""
    phi, reward, log_ref = problem[:3]
    policy = np.exp(optimal.optimal_log_policy((phi @ np.atleast_1d(theta))[None], log_ref[None], 1.0))[0]
    gain = reward - beta * phi @ np.atleast_1d(theta)
    return (policy * (gain - policy @ gain)) @ phi


def _problems(records: Records):
    """Features, reward, reference and design of each seed."""
    return {
        row["seed"]: tuple(np.array(row[name]) for name in ("features", "reward", "log_ref", "design"))
        for row in records.where(kind="problem")
    }


PREDICTION = Prediction(
    study="misspecification",
    statement=__doc__,
    source=Source("arXiv:2510.20413", "DPO as a weighted projection; the instance and its turning weight are derived here"),
    claims=("C6", "E12", "D21"),
    judge=judge,
    wrong=wrong,
    losses=lambda: losses(("dpo", "ipo")),
)
