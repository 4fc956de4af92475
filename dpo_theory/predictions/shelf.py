"""Methods and losses that studies compare, under the names that their records carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["losses", "methods"]


def losses(names: Iterable[str]) -> dict[str, Callable[[float], Any]]:
    """Makers beta -> loss, by name.

    Args:
        names: any of dpo, ipo, cdpo, robust dpo, hinge, nca.

    Raises:
        ValueError: another name.

    >>> losses(["dpo"])["dpo"](0.5)
    DPO(beta=0.5)
    """
    from functools import partial

    from dpo_theory import losses as library

    makers: dict[str, Callable[[float], Any]] = {
        "dpo": library.DPO,
        "ipo": library.IPO,
        "cdpo": partial(library.CDPO, epsilon=0.1),
        "robust dpo": partial(library.RobustDPO, epsilon=0.1),
        "hinge": library.Hinge,
        "nca": library.NCA,
    }
    return _chosen(makers, names, "loss")


def methods(names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Methods (problem, data, rng) -> log-policy, by name: those of `bandits.experiments.methods`, and one for each loss.

    Raises:
        ValueError: no method has such a name.

    >>> sorted(methods(["dpo", "rlhf"]))
    ['dpo', 'rlhf']
    """
    from bandits.experiments.methods import shelf
    from bandits.experiments.methods.losses import Minimises
    from bandits.experiments.methods.online import Online

    by_loss = losses(("dpo", "ipo", "cdpo", "robust dpo", "hinge", "nca"))
    known: dict[str, Callable[..., Any]] = {name: Minimises(make) for name, make in by_loss.items()}
    known |= shelf.METHODS
    known["online dpo"] = Online(losses(["dpo"])["dpo"])
    return _chosen(known, names, "method")


def _chosen(known: dict[str, Any], names: Iterable[str], kind: str) -> dict[str, Any]:
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no {kind} {name!r} on the shelf. There are {', '.join(known)}.")
    return {name: known[name] for name in wanted}
