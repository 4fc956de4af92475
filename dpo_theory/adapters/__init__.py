"""Losses of installed training libraries, by their own code, on plain log-probabilities.

Optional: each library is looked for when it is asked for, and nothing of it is imported before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpo_theory.adapters.adapted import Adapted

__all__ = [
    "LIBRARIES",
    "Adapted",
    "InternalsChanged",
    "MissingLibrary",
    "Refused",
    "as_trl_trainer",
    "load",
    "names",
    "openrlhf",
    "torchtune",
    "trl",
]

LIBRARIES = ("trl", "torchtune", "openrlhf")
_HOMES = {
    "Adapted": "adapted",
    "InternalsChanged": "adapted",
    "MissingLibrary": "adapted",
    "Refused": "adapted",
    "as_trl_trainer": "plugged",
}


def trl(name: str, **options: Any) -> Adapted:
    """A loss of the installed TRL: `trl("ipo", beta=0.2, f_divergence_type="js_divergence")`, `trl("cpo.simpo")`, `trl("kto")`.

    Args:
        name: a loss type of DPOTrainer, or FAMILY.TYPE for KTOTrainer, CPOTrainer, ORPOTrainer.
        options: of the trainer's config; for KTO also `kl`, the KL estimate that training takes from mismatched pairs.

    Returns:
        An `Adapted`: PairLogProbs -> (N,), with `losses`, `gradients`, `options`, `replace` and `code`.

    Raises:
        MissingLibrary: TRL is not installed.
        Refused: TRL refuses the options; the message is TRL's.
        InternalsChanged: the installed version is built in another way than this adapter knows.
        ValueError: no such loss, or no such option.
    """
    return load("trl", name, options)


def torchtune(name: str, **options: Any) -> Adapted:
    """A loss class of the installed torchtune, such as `DPOLoss`; see `trl`."""
    return load("torchtune", name, options)


def openrlhf(name: str, **options: Any) -> Adapted:
    """A loss class of the installed OpenRLHF, such as `DPOLoss`; see `trl`."""
    return load("openrlhf", name, options)


def load(library: str, name: str, options: dict[str, Any] | None = None) -> Adapted:
    """A loss of an installed library; see `trl`.

    Args:
        library: one of LIBRARIES.
        name: of the loss.
        options: of its config or constructor.
    """
    if library == "trl":
        from dpo_theory.adapters import trainers

        return trainers.load(name, options)
    from dpo_theory.adapters import classes

    return classes.load(library, name, options)


def names(library: str) -> tuple[str, ...]:
    """Every pair loss of an installed library, found in its installed source.

    Raises:
        MissingLibrary: it is not installed.
        InternalsChanged: it is built in another way than this adapter knows.
    """
    if library == "trl":
        from dpo_theory.adapters import trainers

        return trainers.names()
    from dpo_theory.adapters import classes

    return classes.names(library)


def version(library: str) -> str:
    """The installed version.

    Raises:
        MissingLibrary: it is not installed.
    """
    if library == "trl":
        from dpo_theory.adapters import trainers

        return trainers.installed()
    from dpo_theory.adapters import classes

    return classes.installed(library)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dpo_theory.adapters' has no attribute {name!r}")
    return getattr(import_module(f"dpo_theory.adapters.{_HOMES[name]}"), name)
