"""The problem: a tabular contextual bandit with a reference policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from bandits.door import (
    Array,
    as_numpy,
    require_beta,
    require_log_probs,
    require_probs,
    require_reward,
    require_same_shape,
)

__all__ = ["TabularBandit"]


@dataclass(frozen=True, eq=False)
class TabularBandit:
    r"""Finite contexts, finite actions, a reward, a reference policy and the price of leaving it.

    Args:
        context_probs: (X,) rho(x), sums to 1.
        reward: (X, A) r(x, y); -inf forbids an action.
        log_ref: (X, A) log pi_ref(y|x), nats; -inf where the reference has no support.
        beta: reward per nat of KL, > 0.
        tokens: (X, A) response lengths in tokens, for losses that normalise by length; optional.

    Raises:
        ValueError: a row does not sum to 1, a reward is NaN or +inf, beta <= 0, a length is not a positive integer,
            or the shapes do not match. The message names the place and the remedy.

    Source: Rafailov et al. 2023, arXiv:2305.18290, section 3.

    >>> import numpy as np
    >>> bandit = TabularBandit([1.0], [[1.0, 0.0, -1.0]], np.log([[0.5, 0.3, 0.2]]), beta=0.5)
    >>> round(bandit.value(bandit.log_ref), 3)
    0.3
    """

    context_probs: Array
    reward: Array
    log_ref: Array
    beta: float
    tokens: Array | None = None

    if TYPE_CHECKING:  # arguments are admitted as lists too

        def __init__(
            self, context_probs: ArrayLike, reward: ArrayLike, log_ref: ArrayLike, beta: float, tokens: ArrayLike | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        require_beta(self.beta)
        context_probs = require_probs("context_probs", self.context_probs)
        log_ref = require_log_probs("log_ref", self.log_ref)
        reward = as_numpy("reward", self.reward)
        for name, array in (("reward", reward), ("log_ref", log_ref)):
            if array.ndim != 2:
                raise ValueError(f"{name} has shape {array.shape}, expected (X, A): one row per context.")
        require_same_shape(reward=reward, log_ref=log_ref)
        require_reward("reward", reward, log_ref)
        if context_probs.shape != (len(reward),):
            raise ValueError(f"context_probs has shape {context_probs.shape}, expected ({len(reward)},): one weight per row of reward.")
        fields: dict[str, Any] = {
            "context_probs": context_probs,
            "reward": reward,
            "log_ref": log_ref,
            "beta": float(as_numpy("beta", self.beta)),
        }
        if self.tokens is not None:
            tokens = as_numpy("tokens", self.tokens)
            require_same_shape(reward=reward, tokens=tokens)
            bad = ~((tokens >= 1) & (tokens == np.floor(tokens)) & np.isfinite(tokens))
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                raise ValueError(f"tokens is {tokens[where]} at {where}, expected a whole number >= 1.")
            fields["tokens"] = tokens
        for name, value in fields.items():
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def n_contexts(self) -> int:
        """X, the number of contexts."""
        return int(self.reward.shape[0])

    @property
    def n_actions(self) -> int:
        """A, the number of actions."""
        return int(self.reward.shape[1])

    @property
    def support(self) -> np.ndarray:
        """(X, A) True where the reference gives the action probability."""
        return np.asarray(self.log_ref > -np.inf)

    def value(self, log_policy: Any) -> float:
        r"""E_x E_{y~pi}[r(x, y)] - beta E_x KL(pi(.|x) || pi_ref(.|x)), the objective of eq. 3.

        Args:
            log_policy: (X, A) log-probabilities, rows normalised.

        Returns:
            The value in units of reward; -inf where the policy leaves the support of the reference or takes a
            forbidden action.

        Raises:
            ValueError: a row is not normalised, or the shape is not (X, A).

        Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 3.
        """
        log_policy = require_log_probs("log_policy", log_policy)
        require_same_shape(reward=self.reward, log_policy=log_policy)
        return float(self.context_probs @ self.values(log_policy))

    def values(self, log_policy: Array) -> Array:
        """(X,) the objective of eq. 3 in each context, without looking at the arguments again."""
        taken = log_policy > -np.inf
        with np.errstate(invalid="ignore"):
            gain = self.reward - self.beta * (log_policy - self.log_ref)
        infinite = taken & np.isinf(gain)  # the probability may have underflown to 0, which it is not
        terms = np.exp(log_policy) * np.where(taken & ~infinite, gain, 0.0)
        return np.asarray(np.sum(np.where(infinite, gain, terms), axis=-1))

    def replace(self, **changes: Any) -> TabularBandit:
        """The same problem with some fields changed."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return TabularBandit(**{**fields, **changes})

    def __repr__(self) -> str:
        tokens = "" if self.tokens is None else f", tokens={self.tokens.astype(int).tolist()}"
        log_ref = "np.array(" + repr(self.log_ref.tolist()).replace("-inf", "-np.inf") + ")"
        reward = "np.array(" + repr(self.reward.tolist()).replace("-inf", "-np.inf") + ")"
        return f"TabularBandit(context_probs={self.context_probs.tolist()}, reward={reward}, log_ref={log_ref}, beta={self.beta!r}{tokens})"
