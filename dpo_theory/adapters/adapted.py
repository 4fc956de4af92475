"""A loss of an installed library as a loss of PairLogProbs: the library's own code, on plain log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bandits.data import PairLogProbs

__all__ = ["Adapted", "InternalsChanged", "MissingLibrary", "Refused"]

FIELDS = ("policy_chosen", "policy_rejected", "ref_chosen", "ref_rejected")
AGREE = 1e-12
PROBES = (
    PairLogProbs(
        np.array([-1.0, -2.5, -0.75]), np.array([-2.0, -1.5, -3.0]), np.array([-1.5, -2.0, -1.0]), np.array([-1.25, -2.75, -2.0]),
        np.array([3, 2, 5]), np.array([4, 2, 3]),
    ),
    PairLogProbs(
        np.array([-3.0, -0.5, -7.0, -1.25, -2.0]), np.array([-1.0, -0.5, -9.0, -4.0, -2.5]), np.array([-2.0, -1.5, -8.0, -1.0, -2.0]),
        np.array([-1.5, -0.25, -8.0, -6.0, -3.0]), np.array([1, 6, 2, 4, 3]), np.array([2, 6, 5, 1, 4]),
    ),
)  # fmt: skip


class MissingLibrary(ValueError):
    """The library is not installed; the message says how to install it."""


class Refused(ValueError):
    """The library itself refuses these options; the message is the library's."""


class InternalsChanged(ValueError):
    """The installed version is built in another way than this adapter knows: nothing is said about its loss."""


class Adapted:
    """A loss of an installed library.

    Args:
        target: `trl:ipo`, `torchtune:DPOLoss`, ...
        version: of the library.
        options: option -> value, of every option that the loss may see.
        changed: those that were asked for.
        choices: option -> the other values that the library's code knows, where its default does not tell.
        once: PairLogProbs of torch columns (N,) -> what the library returns for that batch, usually the scalar mean.
        unreduced: the same without the mean, or None.
        remake: (changed options) -> Adapted.
        code: (pairs, dtype) -> Python that defines `loss` and `pairs` with the library alone.
        said: what the library warned of when it was given the options.
        rewards: the columns are rewards and not log-probabilities.
    """

    takes = PairLogProbs

    def __init__(
        self,
        target: str,
        version: str,
        options: Mapping[str, Any],
        changed: Mapping[str, Any],
        once: Callable[[PairLogProbs], Any],
        remake: Callable[[Mapping[str, Any]], Adapted],
        code: Callable[[], str],
        *,
        unreduced: Callable[[PairLogProbs], Any] | None = None,
        choices: Mapping[str, tuple[Any, ...]] | None = None,
        said: tuple[str, ...] = (),
        rewards: bool = False,
    ) -> None:
        self.target, self.version, self.options, self.changed = target, version, dict(options), dict(changed)
        self.choices, self.said, self.rewards = dict(choices or {}), said, rewards
        self._once, self._remake, self._code = once, remake, code
        self._unreduced = unreduced
        self.__name__ = repr(self)

    @cached_property
    def per_pair(self) -> bool:
        """A batch gives one loss per pair, the same as the pairs alone; else a batch gives the library's own reduction."""
        return self._unreduced is not None and _agrees(self._once, self._unreduced)

    @cached_property
    def sees_lengths(self) -> bool:
        """The lengths of the completions change the loss of a pair."""
        return _sees_lengths(self._once)

    def replace(self, **changes: Any) -> Adapted:
        """The same loss with other options.

        Raises:
            Refused: the library refuses them.
            ValueError: it has no such option.
        """
        return self._remake({**self.changed, **changes})

    def __call__(self, pairs: PairLogProbs) -> Any:
        """The losses (N,), or the library's reduction of the batch where its pairs see each other.

        Args:
            pairs: torch columns (N,); lengths too for a loss that sees them.

        Raises:
            ValueError: columns of another shape, or lengths that are missing.
        """
        _require(self, pairs)
        if self._unreduced is None or not self.per_pair:
            return self._once(pairs)
        if len(pairs.policy_chosen) == 1:
            return self._once(pairs).reshape(1)
        return self._unreduced(pairs)

    def losses(self, pairs: PairLogProbs) -> Any:
        """(N,) losses: of each pair alone, a batch of one."""
        import torch

        _require(self, pairs)
        rows = range(len(pairs.policy_chosen))
        return torch.stack([_scalar(self._once(_row(pairs, k))) for k in rows])

    def gradients(self, pairs: PairLogProbs) -> Any:
        """(N, 2) derivatives of the losses of single pairs in policy_chosen and policy_rejected, by the library's autograd."""
        import torch

        columns = [pairs.policy_chosen.detach().clone().requires_grad_(), pairs.policy_rejected.detach().clone().requires_grad_()]
        total = self.losses(pairs._replace(policy_chosen=columns[0], policy_rejected=columns[1])).sum()
        found = torch.autograd.grad(total, columns, allow_unused=True)
        return torch.stack([torch.zeros_like(c) if g is None else g for g, c in zip(found, columns, strict=True)], dim=1)

    def batch(self, pairs: PairLogProbs) -> Any:
        """What the library returns for the pairs as one batch: a scalar, most often their mean."""
        return self._once(pairs)

    def code(self) -> str:
        """Python that defines `loss(pairs)` with the library alone, without this package."""
        return self._code()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.changed.items())
        return f"{self.target}({given})" if given else self.target


def _require(loss: Adapted, pairs: PairLogProbs) -> None:
    shape = tuple(getattr(pairs.policy_chosen, "shape", ()))
    for name in FIELDS:
        column = getattr(pairs, name)
        if not hasattr(column, "detach") or column.ndim != 1 or tuple(column.shape) != shape:
            raise ValueError(f"{name} is {_described(column)}, expected a torch tensor of shape (N,) like the other columns.")
    if loss.sees_lengths and (pairs.chosen_tokens is None or pairs.rejected_tokens is None):
        raise ValueError(f"{loss.target} sees the lengths of completions. Pass chosen_tokens and rejected_tokens.")


def _described(column: Any) -> str:
    return f"of shape {tuple(column.shape)}" if hasattr(column, "detach") else f"a {type(column).__name__}"


def _scalar(value: Any) -> Any:
    value = value[0] if isinstance(value, tuple | list) else value
    return value.reshape(())


def _row(pairs: PairLogProbs, k: int) -> PairLogProbs:
    return PairLogProbs(*(None if column is None else column[k : k + 1] for column in pairs))


def _torch(pairs: PairLogProbs, dtype: Any) -> PairLogProbs:
    import torch

    return PairLogProbs(*(torch.tensor(c, dtype=dtype) for c in pairs[:4]), *(torch.tensor(c) for c in pairs[4:6]))


def _agrees(once: Callable[[PairLogProbs], Any], unreduced: Callable[[PairLogProbs], Any]) -> bool:
    """The losses of a batch are those of its pairs alone, on batches of three and of five."""
    import torch

    for dtype, tolerance in ((torch.float64, AGREE), (torch.float32, 1e-5)):
        try:
            for probe in PROBES:
                pairs = _torch(probe, dtype)
                alone = torch.stack([_scalar(once(_row(pairs, k))) for k in range(len(pairs.policy_chosen))])
                together = unreduced(pairs)
                together = together[0] if isinstance(together, tuple | list) else together
                if together.shape != alone.shape or not torch.allclose(together, alone, rtol=tolerance, atol=tolerance):
                    return False
            return True
        except Exception:  # foreign code on a guess: the next precision, or the road that needs no guess
            continue
    return False


def _sees_lengths(once: Callable[[PairLogProbs], Any]) -> bool:
    import torch

    for dtype in (torch.float64, torch.float32):
        pairs = _row(_torch(PROBES[0], dtype), 0)
        try:
            short, long = (
                _scalar(once(pairs._replace(chosen_tokens=torch.tensor([a]), rejected_tokens=torch.tensor([b]))))
                for a, b in ((1, 1), (3, 2))
            )
        except Exception:
            continue
        return not torch.allclose(short, long, rtol=1e-6, atol=0.0)
    return False
