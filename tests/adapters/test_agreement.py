"""Every adapted loss of TRL against a trainer that is really constructed, on a tiny model in memory: 1e-10."""

import warnings

import pytest
import torch

from dpo_theory import adapters
from tests.adapters import really

pytestmark = pytest.mark.filterwarnings("ignore")
TOLERANCE = 1e-10


def _dpo(tmp_path, kind, **options):
    """(trainer's loss, adapter's loss) on one batch of three pairs."""
    from trl import DPOConfig, DPOTrainer

    made = really.trainer(DPOTrainer, DPOConfig, tmp_path, loss_type=[kind], **options)
    policy, ref = really.in_double(made.model), really.in_double(made.ref_model)
    batch = next(iter(made.get_train_dataloader()))
    expected = made.compute_loss(made.model, batch)
    sums = [recorder.last.sum(dim=1) for recorder in (policy, ref)]
    got = adapters.trl(kind, **options).batch(really.pairs(*sums, batch["completion_mask"]))
    return expected.detach(), got


def test_every_dpo_loss_agrees_with_a_really_constructed_trainer(tmp_path, trl_losses):
    kinds = [name for name in trl_losses if "." not in name and name not in ("kto", "orpo")]
    assert len(kinds) >= 10
    for kind in kinds:
        options = {"label_smoothing": 0.1} if kind in ("exo_pair", "robust", "aot", "aot_unpaired") else {}
        expected, got = _dpo(tmp_path, kind, **options, beta=0.3)
        assert expected.dtype == torch.float64
        assert abs(expected - got) <= TOLERANCE * max(1.0, abs(expected)), kind


@pytest.mark.parametrize("divergence", ["forward_kl", "js_divergence"])
def test_f_divergences_agree_with_a_really_constructed_trainer(tmp_path, trl_losses, divergence):
    for kind in ("sigmoid", "ipo", "hinge"):
        expected, got = _dpo(tmp_path, kind, f_divergence_type=divergence)
        assert abs(expected - got) <= TOLERANCE * max(1.0, abs(expected)), kind


@pytest.mark.parametrize("kind", ["kto", "apo_zero_unpaired"])
def test_kto_agrees_with_a_really_constructed_trainer(tmp_path, trl_losses, kind):
    from trl import KTOConfig, KTOTrainer

    rows = [
        {"prompt": r["prompt"], "completion": r[answer], "label": answer == "chosen"}
        for answer in ("chosen", "rejected")
        for r in really.ROWS
    ]
    made = really.trainer(KTOTrainer, KTOConfig, tmp_path, rows=rows, loss_type=kind, undesirable_weight=1.5)
    policy, ref = really.in_double(made.model), really.in_double(made.ref_model)
    batch = next(iter(made.get_train_dataloader()))
    expected = made.compute_loss(made.model, batch).detach()
    order = torch.argsort(~batch["label"].bool(), stable=True)
    sums = [recorder.last.sum(dim=1)[order] for recorder in (policy, ref)]
    estimate = {"kl": made._metrics["eval"]["kl"][-1]} if kind == "kto" else {}
    loss = adapters.trl(kind if kind == "kto" else f"kto.{kind}", undesirable_weight=1.5, **estimate)
    got = loss.batch(really.pairs(*sums, batch["completion_mask"][order]))
    assert abs(expected - got) <= TOLERANCE, (expected, got)


@pytest.mark.parametrize("name", ["cpo.sigmoid", "cpo.hinge", "cpo.ipo", "cpo.simpo", "orpo"])
def test_losses_without_reference_agree_with_a_really_constructed_trainer(tmp_path, trl_losses, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name == "orpo":
            from trl.experimental.orpo import ORPOConfig as Config
            from trl.experimental.orpo import ORPOTrainer as Trainer
        else:
            from trl.experimental.cpo import CPOConfig as Config
            from trl.experimental.cpo import CPOTrainer as Trainer
    kind = {"loss_type": name.partition(".")[2]} if "." in name else {}
    made = really.trainer(Trainer, Config, tmp_path, rows=really.ROWS[1:2], reference=False, **kind)
    batch = next(iter(made.get_train_dataloader()))
    expected, _ = made.get_batch_loss_metrics(made.model, batch, "eval")
    joined = made.concatenated_inputs(batch, padding_value=0)
    counted = (joined["concatenated_labels"] != -100).long()
    policy = really.log_probs(made.model, joined["concatenated_input_ids"], joined["concatenated_attention_mask"], counted)
    got = adapters.load("trl", name).batch(really.pairs(policy, policy, counted))
    tolerance = 1e-6 if name == "orpo" else TOLERANCE  # ORPO casts to float32 inside
    assert abs(expected.detach() - got) <= tolerance * max(1.0, abs(expected.detach())), (expected, got)


@pytest.mark.parametrize("kind", ["hinge", "sft"])
def test_what_the_sweep_says_of_weighting_happens_in_a_really_constructed_trainer(tmp_path, trl_losses, kind):
    from trl import DPOConfig, DPOTrainer

    said = [one.what for one in _sweep(kind) if one.options == {"use_weighting": True}]
    made = really.trainer(DPOTrainer, DPOConfig, tmp_path, loss_type=[kind], use_weighting=True)
    made.model.train()
    batch = next(iter(made.get_train_dataloader()))
    failed = ""
    try:
        made.compute_loss(made.model, batch).backward()
    except RuntimeError as error:
        failed = str(error)
    assert bool(said) == bool(failed), (said, failed)


def _sweep(kind):
    from dpo_theory.adapters.sweep import sweep

    return sweep(adapters.trl(kind))
