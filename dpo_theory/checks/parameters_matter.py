"""Every option changes the number somewhere.

Or the shape of what is returned. An option that is accepted and ignored is worse than one that is refused.
"""

import numpy as np

from dpo_theory.checks.batches import small, take, wide
from dpo_theory.checks.check import Check, holds, not_applicable, refuted, undecided
from dpo_theory.checks.subject import LossFailed
from dpo_theory.checks.witness import witness


def run(subject, rng):
    if subject.rebuild is None or not subject.parameters:
        return not_applicable("no option can be changed from outside")
    batches = (small(), wide(rng))
    before, shape = [subject.values(pairs) for pairs in batches], _shape(subject)
    untried = []
    for name, value in subject.parameters.items():
        tried = changed = False
        for other in _others(value):
            try:
                rebuilt = subject.rebuild(name, other)
                after = [rebuilt.values(pairs) for pairs in batches]
            except (ValueError, TypeError, LossFailed):
                continue
            tried = True
            changed = _shape(rebuilt) != shape or any(
                not np.allclose(a, b, rtol=1e-12, atol=0.0, equal_nan=True) for a, b in zip(after, before, strict=True)
            )
            if changed:
                break
        if tried and not changed:
            because = f"{name}={value!r} and {name}={other!r} give the same numbers everywhere: the option is ignored"
            return refuted(witness(subject, take(batches[0], slice(0, 1)), f"{name} has an effect", "no effect", because))
        if not tried:
            untried.append(name)
    if untried:
        return undecided(f"no other value of {', '.join(untried)} could be made")
    return holds(len(subject.parameters), 0.0, 0.0, method="options changed: " + ", ".join(subject.parameters))


def _shape(subject):
    """What else an option may change: the reduction, the precision, what is returned beside the losses."""
    returned = subject.call(subject.inputs(take(small(), [1, 7, 30])))
    beside = len(returned) if isinstance(returned, tuple | list | dict) else None
    return subject.reduction, subject.epsilon, type(returned).__name__, beside


def _others(value):
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value * 1.5 + 0.1, value / 2 + 0.05, value + 1, 0.25, 0.0)
    if value is None:
        return (1, 0.3)
    return ()


CHECK = Check(
    code="C05",
    name="parameters-matter",
    statement=__doc__,
    kind="contract",
    run=run,
    remedy="use the option, or refuse it with a ValueError",
)
