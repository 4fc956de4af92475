"""The LD-DPO loss: DPO in which the tokens that only the longer answer has count less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import as_numpy, require_beta
from dpo_theory._xp import is_symbolic, relu, softplus, total
from dpo_theory.losses._lengths import token_counts
from dpo_theory.losses._options import require_convention, require_number
from dpo_theory.losses._properties import PROPERTIES

__all__ = ["LDDPO"]


@dataclass(frozen=True)
class LDDPO:
    r"""-log s(beta (A - B)), A and B the log-ratios of chosen and rejected after their tails are discounted, per comparison.

    The tail of an answer are its tokens beyond the length of the shorter one; their log-probabilities are multiplied by alpha. The
    token fields of `PairLogProbs` (`chosen_token_logps`, `ref_chosen_token_logps` and so on, 0 beyond an answer's end) say what they
    are; an answer without them is taken to have equally likely tokens.

    Args:
        beta: reward per nat, > 0.
        alpha: what counts of the tail, 0 <= alpha <= 1; at 1 this is `DPO`.
        discounted: the log-probabilities of `both`, policy and reference, as in the paper and TRL; or of the `policy` alone, as
            elsewhere.

    Source: Liu et al. 2024, arXiv:2409.06411, eq. 10 and 11.

    >>> import numpy as np
    >>> pairs = PairLogProbs(*np.array([[-1.0], [-3.0], [-2.0], [-2.0], [4], [2]]))
    >>> LDDPO(beta=0.5, alpha=0.0)(pairs).round(4)  # half of the chosen answer: 1/2 and -1 nats
    array([0.3869])
    """

    beta: float = 0.1
    alpha: float = 0.5
    discounted: Literal["both", "policy"] = "both"

    takes: ClassVar[type] = PairLogProbs

    def __post_init__(self) -> None:
        if not is_symbolic(self.beta):
            require_beta(self.beta)
        require_number("alpha", self.alpha)
        if not is_symbolic(self.alpha) and not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}, expected 0 <= alpha <= 1: what counts of the tail.")
        require_convention("discounted", self.discounted, ("both", "policy"))

    @property
    def has(self) -> frozenset[str]:
        """A reference that is not discounted leaves no ratio."""
        found = {"bounded-below", "bounded-gradient", "monotone", "normalised-likelihood", "uses-reference", "vanishing-weight"}
        return frozenset(found | ({"log-ratio-only", "log2-at-reference", "scales-with-beta"} if self.discounted == "both" else set()))

    @property
    def lacks(self) -> frozenset[str]:
        """What it does not have."""
        return PROPERTIES - self.has

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) one loss per comparison.

        Raises:
            ValueError: the lengths are missing or not positive.
        """
        chosen, rejected = token_counts(pairs)
        longer, shorter = relu(chosen - rejected) / chosen, relu(rejected - chosen) / rejected
        pc = self._kept(pairs, "chosen", pairs.policy_chosen, longer)
        pr = self._kept(pairs, "rejected", pairs.policy_rejected, shorter)
        rc, rr = pairs.ref_chosen, pairs.ref_rejected
        if self.discounted == "both":
            rc, rr = self._kept(pairs, "ref_chosen", rc, longer), self._kept(pairs, "ref_rejected", rr, shorter)
        return softplus(-self.beta * PairLogProbs(pc, pr, rc, rr).margin)

    def _kept(self, pairs: PairLogProbs, name: str, logps: Any, tail_share: Any) -> Any:
        """(N,) an answer's log-probability with its tail discounted."""
        tokens = getattr(pairs, f"{name}_token_logps")
        if tokens is None:
            return logps * (1 - (1 - self.alpha) * tail_share)
        common = np.minimum(as_numpy("chosen_tokens", pairs.chosen_tokens), as_numpy("rejected_tokens", pairs.rejected_tokens))
        beyond = np.arange(tokens.shape[-1]) >= common[..., None]
        if hasattr(tokens, "detach"):
            import torch

            return logps - (1 - self.alpha) * total(tokens * torch.as_tensor(beyond, device=tokens.device))
        return logps - (1 - self.alpha) * total(tokens * beyond)
