"""Training a tiny language model with everything known exactly: where it should go, how far it is, and where the mass went.

The completions of every prompt are enumerated once a step, with gradient, so that losses, rewards and KLs are sums and not estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bandits.data import PairLogProbs
from dpo_theory.lm.enumerate import every_completion
from dpo_theory.lm.setting import Setting
from dpo_theory.losses.dpo import DPO

__all__ = ["DATA", "Snapshot", "Training", "frontier_gap", "train"]

DATA = ("population", "all-pairs", "sampled", "rlhf")
MOST = 600  # completions a prompt: all pairs of them are held


@dataclass(frozen=True)
class Snapshot:
    """Where a policy stands after a step; means over prompts.

    Args:
        step: how many steps were taken.
        loss: of the objective that is trained.
        kl_to_optimum: KL(pi || pi*), nats, pi* the RLHF optimum over all completions.
        kl: KL(pi || pi_ref), nats.
        reward: E_pi[r].
        frontier_gap: an upper bound on how much more reward the same KL can buy, by weak duality.
        chosen, rejected, unseen: the policy's mass on completions seen as chosen, seen only as rejected, never seen.
    """

    step: int
    loss: float
    kl_to_optimum: float
    kl: float
    reward: float
    frontier_gap: float
    chosen: float
    rejected: float
    unseen: float


@dataclass(frozen=True)
class Training:
    """What was trained, on what, and the snapshots."""

    loss: str
    data: str
    parameters: int
    completions: int
    snapshots: tuple[Snapshot, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"schema": "dpo-theory/lm-train", "schema_version": 1, **asdict(self)}

    def to_text(self, width: int | None = None) -> str:
        """One snapshot a line."""
        head = "step   loss       KL to pi*  KL to ref  reward    to frontier  chosen  rejected  unseen"
        lines = [f"{self.loss} on {self.data}, {self.parameters:,} parameters, {self.completions} completions a prompt", "", head]
        lines += [
            f"{s.step:<6d} {s.loss:<10.6f} {s.kl_to_optimum:<10.3e} {s.kl:<10.4f} {s.reward:<9.4f} {s.frontier_gap:<12.3e} "
            f"{s.chosen:<7.4f} {s.rejected:<9.4f} {s.unseen:.4f}"
            for s in self.snapshots
        ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """As JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=2) + "\n"

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")


class _Prompt:
    """One prompt: the completions, what the reference and the reward say about them, and the comparisons to train on."""

    def __init__(self, setting: Setting, prompt: Tensor, data: str, pairs: int, generator: torch.Generator) -> None:
        with torch.no_grad():
            tokens, lengths, (log_ref,) = every_completion([setting.ref], prompt, setting.length, eos=setting.eos)
        self.prompt, self.lengths = prompt, lengths.to(log_ref.dtype)
        self.log_ref, self.reward = log_ref, setting.reward(prompt, tokens).to(log_ref.dtype)
        tilted = log_ref + self.reward / setting.beta
        self.log_z = torch.logsumexp(tilted.double(), dim=0)
        self.log_best = torch.log_softmax(tilted, dim=0)
        self.chosen, self.rejected, self.weight = self._pairs(data, pairs, generator)
        drawn = data in ("all-pairs", "sampled")
        self.seen_chosen = torch.zeros_like(self.reward, dtype=torch.bool)
        self.seen_rejected = self.seen_chosen.clone()
        if drawn:
            self.seen_chosen[self.chosen] = True
            self.seen_rejected[self.rejected] = True
            self.seen_rejected &= ~self.seen_chosen

    def _pairs(self, data: str, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        m = len(self.reward)
        if data == "sampled":
            both = torch.multinomial(self.log_ref.double().exp().cpu(), 2 * pairs, replacement=True, generator=generator).view(2, pairs)
            both = both[:, both[0] != both[1]]
        else:
            both = torch.triu_indices(m, m, offset=1)
        first, second = both.to(self.reward.device)
        wins = torch.sigmoid(self.reward[first] - self.reward[second])
        if data == "population":
            return torch.cat([first, second]), torch.cat([second, first]), torch.cat([wins, 1 - wins]) / len(first)
        if not len(first):
            raise ValueError(f"{pairs} sampled pairs held no two different completions: sample more of them.")
        swap = torch.rand(len(first), generator=generator).to(wins) > wins
        return torch.where(swap, second, first), torch.where(swap, first, second), torch.full_like(wins, 1 / len(first))

    def pairs(self, log_policy: Tensor) -> PairLogProbs:
        w, r = self.chosen, self.rejected
        return PairLogProbs(log_policy[w], log_policy[r], self.log_ref[w], self.log_ref[r], self.lengths[w], self.lengths[r])


def train(
    setting: Setting,
    loss: Callable[[PairLogProbs], Any] | None = None,
    *,
    data: str = "population",
    pairs: int = 64,
    steps: int = 200,
    learning_rate: float | None = None,
    optimiser: str = "lbfgs",
    trainable: str = "all",
    every: int = 25,
    seed: int = 0,
    on_step: Callable[[Snapshot, int], None] | None = None,
) -> Training:
    """Train a copy of the reference and report exactly where it stands.

    Args:
        setting: models, prompts, reward and beta; the policy starts at the reference.
        loss: a pair loss; DPO with the setting's beta by default. Not used where data is `rlhf`.
        data: `population` (every pair, weighted by how often it is won), `all-pairs` (every pair once, its winner drawn), `sampled`
            (`pairs` pairs a prompt, drawn from the reference), or `rlhf` (the exact policy gradient of eq. 3, no pairs).
        pairs: how many pairs are drawn for each prompt.
        steps: of the optimiser, at most.
        learning_rate: of adam; 1e-3 by default.
        optimiser: `lbfgs` (searches along a line, and may end early) or `adam` (with a cosine schedule).
        trainable: `all`, or `head`: only the output matrix moves, so that the policy class is log-linear and cannot reach pi*.
        every: how many steps lie between two snapshots.
        seed: of the drawn pairs and winners.
        on_step: called with (snapshot, steps) after each snapshot.

    Returns:
        A Training with its snapshots, the first before the first step.

    Raises:
        ValueError: an unknown name, more completions than all pairs of them can be held for, or a loss that is not a number.

    >>> from dpo_theory.lm.setting import tiny_setting
    >>> done = train(tiny_setting(vocab=3, length=2, width=16), steps=30, every=30)
    >>> done.snapshots[-1].kl_to_optimum < done.snapshots[0].kl_to_optimum
    True
    """
    choices = (("data", data, DATA), ("optimiser", optimiser, tuple(_MOVERS)), ("trainable", trainable, ("all", "head")))
    for name, value, known in choices:
        if value not in known:
            raise ValueError(f"{name} is {value!r}, expected one of {', '.join(known)}.")
    if steps < 1 or every < 1 or pairs < 1:
        raise ValueError(f"steps, every and pairs are {steps}, {every} and {pairs}, expected at least 1.")
    loss = DPO(setting.beta) if loss is None else loss
    generator = torch.Generator().manual_seed(seed)
    prompts = [_Prompt(setting, prompt, data, pairs, generator) for prompt in setting.prompts]
    completions = len(prompts[0].reward)
    if completions > MOST and data != "rlhf":
        raise ValueError(
            f"{completions} completions a prompt have too many pairs to hold; the most is {MOST}: take fewer tokens or a shorter length."
        )
    policy = deepcopy(setting.ref)
    parameters = list(policy.parameters() if trainable == "all" else policy.head.parameters())
    for parameter in policy.parameters():
        parameter.requires_grad_(any(parameter is p for p in parameters))

    def objective() -> Tensor:
        terms = []
        for one in prompts:
            _, _, (log_policy,) = every_completion([policy], one.prompt, setting.length, eos=setting.eos)
            if data == "rlhf":
                terms.append(-(log_policy.exp() * (one.reward - setting.beta * (log_policy - one.log_ref))).sum())
            else:
                terms.append((loss(one.pairs(log_policy)) * one.weight).sum())
        total = torch.stack(terms).mean()
        if not bool(torch.isfinite(total)):
            raise ValueError(f"the loss is {float(total.detach())}: {loss!r} gives no number on some pair of completions.")
        return total

    snapshots: list[Snapshot] = []

    def note(step: int) -> None:
        snapshots.append(_snapshot(setting, policy, prompts, step, float(objective().detach())))
        if on_step is not None:
            on_step(snapshots[-1], steps)

    note(0)

    def moved(step: int) -> None:
        if step % every == 0 or step == steps:
            note(step)

    taken = _MOVERS[optimiser](objective, parameters, steps, learning_rate, moved)
    if snapshots[-1].step != taken:
        note(taken)
    named = "the exact policy gradient" if data == "rlhf" else repr(loss)
    return Training(named, data, sum(p.numel() for p in parameters), completions, tuple(snapshots))


def _lbfgs(
    objective: Callable[[], Tensor], parameters: list[Any], steps: int, learning_rate: float | None, moved: Callable[[int], None]
) -> int:
    """Quasi-Newton with a line search, by SciPy; ends early where no step lowers the loss any more."""
    from scipy.optimize import minimize

    if learning_rate is not None:
        raise ValueError("lbfgs searches along its line and takes no learning rate. Leave it out, or pass optimiser='adam'.")
    done = 0

    def put(x: np.ndarray) -> None:
        flat = torch.from_numpy(np.array(x)).to(parameters[0])
        with torch.no_grad():
            for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
                parameter.copy_(part.view_as(parameter))

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        put(x)
        total = objective()
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(total, parameters)])
        return float(total.detach()), gradient.double().cpu().numpy()

    def after(x: np.ndarray) -> None:
        nonlocal done
        done += 1
        put(x)
        moved(done)

    start = torch.cat([p.detach().flatten() for p in parameters]).double().cpu().numpy()
    options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": 30, "ftol": 0.0, "gtol": 1e-9}
    put(minimize(value, start, jac=True, method="L-BFGS-B", callback=after, options=options).x)
    return done


def _adam(
    objective: Callable[[], Tensor], parameters: list[Any], steps: int, learning_rate: float | None, moved: Callable[[int], None]
) -> int:
    adam = torch.optim.Adam(parameters, lr=1e-3 if learning_rate is None else learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for step in range(1, steps + 1):
        adam.zero_grad()
        objective().backward()
        adam.step()
        schedule.step()
        moved(step)
    return steps


_MOVERS = {"lbfgs": _lbfgs, "adam": _adam}


@torch.no_grad()
def _snapshot(setting: Setting, policy: Any, prompts: list[_Prompt], step: int, loss: float) -> Snapshot:
    rows = []
    for one in prompts:
        _, _, (log_policy,) = every_completion([policy], one.prompt, setting.length, eos=setting.eos)
        p = log_policy.double().exp()
        kl = float((p * (log_policy - one.log_ref)).sum())
        reward = float((p * one.reward).sum())
        gap = frontier_gap(one.log_ref.double().cpu().numpy(), one.reward.double().cpu().numpy(), kl, reward)
        masses = [float(p[seen].sum()) for seen in (one.seen_chosen, one.seen_rejected, ~(one.seen_chosen | one.seen_rejected))]
        rows.append((float((p * (log_policy - one.log_best)).sum()), kl, reward, gap, *masses))
    return Snapshot(step, loss, *(float(x) for x in np.mean(rows, axis=0)))


def frontier_gap(log_ref: np.ndarray, reward: np.ndarray, kl: float, expected: float) -> float:
    """How much more reward than `expected` a policy with this KL could have, at most.

    It is min over beta of beta (KL + log Z(beta)), minus `expected`: every beta gives a bound by weak duality, so that the value is
    an upper bound wherever the minimisation stops.

    >>> log_ref, reward = np.log([0.5, 0.3, 0.2]), np.array([1.0, 0.0, -1.0])
    >>> 0 <= frontier_gap(log_ref, reward, 0.0, float(np.exp(log_ref) @ reward)) < 1e-6
    True
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    def bound(log_beta: float) -> float:
        beta = float(np.exp(log_beta))
        return beta * (kl + float(logsumexp(log_ref + reward / beta)))

    best = min((bound(x), x) for x in np.linspace(-9.0, 15.0, 97))[1]
    found = minimize_scalar(bound, bounds=(best - 0.25, best + 0.25), method="bounded", options={"xatol": 1e-10})
    return min(float(found.fun), bound(best)) - expected
