"""(N, 1) does not silently become (N, N).

Columns of shape (N, 1) give N losses, the same as columns of shape (N,), or an error. Where only the reference has the trailing
axis, most code compares every pair with every other; that is reported, not refuted.
"""

import numpy as np

from dpo_theory.checks.batches import small, take
from dpo_theory.checks.check import Check, holds, refuted
from dpo_theory.checks.returned import numeric
from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.witness import witness


def run(subject, rng):
    pairs = take(small(), [1, 7, 30])
    expected = numeric(subject.raw(pairs)[0])
    got = _tried(subject, _columns(pairs, subject.needs))
    if got is not None and (
        got.size != expected.size or not np.allclose(got.reshape(-1), expected.reshape(-1), rtol=subject.tolerance(1e-12))
    ):
        because = "columns of shape (3, 1) give a table of all pairs against all: an axis is added or dropped inside"
        return refuted(witness(subject, pairs, f"an error, or {expected.tolist()}", f"shape {got.shape}: {got}", because))
    mixed = _tried(subject, _columns(pairs, ("ref_chosen", "ref_rejected")))
    silent = mixed is not None and (mixed.size != expected.size or not np.allclose(mixed.reshape(-1), expected.reshape(-1)))
    note = "a reference of shape (N, 1) against a policy of (N,) is broadcast to (N, N) without a word" if silent else ""
    return holds(len(pairs.policy_chosen), 0.0, 0.0, method="columns of shape (N, 1)", reason=note)


def _columns(pairs, fields):
    return pairs._replace(**{field: np.asarray(getattr(pairs, field))[:, None] for field in fields})


def _tried(subject, pairs):
    """What the loss makes of them; None where it refuses."""
    try:
        return numeric(subject.raw(pairs)[0])
    except LossFailed:
        return None


CHECK = Check(
    code="C08",
    name="broadcast-safe",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="require equal shapes before subtracting",
)
