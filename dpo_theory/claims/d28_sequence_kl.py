r"""The KL of sequences is the sum of the KLs of next tokens.

    KL(pi || pi_ref) = E_{y ~ pi} sum_t KL( pi(. | x, y_<t) || pi_ref(. | x, y_<t) )

for sequences over a finite vocabulary that end, by length T or by an end token. The prefixes are drawn from pi; the token
terms are added, not averaged. Where pi leaves the support of pi_ref both sides are infinite.

Why: log pi/pi_ref of a sequence is that of its first token plus that of the rest. Given the first token, the rest sums to
1, so its KL stands alone; the outer sum is linear. By induction on T for every vocabulary.
"""

from itertools import product

import numpy as np
import sympy as sp

from dpo_theory import optimal
from dpo_theory.claims.claim import PAPER, Claim, Measured, Source, breaks
from dpo_theory.claims.letters import c, expectation, log_policy, log_ref, sums_to_one
from dpo_theory.proof import Row, Step, row

END = 0
LENGTH = 3


def derive():
    rest = row("K")
    yield Step(
        "given a prefix, the log-ratio so far comes out of the mean",
        expectation(log_policy, log_policy - log_ref + c),
        c + optimal.kl_divergence(log_policy, log_ref),
        "what follows a prefix sums to 1",
        facts=(sums_to_one(log_policy),),
        sizes="every V",
    )
    yield Step(
        "first token plus the mean of what follows it",
        expectation(log_policy, log_policy - log_ref + rest),
        optimal.kl_divergence(log_policy, log_ref) + expectation(log_policy, rest),
        "K_i is the KL of the sequences that begin with token i: induction on T",
        sizes="every V",
    )
    second = Row(lambda i: _log_softmax("u", i)), Row(lambda i: _log_softmax("w", i))
    joint = Row(lambda i: _both(log_policy[i], log_ref[i], second[0][i], second[1][i]))
    yield Step(
        "two tokens at once, the second from any logits that depend on the first",
        joint.sum(),
        optimal.kl_divergence(log_policy, log_ref)
        + expectation(log_policy, Row(lambda i: optimal.kl_divergence(second[0][i], second[1][i]))),
        "the sum over all V^2 sequences",
        sizes="every V",
    )


def _log_softmax(name, i):
    """Row over the second token: log-softmax of the logits name[i, .]."""
    base = sp.IndexedBase(name, real=True)
    logits = Row(lambda j: base[i, j])
    return logits - sp.log(logits.each(sp.exp).sum())


def _both(first, first_ref, second, second_ref):
    """sum_j p (log p - log p_ref) over the second token, p the probability of both tokens."""
    return ((first + second).each(sp.exp) * (first + second - first_ref - second_ref)).sum()


class Tree:
    """Random next-token laws for every prefix over V tokens, END among them, at most LENGTH tokens."""

    def __init__(self, log_start, rng):
        self.vocabulary = range(len(log_start))
        self.next = {(): log_start}
        for length in range(1, LENGTH):
            for prefix in product(range(1, len(log_start)), repeat=length):
                logits = rng.normal(scale=2.0, size=len(log_start))
                self.next[prefix] = logits - np.logaddexp.reduce(logits)

    def sequences(self):
        """Every sequence: LENGTH tokens, or fewer with END last."""
        for prefix in self.next:
            for token in self.vocabulary:
                if token == END or len(prefix) == LENGTH - 1:
                    yield (*prefix, token)

    def log_prob(self, tokens):
        """log probability of the tokens, as a sequence or a prefix."""
        return sum(self.next[tokens[:t]][tokens[t]] for t in range(len(tokens)))


def _sequence_kl(policy, ref):
    """By enumeration, and the mean size of its terms."""
    logs = np.array([(policy.log_prob(y), ref.log_prob(y)) for y in policy.sequences()])
    probs = np.exp(logs[:, 0])
    taken = probs > 0
    terms = probs[taken] * (logs[taken, 0] - logs[taken, 1])
    return terms.sum(), np.abs(logs[taken]).sum(axis=1) @ probs[taken]


def _token_kl(policy, ref, drawn_from, mean=False):
    """sum over prefixes of their probability under `drawn_from` times the KL of the next token."""
    total = 0.0
    for prefix, law in policy.next.items():
        share = np.exp(drawn_from.log_prob(prefix)) / (LENGTH if mean else 1)
        total += share * optimal.kl_divergence(law[None], ref.next[prefix][None])[0]
    return total


def certify(bandit, rng):
    if not bandit.support.all():
        return
    start = optimal.optimal_log_policy(bandit.reward, bandit.log_ref, bandit.beta)[0]
    policy, ref = Tree(start, rng), Tree(bandit.log_ref[0], rng)
    whole, scale = _sequence_kl(policy, ref)
    probs = np.exp([policy.log_prob(y) for y in policy.sequences()])
    yield Measured("the sequences' probabilities sum to 1", probs.sum(), 1.0)
    yield Measured("KL over all sequences against the sum over prefixes", _token_kl(policy, ref, policy), whole, scale)


def _two_trees():
    uniform = np.log([0.5, 0.5])
    policy, ref = Tree(np.log([0.1, 0.9]), np.random.default_rng(0)), Tree(uniform, np.random.default_rng(0))
    for prefix in policy.next:
        if prefix:
            policy.next[prefix], ref.next[prefix] = np.log([0.2, 0.8]), uniform
    return policy, ref


def prefixes_from_the_reference():
    policy, ref = _two_trees()
    whole, _ = _sequence_kl(policy, ref)
    other = _token_kl(policy, ref, ref)
    return breaks(
        abs(whole - other) > 0.1,
        problem="two tokens, one of them END, length <= 3; pi goes on with .9, .8, .8, the reference with 1/2",
        expected=f"KL = {whole:.6f}",
        got=f"{other:.6f} with prefixes drawn from the reference",
        because="the reference rarely reaches the prefixes at which pi differs from it",
    )


def averaged_over_tokens():
    policy, ref = _two_trees()
    whole, _ = _sequence_kl(policy, ref)
    other = _token_kl(policy, ref, policy, mean=True)
    return breaks(
        abs(whole - other) > 0.1,
        problem="two tokens, one of them END, length <= 3; pi goes on with .9, .8, .8, the reference with 1/2",
        expected=f"KL = {whole:.6f}",
        got=f"{other:.6f} per token",
        because="a mean over tokens is not a KL of sequences",
    )


CLAIM = Claim(
    id="D28",
    aliases=("sequence-kl",),
    statement=__doc__,
    source=Source(PAPER, "section 6.1, footnote: the sequence-level KL is the sum of the per-timestep KLs"),
    assumes=("prefixes drawn from pi", "added, not averaged"),
    derive=derive,
    certify=certify,
    edges={"prefixes drawn from pi": prefixes_from_the_reference, "added, not averaged": averaged_over_tokens},
)
