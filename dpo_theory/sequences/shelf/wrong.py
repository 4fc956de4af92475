"""Wrong functions, as they are met: each must be refuted by the check named for it, with the diagnosis named for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import log_softmax

__all__ = ["WRONG", "Mistake"]


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong function; calling it calls the function.

    Args:
        function: the function.
        killed_by: the check that must refute it.
        because: words of the diagnosis.
    """

    function: Callable[..., Any]
    killed_by: str
    because: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


WRONG: list[Mistake] = []


def wrong(killed_by: str, because: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function on the shelf."""

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        WRONG.append(Mistake(function, killed_by, because))
        return function

    return put


def pick(logps, ids):
    """(B, T, V), (B, T) -> (B, T)."""
    return logps.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def tokens(logits, input_ids):
    """(B, T - 1) log-probabilities, shifted as they should be."""
    return pick(log_softmax(logits[:, :-1].float() if logits.dtype == torch.bfloat16 else logits[:, :-1], -1), input_ids[:, 1:])


@wrong("shift", "its own logits")
def not_shifted(logits, input_ids, attention_mask, completion_mask):
    """Not shifted."""
    return (pick(log_softmax(logits, -1), input_ids) * completion_mask).sum(-1)


@wrong("shift", "shifted twice")
def shifted_twice(logits, labels):
    """Shifted twice."""
    labels = labels[:, 1:]
    return (tokens(logits[:, :-1], labels.clamp(min=0)) * (labels[:, 1:] != -100)).sum(-1)


@wrong("shift", "the wrong way")
def shifted_the_wrong_way(logits, input_ids, attention_mask, completion_mask):
    """Shifted the wrong way."""
    return (pick(log_softmax(logits[:, 1:], -1), input_ids[:, :-1]) * completion_mask[:, :-1]).sum(-1)


@wrong("mask-shift", "the mask is not shifted")
def mask_left_behind(logits, input_ids, attention_mask, completion_mask):
    """Mask left behind."""
    return (tokens(logits, input_ids) * completion_mask[:, :-1]).sum(-1)


@wrong("prompt-excluded", "the prompt is scored too")
def attention_mask_instead(logits, input_ids, attention_mask, completion_mask):
    """Attention mask instead."""
    return (tokens(logits, input_ids) * attention_mask[:, 1:]).sum(-1)


@wrong("padding-excluded", "without a mask")
def no_mask_at_all(logits, input_ids, attention_mask, completion_mask):
    """No mask at all."""
    return tokens(logits, input_ids).sum(-1)


@wrong("padding-excluded", "after the prompt")
def everything_after_the_prompt(logits, input_ids, attention_mask, completion_mask):
    """Everything after the prompt."""
    return (tokens(logits, input_ids) * (completion_mask.long().cumsum(-1) > 0)[:, 1:]).sum(-1)


@wrong("ignore-index", "counted as token 0")
def ignored_labels_counted(logits, labels):
    """Ignored labels counted."""
    return tokens(logits, labels.clamp(min=0)).sum(-1)


@wrong("eos-counted", "EOS, is dropped")
def end_dropped(logits, input_ids, attention_mask, completion_mask):
    """End dropped."""
    mask = completion_mask.bool()
    mask = mask & torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    return (tokens(logits, input_ids) * mask[:, 1:]).sum(-1)


@wrong("first-token-counted", "first token of the completion is dropped")
def begin_dropped(logits, input_ids, attention_mask, completion_mask):
    """Begin dropped."""
    mask = completion_mask.bool()
    mask = mask & torch.cat([torch.zeros_like(mask[:, :1]), mask[:, :-1]], 1)
    return (tokens(logits, input_ids) * mask[:, 1:]).sum(-1)


@wrong("log-softmax", "without the log-softmax")
def raw_logits(logits, input_ids, attention_mask, completion_mask):
    """Raw logits."""
    return (pick(logits[:, :-1], input_ids[:, 1:]) * completion_mask[:, 1:]).sum(-1)


@wrong("log-softmax", "probabilities are added")
def probabilities(logits, input_ids, attention_mask, completion_mask):
    """Probabilities."""
    return (pick(logits[:, :-1].softmax(-1), input_ids[:, 1:]) * completion_mask[:, 1:]).sum(-1)


@wrong("log-softmax", "base 2")
def bits(logits, input_ids, attention_mask, completion_mask):
    """Bits."""
    return (tokens(logits, input_ids) * completion_mask[:, 1:]).sum(-1) / np.log(2.0)


@wrong("axis", "over the positions")
def softmax_over_time(logits, input_ids, attention_mask, completion_mask):
    """Softmax over time."""
    return (pick(log_softmax(logits, 1)[:, :-1], input_ids[:, 1:]) * completion_mask[:, 1:]).sum(-1)


@wrong("axis", "over the positions")
def softmax_over_time_after_the_shift(logits, input_ids, attention_mask, completion_mask):
    """Softmax over time after the shift."""
    return (pick(log_softmax(logits[:, :-1], 1), input_ids[:, 1:]) * completion_mask[:, 1:]).sum(-1)


@wrong("axis", "over the batch")
def softmax_over_the_batch(logits, input_ids, attention_mask, completion_mask):
    """Softmax over the batch."""
    return (pick(log_softmax(logits, 0)[:, :-1], input_ids[:, 1:]) * completion_mask[:, 1:]).sum(-1)


@wrong("temperature", "divided by 0.7")
def sampling_temperature(logits, input_ids, attention_mask, completion_mask, temperature=0.7):
    """Sampling temperature."""
    return (tokens(logits / temperature, input_ids) * completion_mask[:, 1:]).sum(-1)


@wrong("sign", "negative log-likelihood")
def negative(logits, labels):
    """Negative."""
    return torch.nn.functional.cross_entropy(logits[:, :-1].mT, labels[:, 1:], reduction="none").sum(-1)


@wrong("normalisation", "T - 1")
def mean_over_positions(logits, input_ids, attention_mask, completion_mask):
    """Mean over positions."""
    return (tokens(logits, input_ids) * completion_mask[:, 1:]).mean(-1)


@wrong("normalisation", "prompt + completion")
def divided_by_the_whole_length(logits, input_ids, attention_mask, completion_mask):
    """Divided by the whole length."""
    return (tokens(logits, input_ids) * completion_mask[:, 1:]).sum(-1) / attention_mask.sum(-1).clamp(min=1)


@wrong("normalisation", "mean length in the batch")
def divided_by_the_mean_length(logits, input_ids, attention_mask, completion_mask):
    """Divided by the mean length."""
    mask = completion_mask[:, 1:].to(logits.dtype)
    return (tokens(logits, input_ids) * mask).sum(-1) / mask.sum(-1).mean().clamp(min=1)


@wrong("left-padding", "padding on the right")
def lengths_as_indices(logits, input_ids, attention_mask, completion_mask):
    """Lengths as indices."""
    places = torch.arange(input_ids.shape[1])
    end, answer = attention_mask.long().sum(-1, keepdim=True), completion_mask.long().sum(-1, keepdim=True)
    return (tokens(logits, input_ids) * ((places >= end - answer) & (places < end))[:, 1:]).sum(-1)


@wrong("pad-is-eos", "EOS of the completion is lost")
def pad_token_masked(logits, input_ids, attention_mask, completion_mask):
    """Pad token masked."""
    pad = input_ids[attention_mask == 0][:1]
    real = input_ids != pad if len(pad) else torch.ones_like(input_ids, dtype=torch.bool)
    return (tokens(logits, input_ids) * (completion_mask.bool() & real)[:, 1:]).sum(-1)


@wrong("every-token-id", "ids > 0")
def zero_taken_for_padding(logits, input_ids, attention_mask, completion_mask):
    """Zero taken for padding."""
    return (tokens(logits, input_ids) * (completion_mask.bool() & (input_ids > 0))[:, 1:]).sum(-1)


@wrong("packing", "turns of the user")
def one_run(logits, input_ids, attention_mask, completion_mask):
    """One run."""
    mask = completion_mask.long()
    run = (mask.cumsum(-1) > 0) & (mask.flip(-1).cumsum(-1).flip(-1) > 0)
    return (tokens(logits, input_ids) * run[:, 1:]).sum(-1)


@wrong("first-position", "wraps around")
def rolled(logits, input_ids, attention_mask, completion_mask):
    """Rolled."""
    return (pick(log_softmax(logits, -1).roll(1, 1), input_ids) * completion_mask).sum(-1)


@wrong("empty-completion", "0 / 0")
def mean_of_nothing(logits, labels):
    """Mean of nothing."""
    kept = labels[:, 1:] != -100
    return (tokens(logits, labels.clamp(min=0)) * kept).sum(-1) / kept.sum(-1)


@wrong("batch-independent", "a batch of one is squeezed away")
def squeezed(logits, input_ids, attention_mask, completion_mask):
    """Squeezed."""
    return (tokens(logits, input_ids) * completion_mask[:, 1:]).sum(-1).squeeze()


@wrong("value", "none of the known mistakes")
def prompt_of_the_first_sequence(logits, input_ids, attention_mask, completion_mask):
    """Prompt of the first sequence."""
    prompt = int((attention_mask.long() - completion_mask.long())[0].sum())
    return (tokens(logits, input_ids) * attention_mask[:, 1:])[:, prompt - 1 :].sum(-1)


@wrong("mask-dtype", "treated unlike")
def bits_flipped(logits, input_ids, attention_mask, completion_mask):
    """Bits flipped."""
    ignored = ~completion_mask if completion_mask.dtype != torch.float32 else 1 - completion_mask
    kept = -1 - ignored if ignored.dtype == torch.int64 else 0.5 * (1 - ignored.to(logits.dtype))
    return (tokens(logits, input_ids) * kept[:, 1:]).sum(-1)


@wrong("large-logits", "underflows")
def log_of_softmax(logits, input_ids, attention_mask, completion_mask):
    """Log of softmax."""
    return torch.where(completion_mask[:, 1:].bool(), pick(logits[:, :-1].softmax(-1).log(), input_ids[:, 1:]), 0.0).sum(-1)


@wrong("large-logits", "log eps")
def log_of_softmax_and_epsilon(logits, input_ids, attention_mask, completion_mask):
    """Log of softmax and epsilon."""
    return ((pick(logits[:, :-1].softmax(-1), input_ids[:, 1:]) + 1e-10).log() * completion_mask[:, 1:]).sum(-1)


@wrong("bfloat16", "call .float()")
def normaliser_in_half_precision(logits, input_ids, attention_mask, completion_mask):
    """Normaliser in half precision."""
    rows = logits[:, :-1]
    return ((pick(rows, input_ids[:, 1:]) - rows.logsumexp(-1)) * completion_mask[:, 1:]).sum(-1)


@wrong("float32", "less than float32")
def cast_down(logits, input_ids, attention_mask, completion_mask):
    """Cast down."""
    logits = logits.bfloat16().float() if logits.dtype == torch.float32 else logits
    found = tokens(logits, input_ids)
    return ((found.bfloat16() if logits.dtype == torch.float32 else found) * completion_mask[:, 1:]).sum(-1)


@wrong("gradient", "autograd sees no dependence")
def detached(logits, input_ids, attention_mask, completion_mask):
    """Detached."""
    return (tokens(logits.detach(), input_ids) * completion_mask[:, 1:]).sum(-1)


@wrong("gradient", "normaliser (logsumexp) is detached")
def normaliser_detached(logits, input_ids, attention_mask, completion_mask):
    """Normaliser detached."""
    rows = logits[:, :-1].float() if logits.dtype == torch.bfloat16 else logits[:, :-1]
    found = pick(rows, input_ids[:, 1:]) - rows.logsumexp(-1).detach()
    return (found * completion_mask[:, 1:]).sum(-1)


@wrong("gradient-elsewhere", "scores no token")
def regularised_in_silence(logits, input_ids, attention_mask, completion_mask):
    """Regularised in silence."""
    outside = (1 - completion_mask.to(logits.dtype)).roll(-1, 1)
    ghost = ((logits - logits.detach()).sum(-1) * outside).sum(-1)
    return (tokens(logits, input_ids) * completion_mask[:, 1:]).sum(-1) + ghost


@wrong("inputs-untouched", "changed in place")
def labels_overwritten(logits, labels):
    """Labels overwritten."""
    kept = labels[:, 1:] != -100
    labels[labels == -100] = 0
    return (tokens(logits, labels) * kept).sum(-1)
