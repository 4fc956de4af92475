"""Which losses are asked: every loss of the library, some of them once more with other options or other labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from bandits.data import PairLogProbs, RankedLogProbs, ScoredLogProbs
from dpo_theory import losses
from dpo_theory._xp import stacked
from dpo_theory.checks.label import label

__all__ = ["FlippedLabels", "HardLabels", "OfTwo", "Row", "ToReference", "named", "of", "standard"]

ORDER = (
    "DPO", "CDPO", "RobustDPO", "IPO", "Hinge", "RSO", "SLiC", "ExponentialGPO", "TruncatedQuadratic", "Savage", "EXO", "NCA", "InfoNCA",
    "BCOPair", "KTO", "APOZero", "APODown", "SPPO", "AOT", "DiscoPOP", "SimPO", "ORPO", "CPO", "DPOP", "ODPO", "ForwardKLDPO",
    "JensenShannonDPO", "AlphaDivergenceDPO", "ChiPO", "SquaredPO", "XPO", "Unlikelihood", "PreferredFT", "RDPO", "HolderDPO", "RPO",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A loss to ask.

    Args:
        label: the loss with the options that are not its defaults.
        loss: a callable that the checks accept.
    """

    label: str
    loss: Any

    @property
    def shown(self) -> str:
        """The loss with all its options."""
        return label(self.loss)


@dataclass(frozen=True)
class FlippedLabels:
    """A loss whose labels are flipped at the rate that it is told, epsilon: its mean over the flips."""

    loss: Any

    takes: ClassVar[type] = PairLogProbs

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) (1 - epsilon) l(pair) + epsilon l(the pair exchanged)."""
        other = pairs._replace(
            policy_chosen=pairs.policy_rejected, policy_rejected=pairs.policy_chosen,
            ref_chosen=pairs.ref_rejected, ref_rejected=pairs.ref_chosen,
        )  # fmt: skip
        return (1 - self.loss.epsilon) * self.loss(pairs) + self.loss.epsilon * self.loss(other)


@dataclass(frozen=True)
class HardLabels:
    """A loss of scored answers on pairs: the chosen answer is the best one for certain."""

    loss: Any

    takes: ClassVar[type] = PairLogProbs

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) its value for rewards 0 and -inf."""
        policy, ref = stacked(pairs.policy_chosen, pairs.policy_rejected), stacked(pairs.ref_chosen, pairs.ref_rejected)
        never = float("-inf") + 0 * pairs.ref_chosen
        return self.loss(ScoredLogProbs(policy, ref, stacked(0 * pairs.ref_chosen, never)))


@dataclass(frozen=True)
class OfTwo:
    """A loss of rankings on pairs: rankings of two answers."""

    loss: Any

    takes: ClassVar[type] = PairLogProbs

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) its value for the ranking chosen, rejected."""
        policy, ref = stacked(pairs.policy_chosen, pairs.policy_rejected), stacked(pairs.ref_chosen, pairs.ref_rejected)
        return self.loss(RankedLogProbs(policy, ref))


@dataclass(frozen=True)
class ToReference:
    """A loss that knows no reference and sees one difference of log-probabilities, given log-ratios for them."""

    loss: Any

    takes: ClassVar[type] = PairLogProbs

    def __call__(self, pairs: PairLogProbs) -> Any:
        """(N,) its value at the log-ratios."""
        return self.loss(pairs._replace(policy_chosen=pairs.chosen_log_ratio, policy_rejected=pairs.rejected_log_ratio))


def standard() -> tuple[Row, ...]:
    """Every loss of the library and the further rows, losses that belong together next to each other.

    >>> [row.label for row in standard()][:5]
    ['DPO', 'CDPO', 'RobustDPO', 'RobustDPO, labels flipped', 'IPO']
    """
    found: list[Row] = []
    for name in (*ORDER, *(name for name in losses.__all__ if name not in ORDER)):
        made = getattr(losses, name)()
        found += [of(made), *further(made)]
    return tuple(found)


def further(loss: Any) -> tuple[Row, ...]:
    """The same loss with other options or other labels, where properties depend on them."""
    name = type(loss).__name__
    if name == "RobustDPO":
        return (Row("RobustDPO, labels flipped", FlippedLabels(loss)),)
    if name == "InfoNCA":
        return (Row("InfoNCA, hard labels", HardLabels(loss)),)
    options: dict[str, tuple[dict[str, Any], ...]] = {
        "SLiC": ({"nll_weight": 0.0},),
        "CPO": ({"nll_weight": 0.0},),
        "SimPO": ({"gamma": 0.0},),
        "ChiPO": ({"reward_range": 4.0},),
        "XPO": ({"drawn": "chosen"},),
        "Unlikelihood": ({"alpha": 1.0}, {"alpha": 1.5}),
        "HolderDPO": ({"gamma": 1.0},),
    }
    return tuple(of(dataclasses.replace(loss, **given)) for given in options.get(name, ()))


def of(loss: Any) -> Row:
    """The row of a loss: one of rankings is asked on rankings of two.

    >>> of(losses.DPO(beta=0.3)).label, of(losses.PlackettLuceDPO()).label
    ('DPO(beta=0.3)', 'PlackettLuceDPO, rankings of two')
    """
    made = OfTwo(loss) if getattr(loss, "takes", None) is RankedLogProbs else loss
    return Row(_short(loss) + (", rankings of two" if made is not loss else ""), made)


def named(labels: tuple[str, ...] | list[str]) -> tuple[Row, ...]:
    """The rows of `standard` with these labels; upper and lower case are one.

    Raises:
        KeyError: there is none.
    """
    known = {row.label.lower(): row for row in standard()}
    return tuple(known[wanted.lower()] for wanted in labels)


def _short(loss: Any) -> str:
    if not dataclasses.is_dataclass(loss) or isinstance(loss, type):
        return label(loss)
    given = [f for f in dataclasses.fields(loss) if f.init and getattr(loss, f.name) != f.default]
    told = ", ".join(f"{f.name}={getattr(loss, f.name)!r}" for f in given)
    return type(loss).__name__ + (f"({told})" if told else "")
