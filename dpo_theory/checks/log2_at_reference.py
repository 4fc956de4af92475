"""At pi = pi_ref the loss is log 2.

Necessary and weak: zero gradients, a wrong beta and a wrong sign all pass.
"""

import numpy as np
import sympy as sp

from dpo_theory.checks.check import Check
from dpo_theory.checks.deciding import identity


def sides(loss, pairs):
    symbolic = isinstance(pairs.policy_chosen, sp.Expr)
    return loss(pairs._replace(ref_chosen=pairs.policy_chosen, ref_rejected=pairs.policy_rejected)), sp.log(2) if symbolic else np.log(2.0)


def run(subject, rng):
    return identity(
        subject,
        sides,
        rng,
        "the value at the reference is not log 2",
        show="loss(pairs._replace(ref_chosen=pairs.policy_chosen, ref_rejected=pairs.policy_rejected))",
    )


CHECK = Check(
    code="P01",
    name="log2-at-reference",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="subtract the reference's log-probabilities, and divide by nothing",
)
