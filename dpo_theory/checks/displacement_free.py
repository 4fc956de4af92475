"""A step never lowers the chosen answer's probability, whatever the features.

Three answers with one shared parameter, logits t phi: gradient descent on one pair does not decrease log pi(y_w|x).
"""

from itertools import product

import numpy as np

from bandits.data import PairLogProbs
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.witness import witness

FEATURES = [phi for phi in product(range(-2, 4), repeat=3) if phi[0] != phi[1]]
SKEWED = [(0, n, -n - 1) for n in (30, 300, 3000)]  # the step barely moves the chosen answer, and moves the rejected one far


def run(subject, rng):
    seen = 0
    for start in (0.0, 1.0):
        features = sorted(FEATURES, key=lambda f: sum(map(abs, f))) + (SKEWED if start == 0.0 else [])
        phi = np.array(features, dtype=float)
        log_policy = start * phi - np.logaddexp.reduce(start * phi, axis=-1, keepdims=True)
        centred = phi - np.sum(np.exp(log_policy) * phi, axis=-1, keepdims=True)
        ref = np.full(len(phi), np.log(1 / 3))
        lengths = np.full(len(phi), 4.0)
        pairs = PairLogProbs(log_policy[:, 0], log_policy[:, 1], ref, ref, lengths, lengths)
        slopes = subject.gradients(pairs)
        speed = -centred[:, 0] * (slopes[:, 0] * centred[:, 0] + slopes[:, 1] * centred[:, 1])
        seen += len(phi)
        bad = speed < -subject.tolerance(1e-12) * (1 + np.abs(slopes[:, :2]).max(axis=1)) * (1 + np.abs(centred[:, 1]))
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            one = PairLogProbs(*(None if c is None else c[k : k + 1] for c in pairs))
            shown = tuple(int(v) for v in phi[k])
            because = f"features {shown} of (chosen, rejected, other), parameter {start:g}: both move, and chosen falls"
            return refuted(witness(subject, one, "d log pi_w / dt >= 0", float(speed[k]), because), instances=seen)
    return holds(seen, 0.0, 0.0, method="integer features in [-2, 3] of three answers, and skewed ones")


CHECK = Check(
    code="P20",
    name="displacement-free",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="add a term in log pi(y_w|x), or watch the chosen log-probability",
)
