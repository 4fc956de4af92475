"""Inputs seen otherwise: what libraries disagree about under one name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bandits.data import PairLogProbs

__all__ = ["AS_IT_IS", "CONVENTIONS", "Convention", "moved", "moved_per_token"]


@dataclass(frozen=True)
class Convention:
    """One way to hand pairs to a loss.

    Args:
        name: in words, for the inputs of one loss.
        said: in words, for A against B.
        of: pairs -> pairs as the loss is to see them; on symbols too.
        lengths: it makes a loss see lengths.
        no_reference: it makes a loss ignore the reference.
    """

    name: str
    said: str
    of: Callable[[Any], Any]
    lengths: bool = False
    no_reference: bool = False


def _per_token(pairs: PairLogProbs) -> PairLogProbs:
    chosen, rejected = pairs.chosen_tokens, pairs.rejected_tokens
    return pairs._replace(
        policy_chosen=pairs.policy_chosen / chosen, policy_rejected=pairs.policy_rejected / rejected,
        ref_chosen=pairs.ref_chosen / chosen, ref_rejected=pairs.ref_rejected / rejected,
    )  # fmt: skip


def _no_reference(pairs: PairLogProbs) -> PairLogProbs:
    return pairs._replace(ref_chosen=0 * pairs.ref_chosen, ref_rejected=0 * pairs.ref_rejected)


def _swapped(pairs: PairLogProbs) -> PairLogProbs:
    a, b, c, d, chosen, rejected = pairs[:6]
    return pairs._replace(policy_chosen=b, policy_rejected=a, ref_chosen=d, ref_rejected=c, chosen_tokens=rejected, rejected_tokens=chosen)


AS_IT_IS = Convention("as it is", "", lambda pairs: pairs)
CONVENTIONS = (
    AS_IT_IS,
    Convention(
        "log-probabilities per token (mean) instead of per answer (sum)",
        "{a} averages log-probabilities over tokens (mean), {b} adds them (sum)",
        _per_token,
        lengths=True,
    ),
    Convention("the reference is ignored", "{a} ignores the reference, {b} uses it", _no_reference, no_reference=True),
    Convention(
        "per token, and the reference is ignored",
        "{a} averages over tokens and ignores the reference, {b} does neither",
        lambda p: _per_token(_no_reference(p)),
        lengths=True,
        no_reference=True,
    ),
    Convention("chosen and rejected are swapped", "chosen and rejected are swapped between {a} and {b}", _swapped),
)


def moved(pairs: Any, shift: Any, stretch: Any) -> Any:
    """Pairs whose margin is stretch * margin + shift, in nats."""
    a, b, c, d = (stretch * column for column in pairs[:4])
    return pairs._replace(policy_chosen=a + shift, policy_rejected=b, ref_chosen=c, ref_rejected=d)


def moved_per_token(pairs: Any, shift: Any, stretch: Any) -> Any:
    """Pairs whose margin of log-probabilities per token is stretch * margin + shift."""
    return moved(pairs, 0, stretch)._replace(policy_chosen=stretch * pairs.policy_chosen + shift * pairs.chosen_tokens)
