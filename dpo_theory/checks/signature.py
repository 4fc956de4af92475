"""How a loss is called, read from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bandits.data import LabelledLogProbs, PairLogProbs, ScoredLogProbs
from dpo_theory._xp import joined, stacked
from dpo_theory.checks.label import label

__all__ = ["FIELDS", "KNOWN", "RECORDS", "STYLES", "adapt"]

FIELDS = ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected")
STYLES = ("pairs", "logps", "logps-no-reference", "labelled", "scored")
RECORDS = ("pairs", "labelled", "scored")  # called with one record, as the library's own losses are

_NAMES = {
    f"{model}_{answer}": tuple(
        f"{prefix}{answer}{suffix}" for suffix in ("_logps", "_logp", "") for prefix in prefixes if prefix or suffix != "_logp"
    )
    for model, prefixes in (("policy", ("policy_", "pi_", "")), ("ref", ("reference_", "ref_")))
    for answer in ("chosen", "rejected")
}
KNOWN = {name for names in _NAMES.values() for name in names}


def adapt(loss: Any, style: str | None) -> tuple[str, Callable[[PairLogProbs], Any]]:
    """The style of a loss, and the function of PairLogProbs that it is.

    Args:
        loss: a callable.
        style: one of STYLES, or None to read it from the signature.

    Raises:
        ValueError: the signature does not tell, or its names contradict its order.

    >>> adapt(lambda pairs: -pairs.margin, None)[0]
    'pairs'
    """
    takes = getattr(loss, "takes", None)
    if style is None and takes is not None:
        if takes not in _TAKES:
            raise ValueError(f"{label(loss)} takes {takes.__name__}; these checks speak of pair losses.")
        style = _TAKES[takes]
    try:
        signature = inspect.signature(loss.forward if hasattr(loss, "forward") else loss)
        parameters = [p for p in signature.parameters.values() if p.kind in (0, 1, 3)]
        required = [p for p in parameters if p.default is p.empty or p.name.lower() in KNOWN]
    except (TypeError, ValueError):
        required = []
    names = {p.name.lower(): p for p in required}
    mapping = {f: next((names[n].name for n in options if n in names), None) for f, options in _NAMES.items()}
    found = [f for f in FIELDS if mapping[f]]
    if style is None:
        if len(required) == 1:
            style = "pairs"
        elif len(required) >= 4:
            style = "logps"
        elif len(required) == 2 and found == list(FIELDS[:2]):
            style = "logps-no-reference"
        else:
            listed = ", ".join(p.name for p in required) or "no required argument"
            raise ValueError(
                f"{label(loss)}({listed}) is ambiguous: one argument is read as PairLogProbs, four as log-probabilities. "
                f"Pass style= one of {', '.join(STYLES)}."
            )
    if style == "pairs":
        return style, loss
    if style == "labelled":
        return style, _labelled_together(loss) if "batch-coupled" in getattr(loss, "has", ()) else _labelled(loss)
    if style == "scored":
        return style, _scored(loss)
    wanted = FIELDS if style == "logps" else FIELDS[:2]
    if all(mapping[f] and names[str(mapping[f]).lower()].kind != inspect.Parameter.POSITIONAL_ONLY for f in wanted):
        by_name = {f: str(mapping[f]) for f in wanted}
        return style, lambda pairs: loss(**{by_name[f]: getattr(pairs, f) for f in wanted})
    if any([p.name for p in required[k : k + 1]] != [mapping[f]] for k, f in enumerate(FIELDS) if f in found):
        listed = ", ".join(p.name for p in required)
        raise ValueError(
            f"{label(loss)}({listed}) is ambiguous: some names are known, and stand in another order than {', '.join(FIELDS)}. "
            "Pass a function of that order, or of the names that libraries use."
        )
    return style, lambda pairs: loss(*(getattr(pairs, f) for f in wanted))


_TAKES = {PairLogProbs: "pairs", LabelledLogProbs: "labelled", ScoredLogProbs: "scored"}


def _labelled(loss: Any) -> Callable[[PairLogProbs], Any]:
    """A loss of single answers on pairs: the chosen one is desirable, the rejected one is not, the baseline is 0."""

    def call(pairs: PairLogProbs) -> Any:
        chosen = loss(LabelledLogProbs(pairs.policy_chosen, pairs.ref_chosen, True, 0.0))
        return chosen + loss(LabelledLogProbs(pairs.policy_rejected, pairs.ref_rejected, False, 0.0))

    return call


def _labelled_together(loss: Any) -> Callable[[PairLogProbs], Any]:
    """The same for a loss whose answers see each other: all answers are one batch, and the baseline is its own."""

    def call(pairs: PairLogProbs) -> Any:
        policy, ref = joined(pairs.policy_chosen, pairs.policy_rejected), joined(pairs.ref_chosen, pairs.ref_rejected)
        size = len(policy) // 2
        losses = loss(LabelledLogProbs(policy, ref, [True] * size + [False] * size))
        return losses[:size] + losses[size:]

    return call


def _scored(loss: Any) -> Callable[[PairLogProbs], Any]:
    """A loss of scored answers on pairs: the chosen one has reward 1, the rejected one 0."""

    def call(pairs: PairLogProbs) -> Any:
        policy, ref = stacked(pairs.policy_chosen, pairs.policy_rejected), stacked(pairs.ref_chosen, pairs.ref_rejected)
        return loss(ScoredLogProbs(policy, ref, stacked(0 * pairs.ref_chosen + 1, 0 * pairs.ref_chosen)))

    return call
