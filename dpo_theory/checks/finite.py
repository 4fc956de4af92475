"""Value and gradient are finite.

At margins from 0 to 1e4 of both signs, at log-probabilities from -1e4 to -1e-12, in float64, float32 and (torch) bfloat16.
"""

import numpy as np

from dpo_theory.checks.batches import extreme, take, wide
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.witness import slopes_shown, witness

DTYPES = {"torch": ("float64", "float32", "bfloat16"), "numpy": ("float64", "float32")}


def run(subject, rng):
    seen = 0
    for pairs in (extreme(), subject.some(wide(rng))):
        for dtype in DTYPES[subject.backend]:
            values = subject.values(pairs, dtype)
            slopes = subject.gradients(pairs, dtype) if subject.backend == "torch" else np.zeros((len(values), 1))
            for what, bad in (("value", ~np.isfinite(values)), ("gradient", ~np.isfinite(slopes).all(axis=-1))):
                if bad.any():
                    k = int(np.flatnonzero(bad)[0])
                    one = take(pairs, slice(k, k + 1))
                    got = values[k] if what == "value" else slopes[k]
                    because = f"the {what} is not finite in {dtype}: log(sigmoid), log(p + eps), or both branches of a where"
                    show = "loss(pairs)" if what == "value" else slopes_shown(subject)
                    shown = witness(
                        subject, one, f"a finite {what}", got, because, show, dtype if subject.backend == "torch" else "float64"
                    )
                    return refuted(shown, instances=seen + k + 1)
            seen += len(values)
    return holds(seen, 0.0, 0.0, method="finite in " + ", ".join(DTYPES[subject.backend]))


CHECK = Check(
    code="C01",
    name="finite",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="write the loss with -logsigmoid(-x) or logaddexp; use log1mexp for log(1 - p)",
)
