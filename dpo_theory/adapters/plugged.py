"""A loss of ours as the loss of TRL's DPOTrainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bandits.data import PairLogProbs
from dpo_theory.adapters.adapted import InternalsChanged

__all__ = ["as_trl_trainer"]


def as_trl_trainer(loss: Callable[[PairLogProbs], Any]) -> type:
    """A subclass of TRL's DPOTrainer that trains with this loss; it is constructed and used as DPOTrainer is.

    DPOTrainer computes its loss in a method without a hook, and does not read the `compute_loss_func` of its base class. The subclass
    lets that method run, for the forward passes and everything that is logged, and returns the mean of this loss on the
    log-probabilities that the passes gave. `loss_type`, `beta` and `label_smoothing` of the config then concern the log alone.

    Args:
        loss: PairLogProbs -> (N,), such as `IPO(tau=0.1)`; it sees summed log-probabilities and lengths in tokens.

    Returns:
        The class.

    Raises:
        MissingLibrary: TRL is not installed.
        InternalsChanged: the installed DPOTrainer is built in another way than this adapter knows.
        ValueError: not callable; when it trains, a loss that does not return (N,) numbers, or a model without a reference model.
    """
    from dpo_theory.adapters import trainers

    if not callable(loss):
        raise ValueError(f"{loss!r} is not callable. Pass a loss of PairLogProbs, such as IPO(tau=0.1).")
    base: Any = trainers.trainer("dpo").cls

    class Trainer(base):
        """TRL's DPOTrainer with a loss of PairLogProbs."""

        def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
            policy = _Recorder(model)
            reference, kept = None, vars(self)["ref_model"]
            if not self.precompute_ref_logps:
                if kept is None:
                    raise ValueError("the reference is an adapter that is switched off. Pass precompute_ref_log_probs=True, or ref_model.")
                reference = self.ref_model = _Recorder(kept)
            try:
                returned = super()._compute_loss(policy, inputs, return_outputs)
            finally:
                self.ref_model = kept
            value = _mean(loss, policy, reference, inputs)
            return (value, *returned[1:]) if isinstance(returned, tuple) else value

    Trainer.__name__ = Trainer.__qualname__ = "DPOTrainerWithLoss"
    return Trainer


class _Recorder:
    """A model that remembers the log-probabilities of its first pass."""

    def __init__(self, model: Any) -> None:
        self.model, self.log_probs = model, None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = self.model(*args, **kwargs)
        if self.log_probs is None:
            self.log_probs = getattr(output, "log_probs", None)
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def _mean(loss: Callable[[PairLogProbs], Any], policy: _Recorder, reference: _Recorder | None, inputs: Any) -> Any:
    mask = inputs["completion_mask"][:, 1:]
    sums = [_sums(policy, mask)]
    sums.append(_sums(reference, mask) if reference is not None else (inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]))
    counts = mask.sum(dim=1).chunk(2)
    losses = loss(PairLogProbs(*sums[0], *sums[1], *counts))
    if tuple(losses.shape) != tuple(counts[0].shape):
        raise ValueError(f"the loss returned shape {tuple(losses.shape)} for {len(counts[0])} pairs, expected ({len(counts[0])},).")
    return losses.mean()


def _sums(model: _Recorder, mask: Any) -> Any:
    if model.log_probs is None:
        raise InternalsChanged("the model of the installed DPOTrainer returns no log_probs: as_trl_trainer needs TRL 1.16 or its like.")
    return (model.log_probs[:, -mask.shape[1] :] * mask).sum(dim=1).chunk(2)
