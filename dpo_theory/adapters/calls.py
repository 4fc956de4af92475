"""How the loss of each trainer is called: the inputs that it expects, made of plain log-probabilities."""

from __future__ import annotations

import contextlib
import types
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bandits.data import PairLogProbs

__all__ = ["CALLS", "Call"]


@dataclass(frozen=True)
class Call:
    """How one trainer is called.

    Args:
        methods: those that hold the loss; the first is called.
        own: options of the adapter beside those of the config: quantities that the trainer estimates from other data.
    """

    methods: tuple[str, ...]
    own: Mapping[str, Any] = field(default_factory=dict)

    def fixed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options of the config that follow from how it is called."""
        return {}

    def offers(self, trainer: Any) -> bool:
        """Whether the loss has the options of `own`."""
        return bool(self.own)

    def surroundings(self) -> dict[str, Any]:
        """Attributes that a trainer takes from its model and its processes."""
        from dpo_theory.adapters.stand_ins import Accelerator

        return {
            "accelerator": Accelerator(), "model": types.SimpleNamespace(training=False, is_gradient_checkpointing=False),
            "ref_model": None, "aux_loss_enabled": False, "_metrics": {"train": defaultdict(list), "eval": defaultdict(list)},
            "_stored_metrics": defaultdict(lambda: defaultdict(list)), "_total_train_tokens": 0, "_tp_size": 1,
            "is_encoder_decoder": False, "pad_token_id": 0, "padding_value": 0, "label_pad_token_id": -100,
        }  # fmt: skip

    def run(self, trainer: Any, pairs: PairLogProbs, own: Mapping[str, Any], *, unreduced: bool) -> Any:
        """What the trainer returns for these pairs as one batch; without the mean over pairs where `unreduced`."""
        from dpo_theory.adapters.unreduced import Unreduced

        n = len(pairs.policy_chosen)
        with Unreduced(n) if unreduced and n > 1 else contextlib.nullcontext():
            value = self.returned(trainer, pairs, own)
        for logged in trainer._metrics.values():
            logged.clear()
        return value

    def returned(self, trainer: Any, pairs: PairLogProbs, own: Mapping[str, Any]) -> Any:
        """What the trainer returns."""
        raise NotImplementedError


class Dpo(Call):
    """`DPOTrainer._compute_loss`: reference log-probabilities as inputs, or from a stand-in where tokens are weighted."""

    def fixed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"precompute_ref_log_probs": options.get("ld_alpha") is None}

    def returned(self, trainer: Any, pairs: PairLogProbs, own: Mapping[str, Any]) -> Any:
        import torch

        from dpo_theory.adapters.stand_ins import Model, lengths, masks

        chosen, rejected = lengths(pairs, 1)
        mask = masks([*chosen, *rejected])
        even = getattr(trainer, "ld_alpha", None) is not None or getattr(trainer, "use_weighting", False)
        inputs = {
            "input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
            "ref_chosen_logps": pairs.ref_chosen, "ref_rejected_logps": pairs.ref_rejected,
        }  # fmt: skip
        if not trainer.precompute_ref_logps:
            trainer.ref_model = Model(_output(pairs.ref_chosen, pairs.ref_rejected, mask, even))
        model = Model(_output(pairs.policy_chosen, pairs.policy_rejected, mask, even))
        return trainer._compute_loss(model, inputs, False)


class Kto(Call):
    """`KTOTrainer._compute_loss`: the chosen answers are desirable, the rejected undesirable; the KL estimate is given as a number."""

    def fixed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"precompute_ref_log_probs": True}

    def offers(self, trainer: Any) -> bool:
        return bool(getattr(trainer, "calculate_KL", False))

    def surroundings(self) -> dict[str, Any]:
        from dpo_theory.adapters.stand_ins import Accelerator

        return {**super().surroundings(), "accelerator": Accelerator(drops=False)}

    def returned(self, trainer: Any, pairs: PairLogProbs, own: Mapping[str, Any]) -> Any:
        import torch

        from dpo_theory.adapters.stand_ins import Model, Output, lengths, masks

        chosen, rejected = lengths(pairs, 1)
        mask = masks([*chosen, *rejected])
        n = len(chosen)
        other = torch.full((1, 2), 1)
        inputs = {
            "input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
            "KL_input_ids": other, "KL_attention_mask": other, "KL_completion_mask": masks([1]),
            "label": torch.tensor([True] * n + [False] * n), "ref_logps": torch.cat([pairs.ref_chosen, pairs.ref_rejected]),
            "ref_KL_logps": torch.zeros(1, dtype=pairs.ref_chosen.dtype),
        }  # fmt: skip
        estimate = torch.full((1, 1), float(own.get("kl", 0.0)), dtype=pairs.policy_chosen.dtype)
        mismatched = Output(estimate, estimate)
        model = Model(_output(pairs.policy_chosen, pairs.policy_rejected, mask, False), {1: mismatched})
        return trainer._compute_loss(model, inputs, False)


class WithoutReference(Call):
    """`get_batch_loss_metrics` of CPOTrainer and ORPOTrainer; the step from logits to log-probabilities is replaced, the loss is theirs."""

    def returned(self, trainer: Any, pairs: PairLogProbs, own: Mapping[str, Any]) -> Any:
        import torch

        from dpo_theory.adapters.stand_ins import Model, lengths, masks

        chosen, rejected = lengths(pairs, 1)
        mask = masks([*chosen, *rejected])
        n = len(chosen)
        spread = _output(pairs.policy_chosen, pairs.policy_rejected, mask, True)
        exact = torch.cat([pairs.policy_chosen, pairs.policy_rejected])
        labels = torch.where(mask == 1, 0, -100)
        attention = (mask.flip(1).cumsum(1).flip(1) > 0).long()

        def get_batch_logps(_: Any, labels: Any, average_log_prob: bool = False, **__: Any) -> Any:
            counted = (labels[:, 1:] != -100).sum(dim=1)
            return exact / counted if average_log_prob else exact * 1

        trainer.get_batch_logps = get_batch_logps
        batch: dict[str, Any] = {}
        for k, answer in enumerate(("chosen", "rejected")):
            rows = slice(k * n, (k + 1) * n)
            parts = {"input_ids": torch.zeros_like(mask), "attention_mask": attention, "labels": labels}
            batch |= {f"{answer}_{name}": part[rows] for name, part in parts.items()}
        return trainer.get_batch_loss_metrics(Model(spread), batch, "eval")[0]


def _output(chosen: Any, rejected: Any, mask: Any, even: bool) -> Any:
    import torch

    from dpo_theory.adapters.stand_ins import Output, tokens

    both = torch.cat([chosen, rejected])
    return Output(tokens(both, mask, even=even), tokens(both, mask, even=True))


CALLS: dict[str, Call] = {
    "dpo": Dpo(("_compute_loss",)),
    "kto": Kto(("_compute_loss", "_compute_kl_logps"), {"kl": 0.0}),
    "cpo": WithoutReference(("get_batch_loss_metrics", "cpo_loss", "concatenated_forward")),
    "orpo": WithoutReference(("get_batch_loss_metrics", "odds_ratio_loss", "concatenated_forward")),
}
