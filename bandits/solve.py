"""The searches under one name: `maximise_value`, `minimise_loss`, and what they return."""

from __future__ import annotations

from bandits.maximise import maximise_value
from bandits.minimise import minimise_loss
from bandits.regularisers import REGULARISERS, Regulariser
from bandits.solution import Certificate, Solution, Status

__all__ = ["REGULARISERS", "Certificate", "Regulariser", "Solution", "Status", "maximise_value", "minimise_loss"]
