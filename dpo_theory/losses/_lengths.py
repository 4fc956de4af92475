"""Log-probabilities of whole answers, or averaged over their tokens: the convention has a name, the lengths are required."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from bandits.data import PairLogProbs
from bandits.door import as_numpy
from dpo_theory._xp import is_symbolic

__all__ = ["SUM_OR_MEAN", "SumOrMean", "answer_logps", "negative_log_likelihood", "token_counts"]

SumOrMean = Literal["sum", "mean"]
SUM_OR_MEAN = ("sum", "mean")


def token_counts(pairs: PairLogProbs) -> tuple[Any, Any]:
    """(N,), (N,) lengths of chosen and rejected in tokens, in the dtype of the log-probabilities.

    Raises:
        ValueError: they are missing, of another shape, or not positive.
    """
    return _count("chosen", pairs.chosen_tokens, pairs.policy_chosen), _count("rejected", pairs.rejected_tokens, pairs.policy_rejected)


def answer_logps(pairs: PairLogProbs, convention: SumOrMean) -> tuple[Any, Any]:
    """(N,), (N,) policy log-probabilities of chosen and rejected: `sum` over tokens, or their `mean`.

    >>> answer_logps(PairLogProbs(np.array([-6.0]), np.array([-6.0]), None, None, np.array([2]), np.array([3])), "mean")
    (array([-3.]), array([-2.]))
    """
    if convention == "sum":
        return pairs.policy_chosen, pairs.policy_rejected
    chosen, rejected = token_counts(pairs)
    return pairs.policy_chosen / chosen, pairs.policy_rejected / rejected


def negative_log_likelihood(pairs: PairLogProbs, convention: SumOrMean) -> Any:
    """(N,) -log pi(y_w|x): of the whole answer, or per token. The prompt's own tokens are not part of it.

    >>> negative_log_likelihood(PairLogProbs(np.array([-6.0]), None, None, None), "sum")
    array([6.])
    """
    if convention == "sum":
        return -pairs.policy_chosen
    return -pairs.policy_chosen / _count("chosen", pairs.chosen_tokens, pairs.policy_chosen)


def _count(answer: str, tokens: Any, logps: Any) -> Any:
    if tokens is None:
        raise ValueError(f"{answer}_tokens is missing: averaged log-probabilities need lengths. Give PairLogProbs {answer}_tokens, (N,).")
    if is_symbolic(tokens, logps) or type(tokens) in (int, float):
        counted = tokens
    else:
        counted = _cast(tokens, logps)
        if tuple(np.shape(counted)) not in ((), tuple(np.shape(logps))):
            raise ValueError(
                f"{answer}_tokens has shape {tuple(np.shape(counted))}, policy_{answer} {tuple(np.shape(logps))}. "
                "Give one length per answer."
            )
    if not is_symbolic(counted):
        least = float(as_numpy(f"{answer}_tokens", counted).min(initial=np.inf))
        if not least > 0:
            raise ValueError(f"{answer}_tokens holds {least:g}, expected lengths > 0: an empty answer has no average.")
    return counted


def _cast(tokens: Any, logps: Any) -> Any:
    """Whole numbers in the dtype of what they divide, so that float32 stays float32."""
    if hasattr(tokens, "detach") or hasattr(logps, "detach"):
        import torch

        dtype = logps.dtype if isinstance(logps, torch.Tensor) else tokens.dtype
        return torch.as_tensor(tokens, dtype=dtype, device=getattr(logps, "device", None))
    kind: Any = getattr(logps, "dtype", np.dtype(np.float64))
    return np.asarray(tokens, dtype=kind if getattr(kind, "kind", "f") == "f" else np.float64)
