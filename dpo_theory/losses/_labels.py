"""Labels of single answers as numbers of the answers' dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.data import LabelledLogProbs

__all__ = ["as_labels"]


def as_labels(labelled: LabelledLogProbs) -> Any:
    """(N,) 1 for desirable and 0 for undesirable, in the dtype of the log-probabilities.

    Raises:
        ValueError: another number, or another shape.

    >>> as_labels(LabelledLogProbs(np.zeros(2), np.zeros(2), [True, False]))
    array([1., 0.])
    """
    desirable, policy = labelled.desirable, labelled.policy
    if isinstance(desirable, bool):
        return float(desirable)
    flat = desirable.detach().cpu().double().numpy() if hasattr(desirable, "detach") else np.asarray(desirable)
    if flat.dtype.kind not in "biuf" or not np.isin(flat, (0, 1)).all():
        raise ValueError("desirable holds something else than labels, expected True or False (1 or 0) for each answer.")
    if np.shape(flat) not in ((), tuple(np.shape(policy))):
        raise ValueError(f"desirable has shape {np.shape(flat)}, policy {tuple(np.shape(policy))}. Give one label per answer.")
    if hasattr(policy, "detach"):
        import torch

        return torch.as_tensor(desirable, device=policy.device).to(policy.dtype)
    kind = getattr(policy, "dtype", np.dtype(np.float64))
    return flat.astype(kind if kind.kind == "f" else np.float64)
