"""The identities, tested while a `trl.DPOTrainer` trains."""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING, Any

from dpo_theory.evidence import Report, VerificationError
from dpo_theory.monitor.diagnosis import diagnose
from dpo_theory.monitor.log import records

if TYPE_CHECKING:
    from transformers import TrainerCallback as Base
else:
    try:
        from transformers import TrainerCallback as Base
    except ImportError as missing:
        raise ImportError("DPOTheoryCallback needs transformers and trl: pip install 'dpo-theory[trl]'") from missing

__all__ = ["DPOTheoryCallback"]

LIVE = ("finite", "first-loss", "margin", "jensen", "loss-and-accuracy", "logps-negative")
WATCHED = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected")


class DPOTheoryCallback(Base):
    """Tests what must hold on every batch and in every log line, and says what is wrong.

    On the log alone it needs nothing but `DPOTrainer(..., callbacks=[callback])`. With `callback.attach(trainer)` it sees every batch too,
    and whether the reference is another object than the policy and keeps its values.

    Args:
        on_failure: `warn` (once for each rule) or `raise` (VerificationError, with the report).
        dpo: the loss is -log sigmoid(margin); None asks the trainer's `loss_type`.

    Raises:
        ValueError: another `on_failure`.
        ImportError: transformers is not installed.
    """

    def __init__(self, on_failure: str = "warn", dpo: bool | None = None) -> None:
        if on_failure not in ("warn", "raise"):
            raise ValueError(f"on_failure is {on_failure!r}, expected 'warn' or 'raise'.")
        self.on_failure, self.dpo = on_failure, dpo
        self.history: list[dict[str, Any]] = []
        self.batches = 0
        self.warned: set[str] = set()
        self._reference: dict[str, float] = {}
        self._beta: float | None = None

    def attach(self, trainer: Any) -> DPOTheoryCallback:
        """See every batch of a trainer: wraps its `compute_loss`, which goes on returning what it returned.

        Args:
            trainer: a `trl.DPOTrainer`, before `train()`.

        Raises:
            ValueError: it has no `compute_loss` and metrics as a DPOTrainer has.
        """
        if not hasattr(trainer, "compute_loss") or not hasattr(trainer, "_metrics"):
            raise ValueError(f"{type(trainer).__name__} is no DPOTrainer of trl: it has no compute_loss with metrics.")
        reference = getattr(trainer, "ref_model", None)
        if reference is not None and _unwrapped(reference) is _unwrapped(trainer.model):
            self._fail("reference-apart", "ref_model is the policy itself: one object. Pass a copy, or None to let trl make one.")
        if self.dpo is None:
            self.dpo = _is_dpo(trainer.args)
        self._beta = getattr(trainer.args, "beta", None)
        inner = trainer.compute_loss

        def compute_loss(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            found = inner(model, inputs, *args, **kwargs)
            if model.training:
                self._batch(trainer, inputs, found[0] if isinstance(found, tuple) else found)
            return found

        trainer.compute_loss = compute_loss
        if self not in trainer.callback_handler.callbacks:
            trainer.add_callback(self)
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ask which loss is trained."""
        if self.dpo is None:
            self.dpo = _is_dpo(args)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Test the rules on the log so far."""
        if logs:
            self.history.append({**logs, "step": state.global_step})
            self._tell(self.report(), ())

    def report(self) -> Report:
        """What the log so far says, as `diagnose` would."""
        return diagnose(records(self.history, name="log"), dpo=bool(self.dpo))

    def _batch(self, trainer: Any, inputs: Any, loss: Any) -> None:
        metrics = trainer._metrics["train"]
        seen = {key: metrics[key][-1] for key in WATCHED if metrics.get(key)}
        step = int(trainer.state.global_step)
        record = {**seen, "loss": float(loss.detach()), "step": step if step else 1}
        self.batches += 1
        report = diagnose(records([record], name=f"batch {self.batches}"), dpo=bool(self.dpo))
        skipped = () if step == 0 else ("first-loss",)
        self._tell(report, skipped, f"batch {self.batches}, step {step}")
        self._remember(inputs, seen, step)

    def _remember(self, inputs: Any, seen: dict[str, float], step: int) -> None:
        """The same pairs have the same mean reference log-probability, in any order and at any step: log pi - reward / beta."""
        ids = inputs.get("input_ids")
        if ids is None or not self._beta or "logps/chosen" not in seen or "rewards/chosen" not in seen:
            return
        key = hashlib.sha256(b"".join(sorted(line.tobytes() for line in ids.detach().cpu().numpy()))).hexdigest()
        now = seen["logps/chosen"] - seen["rewards/chosen"] / self._beta
        before = self._reference.setdefault(key, now)
        if abs(now - before) > 1e-3 * max(1.0, abs(before)):
            self._fail(
                "reference-constant",
                f"step {step}: the reference gave this batch {before:.6g} nats before and gives {now:.6g} now: it is trained, shares "
                "weights with the policy, has dropout on, or is synchronised on purpose",
            )

    def _tell(self, report: Report, skipped: tuple[str, ...], where: str = "") -> None:
        for row in report.failed:
            live = not where or row.id in LIVE
            if live and row.id not in skipped:
                found = row.counterexample
                told = (
                    row.reason
                    if found is None
                    else f"{where or found.problem}: expected {found.expected}, got {found.got}: {found.because}"
                )
                self._fail(row.id, told, report)

    def _fail(self, rule: str, told: str, report: Report | None = None) -> None:
        if self.on_failure == "raise":
            raise VerificationError(f"{rule}: {told}" + (f"\n\n{report}" if report is not None else ""))
        if rule not in self.warned:
            self.warned.add(rule)
            warnings.warn(f"dpo-theory, {rule}: {told}", RuntimeWarning, stacklevel=2)


def _is_dpo(args: Any) -> bool:
    """The trainer's loss is -log sigmoid(margin) and nothing else."""
    kind = getattr(args, "loss_type", "sigmoid")
    plain = kind in ("sigmoid", ["sigmoid"]) and not getattr(args, "label_smoothing", 0.0) and not getattr(args, "use_weighting", False)
    divergence = getattr(args, "f_divergence_type", "reverse_kl")
    return bool(plain and getattr(divergence, "value", divergence) == "reverse_kl")


def _unwrapped(model: Any) -> Any:
    return getattr(model, "module", model)
