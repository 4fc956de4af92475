"""Correct functions in unlike forms: no check may raise an alarm."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy, log_softmax, nll_loss, one_hot

__all__ = ["RIGHT"]


def gathered(logits, input_ids, attention_mask, completion_mask):
    """log_softmax, gather, masked sum."""
    logps = logits[:, :-1].float().log_softmax(-1) if logits.dtype == torch.bfloat16 else logits[:, :-1].log_softmax(-1)
    tokens = logps.gather(-1, input_ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    return tokens.masked_fill(~completion_mask[:, 1:].bool(), 0.0).sum(-1)


def from_labels(logits, labels, average_log_prob=False):
    """Labels of -100, cloned and clamped."""
    labels = labels[:, 1:].clone()
    kept = labels != -100
    labels[~kept] = 0
    tokens = torch.gather(log_softmax(logits[:, :-1].double(), -1), 2, labels.unsqueeze(2)).squeeze(2)
    total = (tokens * kept).sum(-1)
    return total / kept.sum(-1).clamp(min=1) if average_log_prob else total


def by_cross_entropy(logits, labels):
    """The mean over the tokens, with `ignore_index`."""
    tokens = cross_entropy(logits[:, :-1].float().transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none")
    return -tokens.sum(-1) / (labels[:, 1:] != -100).sum(-1).clamp(min=1)


def by_logsumexp(logits, input_ids, completion_mask):
    """Chosen logit less the log-sum-exp; three arguments."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = logits[:, :-1]
    chosen = rows.gather(-1, input_ids[:, 1:, None])[..., 0]
    return torch.where(completion_mask[:, 1:].bool(), chosen - rows.logsumexp(-1), 0.0).sum(-1)


def one_sequence_at_a_time(logits, input_ids, attention_mask, completion_mask):
    """A loop over sequences and tokens."""
    found = []
    for b in range(len(input_ids)):
        total = logits.new_zeros((), dtype=torch.float64)
        for t in range(1, input_ids.shape[1]):
            if completion_mask[b, t]:
                total = total + log_softmax(logits[b, t - 1].double(), -1)[input_ids[b, t]]
        found.append(total)
    return torch.stack(found)


def with_lengths(logits, labels):
    """A tuple: values, and how many tokens there are."""
    kept = labels[:, 1:] != -100
    tokens = log_softmax(logits[:, :-1].float(), -1).gather(-1, labels[:, 1:].clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.where(kept, tokens, 0.0).sum(-1), kept.sum(-1)


def by_one_hot(logits, input_ids, attention_mask, completion_mask):
    """A product with one-hot rows; the mask is multiplied."""
    picked = one_hot(input_ids[:, 1:], logits.shape[-1]).to(torch.float64)
    return ((logits[:, :-1].double().log_softmax(-1) * picked).sum(-1) * completion_mask[:, 1:]).sum(-1)


def in_numpy(logits, input_ids, attention_mask, completion_mask):
    """NumPy, the mean."""
    rows = np.asarray(logits)[:, :-1].astype(np.float64)
    rows = rows - rows.max(-1, keepdims=True)
    logps = rows - np.log(np.exp(rows).sum(-1, keepdims=True))
    tokens = np.take_along_axis(logps, np.asarray(input_ids)[:, 1:, None], -1)[..., 0]
    mask = np.asarray(completion_mask)[:, 1:].astype(bool)
    return np.where(mask, tokens, 0.0).sum(-1) / np.maximum(mask.sum(-1), 1)


def selected_rows(logits, input_ids, attention_mask, completion_mask):
    """Only rows that score something are computed."""
    b, t = completion_mask[:, 1:].bool().nonzero(as_tuple=True)
    tokens = -nll_loss(log_softmax(logits[b, t].float(), -1), input_ids[b, t + 1], reduction="none")
    return tokens.new_zeros(len(input_ids)).index_add(0, b, tokens)


RIGHT = (gathered, from_labels, by_cross_entropy, by_logsumexp, one_sequence_at_a_time, with_lengths, by_one_hot, in_numpy, selected_rows)
