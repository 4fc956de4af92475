"""beta multiplies the log-ratios and does nothing else.

The loss at k beta is the loss at beta of k times the log-ratios.
"""

import sympy as sp

from dpo_theory.checks.batches import small, wide
from dpo_theory.checks.check import Check, not_applicable, proved
from dpo_theory.checks.deciding import decimal, identity
from dpo_theory.proof import is_zero

FACTORS = (2.0, 0.5)


def run(subject, rng):
    beta = subject.parameters.get("beta")
    if subject.rebuild is None or not isinstance(beta, int | float):
        return not_applicable("the loss has no option beta that can be changed")
    for k in FACTORS:
        other = subject.rebuild("beta", k * beta)

        def sides(loss, pairs, k=k, other=other):
            scaled = pairs._replace(
                policy_chosen=pairs.ref_chosen + k * (pairs.policy_chosen - pairs.ref_chosen),
                policy_rejected=pairs.ref_rejected + k * (pairs.policy_rejected - pairs.ref_rejected),
            )
            return loss(scaled), other.values(pairs)

        finding = identity(_numbers(subject), sides, rng, f"{k} beta is not {k} times the log-ratios", batches=(small(), wide(rng)))
        if not finding.verdict.holds:
            return finding
    return proved("l(beta, m) is a function of beta m") if _by_symbol(subject) else finding


def _numbers(subject):
    """The same subject without its expression: `identity` compares two losses here."""
    from dataclasses import replace

    from dpo_theory.reading import Reading

    plain = replace(subject)
    plain.__dict__["reading"] = Reading(None, (), (), opaque="beta is an option, not a symbol")
    return plain


def _by_symbol(subject):
    """Rebuild with a symbolic beta where the loss admits one."""
    beta, k, m = sp.symbols("beta k m", positive=True)
    try:
        made = type(subject.loss)(**{**subject.parameters, "beta": beta})
        from bandits.data import PairLogProbs

        one = made(PairLogProbs(k * m, sp.S.Zero, sp.S.Zero, sp.S.Zero))
        two = type(subject.loss)(**{**subject.parameters, "beta": k * beta})(PairLogProbs(m, sp.S.Zero, sp.S.Zero, sp.S.Zero))
        return subject.margin_expression is not None and is_zero(decimal(one - two))
    except Exception:  # it does not take symbols
        return False


CHECK = Check(
    code="P07",
    name="scales-with-beta",
    statement=__doc__,
    kind="property",
    run=run,
    remedy="multiply the margin by beta, once",
)
