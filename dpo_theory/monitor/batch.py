"""Identities of preference optimisation on one live batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.data import PairLogProbs
from dpo_theory.checks.check import Finding, holds, not_applicable
from dpo_theory.checks.label import label
from dpo_theory.checks.signature import adapt
from dpo_theory.evidence import Report
from dpo_theory.monitor.memory import Memory
from dpo_theory.monitor.row import broken, row, said

__all__ = ["check_batch"]

LOG2 = float(np.log(2.0))
CLOSE = 1e-3  # nats: what half precision and padding leave of an identity between sequence log-probabilities, per nat
COLUMNS = ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected")


@dataclass
class Seen:
    """A batch in NumPy: columns (N,), per-pair losses where there are any, and what the trainer reported."""

    columns: dict[str, NDArray[np.float64]]
    call: Callable[[PairLogProbs], Any]
    pairs: PairLogProbs
    losses: NDArray[np.float64]
    has: frozenset[str]
    step: int | None
    reported: float | None
    rewards: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    margins: NDArray[np.float64] | None
    memory: Memory | None
    ids: Sequence[Hashable] | None

    @property
    def ratios(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log-ratios of chosen and rejected."""
        c = self.columns
        return c["policy_chosen"] - c["ref_chosen"], c["policy_rejected"] - c["ref_rejected"]

    @property
    def scale(self) -> float:
        """The largest log-probability, at least 1 nat."""
        finite = np.concatenate([self.columns[name] for name in COLUMNS])
        return float(max(1.0, np.abs(finite[np.isfinite(finite)]).max(initial=0.0)))


def check_batch(
    pairs: PairLogProbs,
    loss: Callable[..., Any],
    *,
    step: int | None = None,
    reported: float | None = None,
    rewards: tuple[Any, Any] | None = None,
    margins: Any = None,
    memory: Memory | None = None,
    ids: Sequence[Hashable] | None = None,
) -> Report:
    """Test the identities that a batch of preference optimisation must satisfy.

    Args:
        pairs: (N,) policy and reference log-probabilities as the trainer has them, in torch or NumPy; lengths in tokens if known.
        loss: the loss: PairLogProbs -> (N,) or their mean, or f of four log-probabilities.
        step: optimiser steps taken so far; 0 before the first, where the policy is the reference.
        reported: the scalar that the trainer took as the batch's loss.
        rewards: (chosen, rejected) implicit rewards as the trainer logs them, (N,) each.
        margins: (N,) reward margins as the trainer logs them.
        memory: carries reference log-probabilities from batch to batch.
        ids: one name per pair, for `memory`.

    Returns:
        A Report: `identity` rows fail where they are refuted, `note` rows are worth knowing.

    Raises:
        ValueError: columns that are missing, or of unlike length, or ids of another number.

    >>> import numpy as np
    >>> from dpo_theory import DPO
    >>> same = np.array([-20.0, -31.0])
    >>> check_batch(PairLogProbs(same, same - 1, same.copy(), same - 1), DPO(beta=0.1), step=0).passed
    True
    """
    columns = _columns(pairs)
    count = len(columns["policy_chosen"])
    if ids is not None and len(ids) != count:
        raise ValueError(f"ids name {len(ids)} pairs, expected {count}.")
    if memory is not None and ids is None:
        raise ValueError("memory needs ids: one name per pair, the same whenever it comes again.")
    _, call = adapt(loss, None)
    pairs = PairLogProbs(*(np.asarray(column, dtype=float) if isinstance(column, list | tuple) else column for column in pairs))
    both = None if rewards is None else (_column("rewards[0]", rewards[0], count), _column("rewards[1]", rewards[1], count))
    told = None if margins is None else _column("margins", margins, count)
    has = frozenset(getattr(loss, "has", ()))
    rules = (
        (finite, True), (log_probs_negative, True), (reference_apart, True), (first_step, True), (reported_loss, True),
        (rewards_scale, True), (margin_difference, True), (jensen, True), (reference_constant, True), (same_sums, True),
        (length_parity, False), (sums, False),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        seen = Seen(columns, call, pairs, _losses(call(pairs)), has, step, reported, both, told, memory, ids)
        rows = tuple(row(rule.__name__.replace("_", "-"), said(rule), rule(seen), fault=fault) for rule, fault in rules)
    where = "" if step is None else f", step {step}"
    return Report(f"{label(loss)} on {count} pairs{where}", rows, len(rows))


def finite(seen: Seen) -> Finding:
    """Log-probabilities and losses are finite."""
    for name, column in (*seen.columns.items(), ("loss", seen.losses)):
        bad = np.flatnonzero(~np.isfinite(column))
        if len(bad):
            because = "an overflow in half precision, an empty completion divided by its length, or a token that the model forbids"
            return broken(f"{name}, pair {bad[0]}", "a finite number", f"{column[bad[0]]}", because)
    return holds(len(seen.losses), 0.0, 0.0)


def log_probs_negative(seen: Seen) -> Finding:
    """Sequence log-probabilities are at most 0."""
    for name in COLUMNS:
        k = int(np.nanargmax(seen.columns[name]))
        highest = float(seen.columns[name][k])
        if highest > CLOSE:
            because = "a negative log-likelihood with the sign of a loss, or logits that were not normalised"
            return broken(f"{name}, pair {k}", "<= 0", f"{highest:.6g}", because, residual=highest)
    return holds(4 * len(seen.losses), 0.0, CLOSE)


def reference_apart(seen: Seen) -> Finding:
    """The reference is another model than the policy: no shared tensors, no gradient, other values once training has begun."""
    p = seen.pairs
    for policy, reference in (("policy_chosen", "ref_chosen"), ("policy_rejected", "ref_rejected")):
        ours, theirs = getattr(p, policy), getattr(p, reference)
        if ours is theirs or _shared(ours, theirs):
            because = "the reference log-probabilities are those of the policy itself: copy and freeze the reference before training"
            return broken(f"{reference} and {policy}", "two tensors", "one and the same", because)
        if getattr(theirs, "requires_grad", False):
            because = "the reference is differentiated too: compute it under torch.no_grad, or detach it"
            return broken(reference, "no gradient", "requires_grad", because)
    if seen.step:
        chosen, rejected = seen.ratios
        if not np.any(chosen) and not np.any(rejected):
            because = "the reference moves with the policy (same object, or shared weights), or the policy does not move: learning rate 0"
            return broken(f"step {seen.step}", "policy and reference differ", "equal to the last bit", because)
    return holds(len(seen.losses), 0.0, 0.0)


def first_step(seen: Seen) -> Finding:
    """Before the first step the policy is the reference, and the loss is that of equal log-probabilities: log 2 for DPO."""
    if seen.step != 0:
        return not_applicable("not the first step" if seen.step else "the step was not given")
    off = np.maximum(*map(np.abs, seen.ratios))
    k = int(np.argmax(off))
    if off[k] > CLOSE * seen.scale:
        because = (
            "the policy is not the reference before training: another checkpoint, dropout left on, another precision, "
            "or other masks for the two"
        )
        return broken(f"pair {k}", "log-ratios of 0", f"{off[k]:.6g} nats", because, residual=float(off[k]))
    got = seen.reported if seen.reported is not None else float(seen.losses.mean())
    if "log2-at-reference" in seen.has:
        if abs(got - LOG2) > CLOSE * max(1.0, seen.scale):
            return broken("step 0", f"{LOG2:.6g} (log 2)", f"{got:.6g}", _instead(got), residual=abs(got - LOG2))
        return holds(len(seen.losses), abs(got - LOG2), CLOSE * seen.scale, method="the loss is log 2")
    return holds(len(seen.losses), float(off.max()), CLOSE * seen.scale, method=f"the loss is {got:.6g}; log 2 is not declared for it")


def reported_loss(seen: Seen) -> Finding:
    """The trainer's loss is the mean of the loss over the batch."""
    if seen.reported is None:
        return not_applicable("no reported loss was given")
    mean = float(seen.losses.mean())
    off = abs(seen.reported - mean)
    if not off <= CLOSE * max(1.0, abs(mean)):
        ratio = seen.reported / mean if mean else np.inf
        count = len(seen.losses)
        because = f"it is {ratio:.4g} times the mean: " + (
            "the sum over the batch" if abs(ratio - count) < 1e-3 * count else "another loss, weights, a smoothing or a term added"
        )
        return broken("the batch", f"{mean:.6g}", f"{seen.reported:.6g}", because, residual=off)
    return holds(len(seen.losses), off, CLOSE)


def rewards_scale(seen: Seen) -> Finding:
    """Rewards are one positive multiple, beta, of the log-ratios."""
    if seen.rewards is None:
        return not_applicable("no rewards were given")
    ratios, rewards = np.concatenate(seen.ratios), np.concatenate(seen.rewards)
    weight = float(ratios @ ratios)
    if weight < 1e-12:
        return not_applicable("policy and reference are equal here")
    beta = float(ratios @ rewards) / weight
    off = float(np.abs(rewards - beta * ratios).max())
    allowed = CLOSE * max(1.0, float(np.abs(rewards).max()))
    if off > allowed or beta <= 0:
        because = "rewards leave the reference out, are divided by lengths, or have another sign"
        return broken(
            "the batch", "beta * (log pi - log pi_ref), beta > 0", f"best beta {beta:.6g}, off by {off:.3g}", because, residual=off
        )
    return holds(len(rewards), off, allowed, method=f"beta = {beta:.6g}")


def margin_difference(seen: Seen) -> Finding:
    """The margin is the chosen reward less the rejected reward."""
    if seen.rewards is None or seen.margins is None:
        return not_applicable("no rewards and margins were given")
    off = np.abs(seen.margins - (seen.rewards[0] - seen.rewards[1]))
    allowed = CLOSE * max(1.0, float(np.abs(np.concatenate(seen.rewards)).max()))
    k = int(np.argmax(off))
    if not off[k] <= allowed:
        wanted = f"{seen.rewards[0][k] - seen.rewards[1][k]:.6g}"
        because = "another sign, pairs in another order, or the reference left out of one of them"
        return broken(f"pair {k}", wanted, f"{seen.margins[k]:.6g}", because, residual=float(off[k]))
    return holds(len(off), float(off.max()), allowed)


def jensen(seen: Seen) -> Finding:
    """The mean loss is at least the loss at the mean log-probabilities (Jensen), for a convex loss."""
    if not {"convex", "margin-only"} <= seen.has:
        return not_applicable("the loss does not declare that it is convex in the margin")
    means = PairLogProbs(*(getattr(seen.pairs, name).mean()[None] for name in COLUMNS))
    least = float(_losses(seen.call(means)).mean())
    got = seen.reported if seen.reported is not None else float(seen.losses.mean())
    if got < least - CLOSE * max(1.0, abs(least)):
        because = "a mean below this bound is no plain mean of this loss: pairs are weighted, lengths divided out, or a term subtracted"
        return broken("the batch", f">= {least:.6g}", f"{got:.6g}", because, residual=least - got)
    return holds(len(seen.losses), max(0.0, least - got), CLOSE, method=f"{got:.4g} >= {least:.4g}")


def reference_constant(seen: Seen) -> Finding:
    """The reference gives the same pair the same log-probability at every step."""
    if seen.memory is None or seen.ids is None:
        return not_applicable("no memory was given")
    known = seen.memory.known(seen.ids)
    changed = seen.memory.changed(seen.ids, seen.columns["ref_chosen"], seen.columns["ref_rejected"])
    if changed:
        id, before, now = changed[0]
        because = "the reference is trained, shares weights with the policy, has dropout on, or is synchronised on purpose (TR-DPO)"
        return broken(f"pair {id!r}", f"{before:.8g}", f"{now:.8g}", because, residual=abs(now - before))
    return holds(known, 0.0, seen.memory.tolerance) if known else not_applicable("no pair was seen before")


def same_sums(seen: Seen) -> Finding:
    """Policy and reference are both sums over tokens, or both means."""
    for answer in ("chosen", "rejected"):
        lengths = seen.columns.get(f"{answer}_tokens")
        if lengths is None or not (lengths > 1).all():
            continue
        policy, reference = seen.columns[f"policy_{answer}"], seen.columns[f"ref_{answer}"]
        for left, right, what in ((policy, reference, "policy"), (reference, policy, "reference")):
            ratio = left / np.where(right == 0, np.nan, right)
            if len(ratio) > 1 and np.nanmax(np.abs(np.log(np.abs(ratio) / lengths))) < 0.3 and lengths.min() >= 3:
                other = "reference" if what == "policy" else "policy"
                because = f"the {what} is summed over tokens, the {other} averaged"
                return broken(f"{answer}, pair 0", "values of like size", f"{left[0]:.6g} and {right[0]:.6g}", because)
    if "chosen_tokens" not in seen.columns:
        return not_applicable("no lengths were given")
    return holds(len(seen.losses), 0.0, 0.0)


def length_parity(seen: Seen) -> Finding:
    """Chosen and rejected answers are of like length."""
    chosen, rejected = seen.columns.get("chosen_tokens"), seen.columns.get("rejected_tokens")
    if chosen is None or rejected is None:
        return not_applicable("no lengths were given")
    ratio = float(chosen.mean() / max(rejected.mean(), 1e-12))
    if not 0.8 <= ratio <= 1.25:
        because = "the margin of a sum can grow by length alone: compare length-normalised losses, or balance the pairs"
        return broken("the batch", "a ratio between 0.8 and 1.25", f"{ratio:.3g}", because)
    return holds(len(chosen), abs(ratio - 1), 0.25, method=f"mean lengths {chosen.mean():.4g} and {rejected.mean():.4g}")


def sums(seen: Seen) -> Finding:
    """Log-probabilities are sums over tokens: they grow with the length."""
    lengths = seen.columns.get("chosen_tokens")
    if lengths is None or lengths.min() < 8:
        return not_applicable("no lengths were given, or only short ones")
    per_token = float(np.median(-seen.columns["policy_chosen"] / lengths))
    if per_token < 0.05 and float(np.median(-seen.columns["policy_chosen"])) > 0.05:
        because = (
            "values of this size per token are means, or those of a memorised text: the DPO margin is one of sums, beta is meant for sums"
        )
        return broken("the batch", "about 0.1 to 5 nats per token", f"{per_token:.3g}", because)
    return holds(len(lengths), per_token, 5.0, method=f"{per_token:.3g} nats per token")


def _instead(got: float) -> str:
    """What a first loss that is not log 2 may be."""
    whole = got / LOG2
    if abs(whole - round(whole)) < 0.02 and round(whole) > 1:
        return (
            f"{round(whole)} times log 2: summed over the batch or over accumulated gradients, or a loss with {round(whole)} logistic terms"
        )
    if abs(got - 1.0) < 0.02:
        return "1 is the first value of the hinge and APO losses, not of DPO"
    return "not DPO as it is written: another loss, label smoothing that is not symmetric, an offset, weights, or a term added"


def _columns(pairs: PairLogProbs) -> dict[str, NDArray[np.float64]]:
    if not all(hasattr(pairs, name) for name in COLUMNS):
        raise ValueError(f"pairs is a {type(pairs).__name__}, expected PairLogProbs({', '.join(COLUMNS)}).")
    first = _array(pairs.policy_chosen)
    if first.ndim != 1 or not len(first):
        raise ValueError(f"policy_chosen has shape {first.shape}, expected (N,) with N >= 1.")
    names = [*COLUMNS, *(name for name in ("chosen_tokens", "rejected_tokens") if getattr(pairs, name) is not None)]
    return {name: _column(name, getattr(pairs, name), len(first)) for name in names}


def _column(name: str, value: Any, count: int) -> NDArray[np.float64]:
    array = _array(value)
    if array.shape != (count,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({count},).")
    return array


def _array(value: Any) -> NDArray[np.float64]:
    value = value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
    return np.asarray(value, dtype=np.float64)


def _losses(found: Any) -> NDArray[np.float64]:
    return np.atleast_1d(_array(found[0] if isinstance(found, tuple) else found))


def _shared(one: Any, other: Any) -> bool:
    """Whether two columns are one piece of memory."""
    if hasattr(one, "data_ptr") and hasattr(other, "data_ptr"):
        return bool(one.data_ptr() == other.data_ptr()) and one.shape == other.shape
    return isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.size > 0 and np.shares_memory(one, other)
