"""Score prompt, chosen and rejected texts with a model and a reference: log-probabilities, implicit rewards, margins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch

from dpo_theory.lm.huggingface import HuggingFaceLM
from dpo_theory.lm.log_probs import sequence_log_probs

__all__ = ["Example", "read_examples", "score"]

TEXTS = ("prompt", "chosen", "rejected")


class Example(NamedTuple):
    """One comparison of two texts, and the line that it stands in."""

    line: int
    prompt: str
    chosen: str
    rejected: str


def read_examples(lines: Iterable[str], name: str) -> Iterator[Example]:
    """JSON lines with `prompt`, `chosen` and `rejected`; empty lines are passed over.

    Args:
        lines: the text.
        name: what to call it in messages.

    Raises:
        ValueError: a line is not a JSON object, or a text is missing, not a string, or empty.

    >>> list(read_examples(['{"prompt": "a", "chosen": "b", "rejected": "c"}'], "pairs.jsonl"))
    [Example(line=1, prompt='a', chosen='b', rejected='c')]
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name} line {number} is not JSON: {error.msg} at column {error.colno}.") from None
        if not isinstance(record, dict):
            raise ValueError(f"{name} line {number} holds {type(record).__name__}, expected an object with {', '.join(TEXTS)}.")
        for key in TEXTS:
            if key not in record:
                raise ValueError(f"{name} line {number} has no {key!r}: it has {', '.join(map(repr, record)) or 'nothing'}.")
            if not isinstance(record[key], str):
                raise ValueError(f"{name} line {number}: {key} is {type(record[key]).__name__}, expected text; render chat messages first.")
            if not record[key]:
                raise ValueError(f"{name} line {number}: {key} is empty; an empty completion has no tokens to score.")
        yield Example(number, record["prompt"], record["chosen"], record["rejected"])


@torch.no_grad()
def score(
    examples: Iterable[Example],
    model: HuggingFaceLM,
    tokenizer: Any,
    ref: HuggingFaceLM | None = None,
    *,
    beta: float = 0.1,
    append_eos: bool = True,
) -> Iterator[dict[str, Any]]:
    """Log-probabilities of both completions, and with a reference their implicit rewards and the margin.

    Prompt and completion are tokenised apart, so that the prompt's tokens do not depend on what follows.

    Args:
        examples: what to score.
        model: the policy.
        tokenizer: its tokenizer.
        ref: the reference; without it there are no rewards.
        beta: reward per nat.
        append_eos: add the end token to a completion that does not end with it; a policy that never ends is scored without.

    Yields:
        One record per example: line, tokens and log-probabilities in nats, `ended` (the completion came with its end token).

    Raises:
        ValueError: a text has no tokens, a log-probability is not a number, or the models differ in their vocabulary.
    """
    if ref is not None and ref.vocab != model.vocab:
        raise ValueError(f"the model has {model.vocab} tokens and the reference {ref.vocab}: they must share a tokenizer.")
    if not beta > 0:
        raise ValueError(f"beta is {beta}, expected a positive number of reward per nat.")
    eos = tokenizer.eos_token_id
    for example in examples:
        prompt = tokenizer(example.prompt, add_special_tokens=True)["input_ids"]
        found: dict[str, Any] = {"line": example.line}
        for side in ("chosen", "rejected"):
            tokens = tokenizer(getattr(example, side), add_special_tokens=False)["input_ids"]
            if not prompt or not tokens:
                raise ValueError(f"line {example.line}: the {side if prompt else 'prompt'} has no tokens.")
            ended = eos is not None and tokens[-1] == eos
            if append_eos and eos is not None and not ended:
                tokens = [*tokens, eos]
            found[f"{side}_tokens"], found[f"{side}_ended"] = len(tokens), ended
            found[f"{side}_logp"] = _log_prob(model, prompt, tokens, example.line)
            if ref is not None:
                found[f"ref_{side}_logp"] = _log_prob(ref, prompt, tokens, example.line)
                found[f"{side}_reward"] = beta * (found[f"{side}_logp"] - found[f"ref_{side}_logp"])
        if ref is not None:
            found["margin"] = found["chosen_reward"] - found["rejected_reward"]
        yield found


def _log_prob(model: HuggingFaceLM, prompt: list[int], tokens: list[int], line: int) -> float:
    ids = torch.tensor([prompt + tokens], device=model.device)
    mask = torch.tensor([[0] * len(prompt) + [1] * len(tokens)], device=model.device)
    logits = model.model(input_ids=ids, use_cache=False).logits[..., : model.vocab]
    total = float(sequence_log_probs(logits, ids, mask)[0])
    if total != total:
        raise ValueError(f"line {line}: the log-probability is not a number; the model's logits hold NaN.")
    return total
