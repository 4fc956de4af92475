r"""The PyTorch lines of Appendix B compute eq. 7.

    losses  = -logsigmoid(beta * ((pi_logps[yw] - pi_logps[yl]) - (ref_logps[yw] - ref_logps[yl])))
    rewards = beta * (pi_logps - ref_logps).detach()

with pi_logps, ref_logps the B sequence log-probabilities of a batch and yw, yl the N index pairs into it, any number of them and
in any order. The losses are those of eq. 7 and finite at margins of +-1e4 nats, in float32 they are within 8 ulp of the terms
that are added, the gradient reaches pi_logps through the losses alone, and the rewards carry none.

Why: log-ratios can be taken within an answer or within a model, and -log s(z) = log(1 + e^-z) is computed without e^z.
"""

import numpy as np
import sympy as sp

from bandits.data import PairLogProbs
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import beta, k
from dpo_theory.claims.pairs import N
from dpo_theory.losses import dpo
from dpo_theory.proof import Row, Step, row

B = sp.Symbol("B", integer=True, positive=True)
yw, yl = (sp.IndexedBase(name, integer=True, positive=True) for name in ("yw", "yl"))


def indices(size, rng):
    return {base: [int(i) for i in rng.integers(1, size + 1, size=size)] for base in (yw, yl)}


def derive():
    policy, ref = row("pi", B), row("ref", B)

    def gathered(values, index):
        return Row(lambda k: values[index[k]], N)

    pairs = PairLogProbs(gathered(policy, yw), gathered(policy, yl), gathered(ref, yw), gathered(ref, yl))
    ratios = [gathered(values, yw) - gathered(values, yl) for values in (policy, ref)]
    losses = (beta * (ratios[0] - ratios[1])).each(lambda z: -sp.log(1 / (1 + sp.exp(-z))))
    loss = dpo.DPO(beta)
    yield Step("the losses are eq. 7", losses[k], loss(pairs)[k], "gathered by index", sizes="every N", values=indices)
    rewards = beta * (policy - ref)
    for name, index, part in zip(("chosen", "rejected"), (yw, yl), loss.rewards(pairs), strict=True):
        yield Step(f"the {name} rewards", rewards[index[k]], part[k], "beta h", sizes="every N", values=indices)


def preference_loss(pi_logps, ref_logps, chosen, rejected, price):
    """The lines of Appendix B, with torch's own logsigmoid."""
    import torch

    ratios = (pi_logps[chosen] - pi_logps[rejected]) - (ref_logps[chosen] - ref_logps[rejected])
    return -torch.nn.functional.logsigmoid(price * ratios), price * (pi_logps - ref_logps).detach()


def certify(bandit, rng):
    import torch

    size, number = 7, 11
    pi, ref = -rng.exponential(50.0, size=size), -rng.exponential(50.0, size=size)
    chosen, rejected = rng.integers(size, size=(2, number))
    leaf = torch.tensor(pi, requires_grad=True)
    losses, rewards = preference_loss(leaf, torch.tensor(ref), chosen, rejected, bandit.beta)
    loss = dpo.DPO(bandit.beta)
    pairs = PairLogProbs(pi[chosen], pi[rejected], ref[chosen], ref[rejected])
    scale = 1 + bandit.beta * np.abs(np.stack(pairs[:4])).sum(axis=0)
    yield Measured("losses", loss(pairs), losses.detach().numpy(), scale)
    mine = np.zeros(size)
    for side, part in zip((chosen, rejected), loss.rewards(pairs), strict=True):
        mine[side] = part
    used = np.isin(np.arange(size), np.concatenate([chosen, rejected]))
    yield Measured("rewards", mine[used], rewards.numpy()[used], 1 + bandit.beta * np.abs(pi - ref)[used])
    ours = loss.rewards(PairLogProbs(leaf, leaf, torch.tensor(ref), torch.tensor(ref)))
    yield Measured("tensors of reward that carry a gradient", sum(part.requires_grad for part in (rewards, *ours)), 0)

    losses.sum().backward()
    pull, push = loss.gradient(pairs)
    gradient = np.zeros(size)
    np.add.at(gradient, chosen, pull)
    np.add.at(gradient, rejected, push)
    yield Measured("gradient gathered at each sequence", gradient, leaf.grad.numpy(), number * bandit.beta * scale.max())

    far = np.array([-1e4, 1e4, 0.0])
    with torch.no_grad():
        extreme, _ = preference_loss(torch.tensor([*far, 0.0]), torch.zeros(4), [0, 1, 2], [3, 3, 3], 1.0)
    yield Measured("losses at margins -1e4, 1e4, 0, float32", extreme.numpy(), [1e4, 0.0, np.log(2.0)], 1e4, tolerance=1e-7)
    zero = np.zeros(3)
    yield Measured("the same, float64", dpo.DPO(1.0)(PairLogProbs(far, zero, zero, zero)), [1e4, 0.0, np.log(2.0)], 1e4)
    near = np.array([-40.0, -30.0, -20.1, -19.9, -1.0, 1.0, 19.9, 20.1, 30.0, 40.0])
    exact = np.maximum(-near, 0.0) + np.log1p(np.exp(-np.abs(near)))
    still = torch.zeros(len(near), dtype=torch.float64)
    ours = dpo.DPO(1.0)(PairLogProbs(torch.tensor(near), still, still, still)).numpy()
    yield Measured("eq. 7 on tensors at margins 1 to 40, relative to the loss itself", ours, exact, exact)
    with torch.no_grad():
        low, _ = preference_loss(*(torch.tensor(v, dtype=torch.float32) for v in (pi, ref)), chosen, rejected, bandit.beta)
    ulp = 8 * np.finfo(np.float32).eps
    yield Measured("float32 against float64", low.numpy(), losses.detach().numpy(), scale, tolerance=ulp)


def naive_sigmoid():
    with np.errstate(over="ignore", divide="ignore"):
        margins = np.array([-1e4])
        direct = float(-np.log(1 / (1 + np.exp(-margins)))[0])
    stable = float(dpo.DPO(1.0)(PairLogProbs(margins, np.zeros(1), np.zeros(1), np.zeros(1)))[0])
    return breaks(
        not np.isfinite(direct) and np.isfinite(stable),
        problem="-log(1 / (1 + exp(-z))) at z = -1e4",
        expected=f"{stable:g}",
        got=f"{direct}",
        because="e^10000 overflows; logsigmoid never forms it",
        reproduce=("import numpy as np\nwith np.errstate(all='ignore'):\n    print(-np.log(1 / (1 + np.exp(np.float64(1e4)))))"),
    )


def attached():
    import torch

    pi = torch.tensor([0.0, 0.0], requires_grad=True)
    rewards = 0.1 * (pi - torch.zeros(2))
    return breaks(
        rewards.requires_grad,
        problem="rewards = beta * (pi_logps - ref_logps), without detach",
        expected="a number to log",
        got="a tensor that keeps the graph of the batch alive and passes gradients on",
        because="detach is what makes the rewards a reading",
    )


CLAIM = Claim(
    id="D27",
    aliases=("app-b", "reference-code"),
    statement=__doc__,
    source=Source(PAPER, "App. B, the PyTorch code"),
    assumes=("the log-sigmoid is the stable one", "rewards are detached"),
    derive=derive,
    certify=certify,
    edges={"the log-sigmoid is the stable one": naive_sigmoid, "rewards are detached": attached},
)
