r"""Soft self-labels change nothing; hard ones have no minimiser of their own and drive the policy towards its argmax.

Let theta^ be the first fit and z the scaled margins of comparisons that it labels. With labels s(z) theta^ stays the minimiser, at
any weight. Labels sign(z) pull outwards, on average by |z| s(-|z|) > 0; their own loss along c theta^ is the mean of
log(1 + exp(-c |z|)) and tends to 0, so that alone they have no minimiser. The policy of c theta^ is that of theta^ at beta / c. Beside
labelled comparisons, their loss at the joint minimiser falls with their weight. Labels drawn once from s(z) pull by 0 on average,
and add noise.

Why: claims C7 (self-labelling), C14 (c theta is beta / c); the last but one because argmin(L + w M) lowers M as w grows.
"""

from __future__ import annotations

import numpy as np

from bandits.experiments.engine.records import Records
from bandits.experiments.self_labelling import pool_of
from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Measured, Source
from dpo_theory.predictions.prediction import Prediction, from_sample
from dpo_theory.predictions.shelf import losses


def judge(records: Records):
    """What each kind of label does to the fit."""
    fits, alone, labels = (records.where(kind=kind) for kind in ("fit", "alone", "label"))
    size = 1 + max(np.linalg.norm(told["theta"]) for told in _problems(records).values())
    yield Measured("soft labels leave theta, at every weight", fits.where(labels="soft").column("moved"), 0.0, size, 1e-8)
    yield Measured("soft labels alone lead back to it", alone.where(labels="soft").column("moved"), 0.0, size, 1e-8)
    yield Measured("hard labels alone have no minimiser", alone.where(labels="hard").column("exists"), 0.0)
    yield Measured("soft labels do not pull", labels.where(labels="soft").column("radial"), 0.0, tolerance=1e-14)
    pull, loss, kl = _by_formula(records)
    yield Measured("hard labels pull outwards by the mean of |z| s(-|z|)", labels.where(labels="hard").column("radial"), pull, 1.0, 1e-12)
    curve = records.where(kind="curve")
    yield Measured("their loss along c theta", curve.column("own_loss"), loss, 1.0, 1e-12)
    yield Measured("c theta is the policy at beta / c, nats", curve.column("kl"), kl, 1 + np.abs(kl), 1e-10)
    steps, first = _own_losses(records)
    yield Measured("hard labels: their loss falls with their weight", steps[:, 1:], steps[:, :-1], relation="<")
    yield Measured("and is below what it was at the first fit", steps[:, 0], first, relation="<")
    yield from_sample("drawn labels pull by", labels.where(labels="drawn").column("radial"), 0.0, detects=0.05)
    grown = np.log(fits.where(labels="hard", share=max(fits.values("share"))).column("size"))
    yield from_sample("log of the growth of theta with hard labels", grown, 0.0, detects=0.5, relation=">=")


def wrong(records: Records):
    """Hard labels leave theta; they do not pull; one draw is as good as a soft label."""
    fits, labels = records.where(kind="fit"), records.where(kind="label")
    yield Measured("hard labels leave theta", fits.where(labels="hard").column("moved"), 0.0, tolerance=1e-8)
    yield Measured("one draw leaves theta", fits.where(labels="drawn").column("moved"), 0.0, tolerance=1e-8)
    yield from_sample("hard labels pull by 0", labels.where(labels="hard").column("radial"), 0.0, detects=0.05)


def _problems(records: Records):
    """Features, reference and first theta by seed, where there is a first fit."""
    return {
        row["seed"]: {name: np.array(row[name]) for name in ("features", "log_ref", "context_probs", "theta")}
        for row in records.where(kind="problem")
        if row["theta"] is not None
    }


def _margins(records: Records):
    """Scaled margins of the pool under the first fit, by seed."""
    found = {}
    for seed, told in _problems(records).items():
        reward = told["features"] @ told["theta"]
        context, first, second = pool_of(records.header["settings"]["seen"], *reward.shape)
        found[seed] = reward[context, first] - reward[context, second]
    return found


def _by_formula(records: Records):
    """Pull of hard labels for each `label` record; their loss, and the mean KL of the policy at beta / c, for each `curve` record."""
    margins, beta = _margins(records), records.header["settings"]["beta"]
    sizes = {seed: np.abs(margin) for seed, margin in margins.items()}
    rows = records.where(kind="label", labels="hard")
    pull = [float(np.mean(sizes[row["seed"]] * np.exp(-np.logaddexp(0.0, sizes[row["seed"]])))) for row in rows]
    problems, loss, kl = _problems(records), [], []
    for row in records.where(kind="curve"):
        told = problems[row["seed"]]
        loss.append(float(np.mean(np.logaddexp(0.0, -row["factor"] * sizes[row["seed"]]))))
        policy = optimal.optimal_log_policy(told["features"] @ told["theta"], told["log_ref"], beta / row["factor"])
        kl.append(float(told["context_probs"] @ optimal.kl_divergence(policy, told["log_ref"])))
    return np.array(pull), np.array(loss), np.array(kl)


def _own_losses(records: Records):
    """(seeds, shares) loss of the hard labels at the joint fits, shares rising, and (seeds,) at the first fit."""
    rows = records.where(kind="fit", labels="hard")
    shares = sorted(rows.values("share"))
    steps = np.stack([rows.where(share=share).column("own_loss") for share in shares], axis=1)
    margins = _margins(records)
    first = [float(np.mean(np.logaddexp(0.0, -np.abs(margins[seed])))) for seed in rows.values("seed")]
    return steps, np.array(first)


PREDICTION = Prediction(
    study="self_labelling",
    statement=__doc__,
    source=Source(PAPER, "section 7, second question; answer derived here"),
    claims=("C7", "C14"),
    judge=judge,
    wrong=wrong,
    losses=lambda: losses(("dpo",)),
)
