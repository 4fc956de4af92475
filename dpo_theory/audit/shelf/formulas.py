"""DPO with a wrong formula: signs, references, beta, labels, links."""

import numpy as np

from dpo_theory._xp import exp, log_sigmoid, relu, sigmoid, softplus
from dpo_theory.audit.record import wrong
from dpo_theory.losses.dpo import DPO

SPEC = DPO(beta=0.1)
LOG2 = float(np.log(2.0))


@wrong(SPEC, "monotone")
def sign_of_the_margin(pairs, beta=0.1):
    return softplus(beta * pairs.margin)


@wrong(SPEC, "bounded-below")
def sign_of_the_loss(pairs, beta=0.1):
    return -softplus(-beta * pairs.margin)


@wrong(SPEC, "monotone")
def policy_and_reference_exchanged(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((ref_chosen - ref_rejected) - (policy_chosen - policy_rejected)))


@wrong(SPEC, "log-ratio-only")
def answers_exchanged_in_the_policy(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_rejected - policy_chosen) - (ref_chosen - ref_rejected)))


@wrong(SPEC, "log-ratio-only")
def answers_exchanged_in_the_reference(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected) - (ref_rejected - ref_chosen)))


@wrong(SPEC, "uses-reference")
def reference_forgotten(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * (policy_chosen - policy_rejected))


@wrong(SPEC, "uses-reference")
def reference_not_taken(policy_chosen_logps, policy_rejected_logps, beta=0.1):
    return softplus(-beta * (policy_chosen_logps - policy_rejected_logps))


@wrong(SPEC, "log-ratio-only")
def reference_counted_twice(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected) - 2 * (ref_chosen - ref_rejected)))


@wrong(SPEC, "log-ratio-only")
def reference_halved(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * ((policy_chosen - policy_rejected) - 0.5 * (ref_chosen - ref_rejected)))


@wrong(SPEC, "log2-at-reference")
def reference_of_the_chosen_only(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * (policy_chosen - ref_chosen - policy_rejected))


@wrong(SPEC, "log2-at-reference")
def reference_of_the_rejected_twice(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-beta * (policy_chosen - ref_rejected - (policy_rejected - ref_rejected)))


@wrong(SPEC, "scales-with-beta")
def beta_inverted(pairs, beta=0.1):
    return softplus(-pairs.margin / beta)


@wrong(SPEC, "scales-with-beta")
def beta_twice(pairs, beta=0.1):
    return softplus(-beta * beta * pairs.margin)


@wrong(SPEC, "parameters-matter")
def beta_ignored(pairs, beta=0.1):
    return softplus(-0.1 * pairs.margin)


@wrong(SPEC, "parameters-matter")
def beta_missing(pairs, beta=0.1):
    return softplus(-pairs.margin)


@wrong(SPEC, "same-value", twin=DPO(beta=1.0))
def beta_left_out_for_good(pairs):
    return softplus(-pairs.margin)


@wrong(SPEC, "same-value", twin=DPO(beta=10.0))
def beta_inverted_for_good(pairs):
    return softplus(-10.0 * pairs.margin)


@wrong(SPEC, "bt-proper")
def beta_doubled(pairs, beta=0.1):
    return softplus(-2 * beta * pairs.margin)


@wrong(SPEC, "log-ratio-only")
def beta_on_the_policy_only(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    return softplus(-(beta * (policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)))


@wrong(SPEC, "antisymmetric-gradient")
def beta_on_the_chosen_only(pairs, beta=0.1):
    return softplus(-(beta * pairs.chosen_log_ratio - pairs.rejected_log_ratio))


@wrong(SPEC, "log2-at-reference")
def beta_outside(pairs, beta=0.1):
    return beta * softplus(-pairs.margin)


@wrong(SPEC, "log2-at-reference")
def loss_divided_by_beta(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) / beta


@wrong(SPEC, "log2-at-reference")
def logarithm_to_base_2(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) / LOG2


@wrong(SPEC, "normalised-likelihood")
def counted_twice(pairs, beta=0.1):
    return 2 * softplus(-beta * pairs.margin)


@wrong(SPEC, "normalised-likelihood")
def shifted_to_zero_at_the_reference(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) - LOG2


@wrong(SPEC, "log2-at-reference")
def target_margin_left_in(pairs, beta=0.1, gamma=0.5):
    return softplus(gamma - beta * pairs.margin)


@wrong(SPEC, "finite-optimum-when-deterministic")
def smoothing_left_on(pairs, beta=0.1, epsilon=0.1):
    return (1 - epsilon) * softplus(-beta * pairs.margin) + epsilon * softplus(beta * pairs.margin)


@wrong(SPEC, "bounded-below")
def labels_debiased(pairs, beta=0.1, epsilon=0.1):
    z = beta * pairs.margin
    return ((1 - epsilon) * softplus(-z) - epsilon * softplus(z)) / (1 - 2 * epsilon)


@wrong(SPEC, "bounded-gradient")
def exponential_for_logistic(pairs, beta=0.1):
    return LOG2 * exp(-beta * pairs.margin)


@wrong(SPEC, "bounded-gradient")
def square_for_logistic(pairs, beta=0.1):
    return LOG2 * (1 - beta * pairs.margin) ** 2


@wrong(SPEC, "finite-optimum-when-deterministic")
def hinge_for_logistic(pairs, beta=0.1):
    return relu(1 - beta * pairs.margin)


@wrong(SPEC, "flip-robust")
def probability_of_error(pairs, beta=0.1):
    return 2 * LOG2 * sigmoid(-beta * pairs.margin)


@wrong(SPEC, "bt-proper")
def margin_clipped(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-(relu(z + 5) - relu(z - 5) - 5))


@wrong(SPEC, "convex")
def loss_capped(pairs, beta=0.1):
    loss = softplus(-beta * pairs.margin)
    return loss - relu(loss - 3)


@wrong(SPEC, "calibrated")
def absolute_margin(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-(relu(z) + relu(-z)))


@wrong(SPEC, "vanishing-weight")
def margin_rewarded_for_ever(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) - 0.02 * z


@wrong(SPEC, "margin-only")
def likelihood_of_the_chosen_added(pairs, beta=0.1):
    return softplus(-beta * pairs.margin) - 0.1 * pairs.policy_chosen


@wrong(SPEC, "antisymmetric-gradient")
def fall_of_the_chosen_charged(pairs, beta=0.1):
    return softplus(-beta * (pairs.margin - relu(-pairs.chosen_log_ratio)))


@wrong(SPEC, "displacement-free")
def rejected_answer_ignored(pairs, beta=0.1):
    return softplus(-beta * pairs.chosen_log_ratio)


@wrong(SPEC, "displacement-free")
def fine_tuning_on_the_chosen(pairs):
    return -pairs.policy_chosen


@wrong(SPEC, "shift-invariant")
def each_answer_by_itself(pairs, beta=0.1):
    return -log_sigmoid(beta * pairs.chosen_log_ratio) - log_sigmoid(-beta * pairs.rejected_log_ratio)


@wrong(SPEC, "shift-invariant")
def probabilities_for_log_probabilities(pairs, beta=0.1):
    return softplus(-beta * (exp(pairs.policy_chosen) - exp(pairs.policy_rejected) - exp(pairs.ref_chosen) + exp(pairs.ref_rejected)))


@wrong(SPEC, "shift-invariant")
def quotient_of_log_probabilities(pairs, beta=0.1):
    return softplus(-beta * (pairs.policy_chosen / pairs.ref_chosen - pairs.policy_rejected / pairs.ref_rejected))


@wrong(SPEC, "shift-invariant")
def mean_over_tokens(pairs, beta=0.1):
    chosen, rejected = pairs.chosen_log_ratio / pairs.chosen_tokens, pairs.rejected_log_ratio / pairs.rejected_tokens
    return softplus(-beta * (chosen - rejected))


@wrong(SPEC, "length-invariant")
def margin_per_token(pairs, beta=0.1):
    return softplus(-beta * pairs.margin / (pairs.chosen_tokens + pairs.rejected_tokens))


@wrong(SPEC, "log2-at-reference")
def length_leaks_into_the_margin(pairs, beta=0.1):
    return softplus(-beta * (pairs.margin - 0.01 * (pairs.chosen_tokens - pairs.rejected_tokens)))


@wrong(SPEC, "log2-at-reference")
def prompt_scored_with_the_chosen(pairs, beta=0.1):
    prompt = -0.1 * pairs.chosen_tokens
    return softplus(-beta * (pairs.policy_chosen + prompt - pairs.policy_rejected - pairs.ref_chosen + pairs.ref_rejected))


@wrong(SPEC, "margin-only")
def long_answers_count_more(pairs, beta=0.1):
    excess = relu(pairs.chosen_tokens - 32)
    return softplus(-beta * pairs.margin * (1 + excess / 32))
