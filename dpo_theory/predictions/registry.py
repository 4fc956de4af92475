"""Which predictions there are: one file of this folder for each study."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bandits.experiments.engine import registry as studies

if TYPE_CHECKING:
    from bandits.experiments.engine.plan import Study
    from dpo_theory.predictions.prediction import Prediction

__all__ = ["load", "names", "study"]


def names() -> tuple[str, ...]:
    """Every study's name; none is imported.

    >>> "sample_size" in names()
    True
    """
    return studies.names()


def study(name: str) -> Study:
    """The study of this name."""
    return studies.load(name)


def load(name: str) -> Prediction:
    """The prediction about a study.

    Raises:
        ValueError: there is no such study; the message offers the nearest.

    >>> load("frontier").study
    'frontier'
    """
    studies.load(name)
    prediction: Prediction = import_module(f"dpo_theory.predictions.{name}").PREDICTION
    return prediction
