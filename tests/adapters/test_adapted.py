"""Adapters: options, refusals, per-pair values and gradients, and code that runs with the library alone."""

import numpy as np
import pytest
import torch

from bandits.data import PairLogProbs
from dpo_theory import DPO, IPO, adapters
from dpo_theory.adapters.adapted import PROBES, Adapted
from tests.adapters.conftest import needed

pytestmark = pytest.mark.filterwarnings("ignore")


def columns(probe=PROBES[0]):
    return PairLogProbs(*(torch.tensor(c, dtype=torch.float64) for c in probe[:4]), *(torch.tensor(c) for c in probe[4:6]))


def test_sigmoid_is_dpo_in_value_and_gradient(trl_losses):
    pairs = columns()
    loss = adapters.trl("sigmoid", beta=0.3)
    assert torch.allclose(loss(pairs), DPO(beta=0.3)(pairs), rtol=1e-12)
    slope = -0.3 * torch.sigmoid(-0.3 * pairs.margin)
    assert torch.allclose(loss.gradients(pairs), torch.stack([slope, -slope], dim=1), rtol=1e-12)


def test_every_loss_gives_the_values_of_single_pairs(trl_losses):
    for name in trl_losses:
        try:
            loss = adapters.load("trl", name)
        except adapters.Refused:
            loss = adapters.load("trl", name, {"label_smoothing": 0.1})
        alone = loss.losses(columns())
        assert alone.shape == (3,)
        together = loss(columns())
        if loss.per_pair:
            assert torch.allclose(together, alone, rtol=1e-12), name
        else:
            assert together.shape == (), name


def test_pairs_that_see_each_other_are_found(trl_losses):
    assert not adapters.trl("aot").per_pair
    assert not adapters.trl("sft").per_pair
    assert adapters.trl("ipo").per_pair


def test_ipo_asks_for_lengths_and_averages(trl_losses):
    pairs = columns()
    assert adapters.trl("ipo").sees_lengths
    with pytest.raises(ValueError, match="sees the lengths"):
        adapters.trl("ipo")(pairs._replace(chosen_tokens=None))
    averaged = pairs._replace(
        policy_chosen=pairs.policy_chosen / pairs.chosen_tokens, ref_chosen=pairs.ref_chosen / pairs.chosen_tokens,
        policy_rejected=pairs.policy_rejected / pairs.rejected_tokens, ref_rejected=pairs.ref_rejected / pairs.rejected_tokens,
    )  # fmt: skip
    assert torch.allclose(adapters.trl("ipo", beta=0.2)(pairs), IPO(tau=0.2)(averaged), rtol=1e-12)


def test_what_the_library_refuses_is_said_in_its_words(trl_losses):
    with pytest.raises(adapters.Refused, match="Label smoothing must be greater"):
        adapters.trl("exo_pair")
    with pytest.raises(adapters.Refused, match="f_divergence_type"):
        adapters.trl("nca_pair", f_divergence_type="forward_kl")
    with pytest.raises(ValueError, match="no option 'betta'"):
        adapters.trl("ipo", betta=0.2)
    with pytest.raises(ValueError, match="no loss 'nope'"):
        adapters.trl("nope")
    with pytest.raises(ValueError, match="no option 'kl'"):
        adapters.trl("kto.apo_zero_unpaired", kl=0.1)


def test_a_warning_of_the_library_is_heard(trl_losses):
    assert "label_smoothing" in adapters.trl("cpo.hinge", label_smoothing=0.1).said[0]
    assert adapters.trl("hinge", label_smoothing=0.1).said == ()


@pytest.mark.parametrize(
    "target", ["trl:ipo", "trl:kto", "trl:cpo.simpo", "trl:orpo", "torchtune:DPOLoss", "openrlhf:DPOLoss", "openrlhf:LogExpLoss"]
)
def test_the_code_runs_with_the_library_alone(target):
    library, _, name = target.partition(":")
    needed(library)
    loss = adapters.load(library, name, {"kl": 0.25} if name == "kto" else {})
    code = loss.code()
    assert "dpo_theory" not in code
    assert "bandits" not in code
    space = {}
    exec(code, space)
    pairs = space["Pairs"](*columns()[:6])
    for k in range(3):
        one = space["Pairs"](*(column[k : k + 1] for column in pairs))
        assert torch.allclose(space["loss"](one).reshape(()), loss.losses(columns())[k], rtol=1e-12)


def test_torchtune_and_openrlhf_agree_with_trl(trl_losses):
    needed("torchtune")
    needed("openrlhf")
    expected = adapters.trl("robust", label_smoothing=0.0)(columns())
    for loss in (adapters.torchtune("DPOLoss"), adapters.openrlhf("DPOLoss", beta=0.1)):
        assert loss.per_pair
        assert torch.allclose(loss(columns()), expected, rtol=1e-12)
    assert adapters.openrlhf("PairWiseLoss").rewards


def test_a_wrong_shortcut_is_never_used():
    def once(pairs):
        return pairs.policy_chosen.square().mean()

    def wrong(pairs):
        return pairs.policy_chosen

    made = Adapted("x:y", "0", {}, {}, once, lambda _: None, lambda: "", unreduced=wrong)
    assert not made.per_pair
    assert made(columns()).shape == ()
    assert np.allclose(made.losses(columns()), np.square(PROBES[0].policy_chosen))


def test_columns_of_another_shape_are_refused(trl_losses):
    pairs = columns()
    with pytest.raises(ValueError, match="expected a torch tensor of shape"):
        adapters.trl("sigmoid")(pairs._replace(ref_chosen=pairs.ref_chosen[:, None]))
    with pytest.raises(ValueError, match=r"chosen_tokens\[1\] is 0"):
        adapters.trl("sigmoid")(pairs._replace(chosen_tokens=torch.tensor([1, 0, 2])))


def test_without_the_library_the_message_says_how_to_install_it(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from dpo_theory.adapters import classes, trainers

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(trainers, "version", absent)
    monkeypatch.setattr(classes, "version", absent)
    trainers.trainer.cache_clear()
    with pytest.raises(adapters.MissingLibrary, match=r'pip install "dpo-theory\[trl\]"'):
        adapters.trl("sigmoid")
    with pytest.raises(adapters.MissingLibrary, match="pip install --no-deps torchtune"):
        adapters.torchtune("DPOLoss")
    trainers.trainer.cache_clear()


def test_internals_that_changed_are_skipped_and_never_a_failure(monkeypatch, trl_losses, capsys):
    from dpo_theory.adapters import table, trainers
    from dpo_theory.cli import main

    def changed(name, options=None):
        raise adapters.InternalsChanged("DPOTrainer of trl 99 has no method _compute_loss: the adapter does not know this version.")

    monkeypatch.setattr(trainers, "load", changed)
    row = table.examine("trl", "sigmoid")
    assert row.report is None
    assert "no method _compute_loss" in row.skipped
    assert main(["check", "trl:sigmoid"]) == 3
    assert "SKIPPED" in capsys.readouterr().out


def test_ours_trains_in_trl_and_gives_its_own_loss(tmp_path, trl_losses):
    from trl import DPOConfig

    from tests.adapters import really

    for loss in (DPO(beta=0.3), IPO(tau=0.2)):
        made = really.trainer(adapters.as_trl_trainer(loss), DPOConfig, tmp_path, max_steps=1, learning_rate=1e-3, save_strategy="no")
        policy, ref = really.in_double(made.model), really.in_double(made.ref_model)
        batch = next(iter(made.get_train_dataloader()))
        got = made.compute_loss(made.model, batch)
        sums = [recorder.last.sum(dim=1) for recorder in (policy, ref)]
        assert abs(got - loss(really.pairs(*sums, batch["completion_mask"])).mean()) < 1e-12
        got.backward()
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in made.model.parameters())
