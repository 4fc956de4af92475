r"""At the optimum the normaliser removes the variance of the policy gradient; at the reference it can add some.

For the single-sample gradient (A - b) grad log pi in the logits, A = r - beta log pi/pi_ref, T = E|grad log pi|^2 and
b* = E[A |grad log pi|^2] / T:

    V(b) - V(0) = T b (b - 2 b*),    V = (beta log Z - b)^2 T at pi*,    V[r + c] with b = 0 is quadratic in c, with beta log Z constant.

The normaliser lowers the variance iff beta log Z lies between 0 and 2 b*. The reward of one answer of the reference is a baseline whose
mean is too low for the normaliser by beta KL(pi_ref || pi*); being random, it adds its variance times T. No baseline moves the mean.

Why: claims D22a (baselines), D22b (zero variance at the optimum), D22c (shifts), D22d (the normaliser can add variance), D23 (one answer of
the reference is biased for the normaliser).
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from dpo_theory import optimal
from dpo_theory.claims import reinforce
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Prediction, from_sample

SAMPLED = (("none", 0), ("normaliser", 0), ("reference answer", 0), ("none", 1), ("reference answer", 1))


def judge(records: Records):
    """Closed forms, the two ends, the shifts, and the samples."""
    found = records.where(kind="variance")
    expected, size = _closed_form(records, found)
    yield Measured("variance by enumeration is the closed form", found.column("variance"), expected, size, tolerance=1e-9)
    yield Measured("no baseline moves the mean gradient", found.column("bias"), 0.0, np.sqrt(size), tolerance=1e-12)
    yield Measured("at the optimum the normaliser leaves none", _at(found, "normaliser", 1).column("variance"), 0.0, tolerance=1e-15)
    raw = _at(found, "none", 1)
    exact = _at_optimum(records, raw)
    yield Measured("at the optimum without it: (beta log Z)^2 T", raw.column("variance"), exact, 1 + exact, tolerance=1e-9)
    flat = np.array([np.ptp(_at(found, "normaliser", 0).where(seed=seed).column("variance")) for seed in found.values("seed")])
    yield Measured("with the normaliser a shift of the reward changes nothing", flat, 0.0, size.max(), tolerance=1e-12)
    lowers, predicted = _lowers(records)
    yield Measured("on which problems it lowers the variance at the reference", lowers, predicted)
    small = {name: float(records.where(kind="small", shift=0.0, along=0, baseline=name).column("variance")[0]) for name in _LADDER}
    if _is_example(records):
        yield Measured("a problem where it adds variance: none below mean", small["none"], small["mean"], relation="<")
        yield Measured("a problem where it adds variance: mean below normaliser", small["mean"], small["normaliser"], relation="<")
    gap, divergence = _human(records)
    yield Measured("beta log Z minus the mean of one reference answer", gap, divergence, tolerance=1e-9)
    for name, along in SAMPLED:
        mine = _at(found, name, along).where(shift=0.0)
        ratio = mine.column("sampled") / mine.column("variance")
        yield from_sample(f"sampled over exact variance ({name}, {'optimum' if along else 'reference'})", ratio, 1.0, detects=0.1)


def wrong(records: Records):
    """The normaliser always helps; no variance at the optimum without it; one reference answer estimates it; sampled variance doubled."""
    found = records.where(kind="variance", shift=0.0)
    normal, raw = (_at(found, name, 0).column("variance") for name in ("normaliser", "none"))
    yield Measured("the normaliser lowers the variance on every problem", normal, raw, relation="<=")
    yield Measured("at the optimum there is none anyway", _at(found, "none", 1).column("variance"), 0.0, tolerance=1e-6)
    yield Measured("one reference answer has the normaliser's mean", _human(records)[0], 0.0, tolerance=1e-6)
    mine = _at(found, "none", 0)
    yield from_sample("a sampled variance twice as large", mine.column("sampled") / mine.column("variance"), 2.0, detects=0.1)


_LADDER = ("none", "mean", "normaliser")


def _at(records: Records, baseline: str, along: int) -> Records:
    return records.where(baseline=baseline, along=along)


def _problems(records: Records):
    return {row["seed"]: (np.array([row["reward"]]), np.array([row["log_ref"]]), row["beta"]) for row in records.where(kind="problem")}


def _closed_form(records: Records, found: Records):
    """Variance of every record by the closed form, and the size of its terms."""
    problems, known, rows = _problems(records), {}, []
    for row in found:
        place = row["seed"], row["shift"], row["along"]
        if place not in known:
            reward, log_ref, beta = problems[row["seed"]]
            known[place] = _closed_forms(reward + row["shift"], log_ref, beta, row["along"])
        rows.append(known[place][row["baseline"]])
    variance, size = np.transpose(rows)
    return variance, size


def _closed_forms(reward, log_ref, beta: float, along: float) -> dict[str, tuple[float, float]]:
    """Variance and the size of its terms with each baseline, on the way from the reference to the optimum."""
    log_policy = optimal.optimal_log_policy(reward, log_ref, beta / along) if along > 0 else log_ref
    policy, ref, gain = np.exp(log_policy)[0], np.exp(log_ref)[0], (reward - beta * (log_policy - log_ref))[0]
    length = reinforce.score_norm(policy)
    trace, pull, plain = float(policy @ length), float(policy @ (gain * length)), float(reinforce.variance(policy, gain))
    mean = float(ref @ reward[0])
    noise = float(ref @ (reward[0] - mean) ** 2)
    levels = {
        "none": (0.0, 0.0),
        "normaliser": (beta * float(optimal.log_partition(reward, log_ref, beta)[0]), 0.0),
        "mean": (float(policy @ gain), 0.0),
        "best": (pull / trace, 0.0),
        "reference answer": (mean, noise),
    }
    top = float(np.abs(gain).max())
    return {
        name: (plain + level * (level * trace - 2 * pull) + extra * trace, (top + abs(level)) ** 2 + extra)
        for name, (level, extra) in levels.items()
    }


def _at_optimum(records: Records, raw: Records):
    problems, found = _problems(records), []
    for row in raw:
        reward, log_ref, beta = problems[row["seed"]]
        best = np.exp(optimal.optimal_log_policy(reward, log_ref, beta))[0]
        value = row["shift"] + beta * float(optimal.log_partition(reward, log_ref, beta)[0])
        found.append(value**2 * float(best @ (1 - best)))
    return np.array(found)


def _lowers(records: Records):
    """Whether the normaliser's variance is the smaller at the reference, measured and by where beta log Z lies."""
    problems = _problems(records)
    measured = records.where(kind="variance", along=0)
    normal, raw = measured.where(baseline="normaliser"), measured.where(baseline="none")
    lowers = (normal.column("variance") < raw.column("variance")).astype(float)
    predicted = []
    for row in normal:
        reward, log_ref, beta = problems[row["seed"]]
        reward, ref = reward + row["shift"], np.exp(log_ref)[0]
        length = reinforce.score_norm(ref)
        best = float(ref @ (reward[0] * length)) / float(ref @ length)
        value = beta * float(optimal.log_partition(reward, log_ref, beta)[0])
        predicted.append(0 < value < 2 * best or 2 * best < value < 0)
    return lowers, np.array(predicted, dtype=float)


def _human(records: Records):
    """beta log Z, found as the optimum's value, minus the mean of one reference answer; and beta KL(pi_ref || pi*)."""
    problems = _problems(records)
    found = records.where(kind="variance", along=0, shift=0.0)
    gap = found.where(baseline="normaliser").column("level") - found.where(baseline="reference answer").column("level")
    expected = []
    for row in found.where(baseline="normaliser"):
        reward, log_ref, beta = problems[row["seed"]]
        expected.append(beta * float(optimal.kl_divergence(log_ref, optimal.optimal_log_policy(reward, log_ref, beta))[0]))
    return gap, np.array(expected)


def _is_example(records: Records) -> bool:
    """The small problem is the one of claim D22d."""
    told = records.header["settings"]
    return told["reward"] == [1.0, 0.0, -1.0] and told["reference"] == [0.5, 0.3, 0.2] and records.values("beta") == (0.5,)


PREDICTION = Prediction(
    study="actor_critic",
    statement=__doc__,
    source=Source(PAPER, "section 5.2, eq. 10"),
    claims=("D22a", "D22b", "D22c", "D22d", "D23"),
    judge=judge,
    wrong=wrong,
)
