"""The reference may be detached, the policy may not.

With a reference that carries no gradient the loss still works, and the policy's gradient is the same as with one that does; it
is zero in no column that the value depends on.
"""

import numpy as np

from dpo_theory.checks.batches import take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted
from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.witness import slopes_shown, witness


def run(subject, rng):
    if subject.backend != "torch" or subject.style == "logps-no-reference":
        return not_applicable("there is no graph, or no reference")
    tolerance = subject.tolerance(1e-10)
    pairs = wide(rng, 64)
    alone, both = (_policy_gradient(subject, pairs, reference) for reference in (False, True))
    error = np.abs(alone - both) / np.maximum(1.0, np.abs(both))
    if not np.max(error) <= tolerance:
        k = int(np.flatnonzero(~(error <= tolerance).all(axis=-1))[0])
        because = "the policy's gradient depends on whether the reference carries one"
        return refuted(witness(subject, take(pairs, slice(k, k + 1)), both[k], alone[k], because, slopes_shown(subject)))
    return holds(len(both), float(np.max(error)), tolerance, method="reference with and without a graph")


def _policy_gradient(subject, pairs, reference):
    """(N, 2) of the sum, with or without a graph on the reference."""
    import torch

    columns = subject.inputs(pairs, grad=False)
    policy = [columns[0].requires_grad_(True), columns[1].requires_grad_(True)]
    fixed = [columns[2].requires_grad_(reference), columns[3].requires_grad_(reference)]
    try:
        value = subject.losses(
            columns._replace(policy_chosen=policy[0], policy_rejected=policy[1], ref_chosen=fixed[0], ref_rejected=fixed[1])
        )
    except Exception as error:
        raise LossFailed(f"raised {type(error).__name__} with a reference that carries no gradient: {error}") from None
    if not value.requires_grad:
        raise LossFailed("has no gradient in the policy's log-probabilities")
    found = torch.autograd.grad(value.sum(), policy, allow_unused=True)
    return np.stack([np.zeros(len(columns[0])) if g is None else g.double().numpy() for g in found], axis=-1)


CHECK = Check(
    code="C10",
    name="reference-detached",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="detach the reference, never the policy",
)
