"""Every option changes the number somewhere.

Or the shape of what is returned. An option that is accepted and ignored is worse than one that is refused.
"""

import dataclasses
import typing

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
    untried, ignored, conventions = [], [], _conventions(subject.loss)
    for name, value in subject.parameters.items():
        tried, changed, first = False, False, (None, subject)
        for other in _tried(subject.loss, name, value, conventions.get(name)):
            try:
                rebuilt = subject.rebuild(name, other)
                after = [rebuilt.values(pairs) for pairs in batches]
            except (ValueError, TypeError, LossFailed):
                continue
            changed = _shape(rebuilt) != shape or _differ(before, after)
            changed = changed or ((not tried or not hasattr(rebuilt.loss, "choices")) and _matters_elsewhere(subject, name, other, batches))
            first = (other, rebuilt) if not tried else first
            tried = True
            if changed:
                break
        if tried and not changed and not getattr(first[1].loss, "said", ()):  # a loss that warns of it is not silent
            ignored.append((name, value, *first))
        if not tried:
            untried.append(name)
    if ignored:
        return refuted(_witness(subject, take(batches[0], slice(0, 1)), ignored))
    if untried:
        return undecided(f"no other value of {', '.join(untried)} could be made")
    return holds(len(subject.parameters), 0.0, 0.0, method="options changed: " + ", ".join(subject.parameters))


def _differ(before, after):
    return any(not np.allclose(a, b, rtol=1e-12, atol=0.0, equal_nan=True) for a, b in zip(after, before, strict=True))


def _matters_elsewhere(subject, name, other, batches):
    """An option may say how a term is made that another option leaves out: it has an effect at another value of that one."""
    moves = 1 if hasattr(subject.loss, "choices") else None
    for option, value in subject.parameters.items():
        for moved in () if option == name else _tried(subject.loss, option, value, None)[:moves]:
            try:
                there = subject.rebuild(option, moved)
                if _differ([there.values(p) for p in batches], [there.rebuild(name, other).values(p) for p in batches]):
                    return True
            except (ValueError, TypeError, LossFailed):
                continue
    return False


def _shape(subject):
    """What else an option may change: the reduction, the precision, what is returned beside the losses."""
    returned = subject.call(subject.inputs(take(small(), [1, 7, 30])))
    beside = len(returned) if isinstance(returned, tuple | list | dict) else None
    return subject.reduction, subject.epsilon, type(returned).__name__, beside


def _witness(subject, pairs, ignored):
    same = ", ".join(f"{name}={value!r} and {name}={other!r}" for name, value, other, _ in ignored)
    names = ", ".join(name for name, *_ in ignored)
    what = "option is" if len(ignored) == 1 else "options are"
    because = f"{same} give the same numbers everywhere: the {what} ignored"
    found = witness(subject, pairs, f"{names} {'has' if len(ignored) == 1 else 'have'} an effect", "no effect", because)
    if not hasattr(subject.loss, "code"):
        return found
    plain = subject.loss.code().splitlines()
    changed = [line for line in ignored[0][3].loss.code().splitlines() if line not in plain]
    code = "\n".join([found.reproduce, f"# with {ignored[0][0]}={ignored[0][2]!r}", *changed, "print(loss(pairs))"])
    return dataclasses.replace(found, reproduce=code)


def _conventions(loss):
    """The annotations of a loss's options: a Literal names the other conventions."""
    try:
        return typing.get_type_hints(type(loss))
    except (NameError, TypeError):
        return {}


def _tried(loss, name, value, annotation):
    """Other values of an option; two, where the loss says itself which there are."""
    choices = getattr(loss, "choices", None)
    others = [o for o in (choices or {}).get(name) or _others(value, annotation) if o != value]
    return others if choices is None or choices.get(name) else others[:2]


def _others(value, annotation):
    if typing.get_origin(annotation) is typing.Literal:
        return tuple(other for other in typing.get_args(annotation) if other != value)
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
