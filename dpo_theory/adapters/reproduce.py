"""Code that can be pasted: a loss of an installed library on plain log-probabilities, without this package."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpo_theory.adapters.trainer import Trainer

__all__ = ["PAIRS", "instance", "trl"]

PAIRS = """\
from collections import defaultdict, namedtuple
from types import SimpleNamespace
import torch
Pairs = namedtuple("Pairs", "policy_chosen policy_rejected ref_chosen ref_rejected chosen_tokens rejected_tokens", defaults=(None, None))
"""

TRAINER = """\
class Logged:  # stands for numbers that are only logged
    def __getattr__(self, name): return lambda *a, **k: (self, self) if name == "chunk" else 0.0 if name == "item" else self
    __getitem__ = __mul__ = __truediv__ = __add__ = __and__ = lambda self, *_: self
    __gt__ = lambda self, _: False
def masks(sizes): return torch.tensor([[0] + [1] * n + [0] * (max(sizes) - n) for n in sizes])
def spread(logps, mask, even):
    mask = mask[:, 1:].to(logps.dtype)
    first = torch.zeros_like(mask); first[:, 0] = 1
    return logps[:, None] * (mask / mask.sum(1, keepdim=True) if even else first)
class Output:
    entropy = mean_logits = is_top1 = Logged()
    def __init__(self, logps, mask, even=False): self.log_probs, self.even = spread(logps, mask, even), spread(logps, mask, True)
    @property
    def logits(self):
        x = torch.where(self.even < 0, self.even, -1.0)
        return torch.cat([torch.stack([x, torch.log(-torch.expm1(x))], -1)] * 2, 1)[:, : x.shape[1] + 1]
    @property
    def log_sum_sq_probs(self):
        return torch.logaddexp(2 * self.even, 2 * torch.log(-torch.expm1(torch.where(self.even < 0, self.even, -1.0))))
def sizes(pairs):
    columns = [[1] * len(pairs.policy_chosen) if c is None else [int(n) for n in c] for c in pairs[4:6]]
    return columns[0] + columns[1]
"""

DPO = """\
def loss(pairs):
    mask = masks(sizes(pairs))
    inputs = {"input_ids": 0 * mask, "attention_mask": 0 * mask + 1, "completion_mask": mask,
              "ref_chosen_logps": pairs.ref_chosen, "ref_rejected_logps": pairs.ref_rejected}
    reference = Output(torch.cat(pairs[2:4]), mask, EVEN)
    trainer.ref_model = lambda **_: reference
    return trainer._compute_loss(lambda **_: Output(torch.cat(pairs[:2]), mask, EVEN), inputs, False)
"""

KTO = """\
def loss(pairs):
    mask, n, other = masks(sizes(pairs)), len(pairs.policy_chosen), torch.ones(1, 2, dtype=torch.long)
    inputs = {"input_ids": 0 * mask, "attention_mask": 0 * mask + 1, "completion_mask": mask, "KL_input_ids": other,
              "KL_attention_mask": other, "KL_completion_mask": masks([1]), "label": torch.tensor([True] * n + [False] * n),
              "ref_logps": torch.cat(pairs[2:4]), "ref_KL_logps": torch.zeros(1, dtype=pairs.ref_chosen.dtype)}
    def model(input_ids, **_):
        if input_ids[0, 0] == 1:
            return Output(torch.full((1,), ESTIMATE, dtype=pairs.policy_chosen.dtype), masks([1]))
        return Output(torch.cat(pairs[:2]), mask)
    return trainer._compute_loss(model, inputs, False)
"""

WITHOUT_REFERENCE = """\
def loss(pairs):
    mask, n, exact = masks(sizes(pairs)), len(pairs.policy_chosen), torch.cat(pairs[:2])
    parts = {"input_ids": 0 * mask, "attention_mask": (mask.flip(1).cumsum(1).flip(1) > 0).long(),
             "labels": torch.where(mask == 1, 0, -100)}
    batch = {f"{k}_{name}": part[rows] for name, part in parts.items() for k, rows in (("chosen", slice(n)), ("rejected", slice(n, None)))}
    def get_batch_logps(logits, labels, average_log_prob=False, **_):
        return exact / (labels[:, 1:] != -100).sum(1) if average_log_prob else exact * 1
    trainer.get_batch_logps = get_batch_logps
    return trainer.get_batch_loss_metrics(lambda *_, **__: Output(exact, mask, True), batch, "eval")[0]
"""


def trl(trainer: Trainer, args: Any, attributes: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """`loss(pairs)` by the trainer's own method, which returns the mean over the pairs.

    Args:
        trainer: whose loss it is.
        args: the config.
        attributes: of the trainer, those that the loss reads.
        own: options that the trainer estimates from other data.
    """
    cls = trainer.cls
    defaults = {name: trainer.default(name) for name in trainer.fields}
    given = {name: getattr(args, name) for name in (*trainer.options, "loss_type") if name in defaults}
    given = {name: value for name, value in given.items() if value != defaults[name]}
    body = {"dpo": DPO, "kto": KTO}.get(trainer.family, WITHOUT_REFERENCE)
    even = attributes.get("ld_alpha") is not None or attributes.get("use_weighting") is True
    body = body.replace("EVEN", str(even)).replace("ESTIMATE", repr(float(own.get("kl", 0.0))))
    gathers = "x" if trainer.family == "kto" else "Logged()"
    surroundings = [
        f"accelerator = SimpleNamespace(device=torch.device('cpu'), gather=lambda x: {gathers}, gather_for_metrics=lambda x: {gathers})",
        "metrics = {'train': defaultdict(list), 'eval': defaultdict(list)}",
        f"trainer = object.__new__({cls.__name__})",
        "vars(trainer).update(accelerator=accelerator, _metrics=metrics, _total_train_tokens=0, _tp_size=1,",
        "    pad_token_id=0, padding_value=0, model=SimpleNamespace(training=False, is_gradient_checkpointing=False))",
    ]
    shown = "".join(f", {name}={value!r}" for name, value in given.items())
    lines = [
        PAIRS.rstrip(),
        f"from {_public(cls)} import {trainer.config.__name__}, {cls.__name__}  # trl {trainer.version}",
        TRAINER.rstrip(),
        *surroundings,
        "quiet = dict(output_dir='unused', use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[])",
        f"trainer.args = {trainer.config.__name__}(**quiet{shown})",
        f"vars(trainer).update({', '.join(f'{name}={value!r}' for name, value in attributes.items())})",
        body.rstrip(),
    ]
    return "\n".join(lines)


def instance(home: str, name: str, options: Mapping[str, Any], load: str, rewards: bool) -> str:
    """`loss(pairs)` of a class that is called with log-probabilities.

    Args:
        home: the library and its version.
        name: the class.
        options: of its constructor.
        load: lines that define the class.
        rewards: it takes the two rewards alone.
    """
    made = f"{name}({', '.join(f'{k}={v!r}' for k, v in options.items())})"
    call = "*pairs[:2]" if rewards else "*pairs[:4]"
    unpack = "first = lambda value: value[0] if isinstance(value, tuple) else value"
    return "\n".join([PAIRS.rstrip(), load.rstrip() + f"  # {home}", f"made = {made}", unpack, f"loss = lambda pairs: first(made({call}))"])


def _public(cls: Any) -> str:
    """The shortest module from which the class is imported."""
    module = inspect.getmodule(cls)
    name = "trl" if module is None else module.__name__
    return "trl" if name.startswith("trl.trainer.") else name.rpartition(".")[0]
