"""Wrong cDPO, IPO, hinge and NCA."""

import torch

from dpo_theory._xp import relu, sigmoid, softplus
from dpo_theory.audit.record import wrong
from dpo_theory.losses.cdpo import CDPO
from dpo_theory.losses.hinge import Hinge
from dpo_theory.losses.ipo import IPO
from dpo_theory.losses.nca import NCA

SMOOTHED, SQUARED, HINGED, CONTRAST = CDPO(beta=0.1, epsilon=0.1), IPO(tau=0.1), Hinge(beta=0.1), NCA(beta=0.1)


@wrong(SMOOTHED, "finite-optimum-when-deterministic")
def smoothing_of_the_wrong_sign(pairs, beta=0.1, epsilon=0.1):
    return (1 - epsilon) * softplus(-beta * pairs.margin) - epsilon * softplus(beta * pairs.margin)


@wrong(SMOOTHED, "calibrated")
def smoothing_of_the_wrong_side(pairs, beta=0.1, epsilon=0.1):
    return epsilon * softplus(-beta * pairs.margin) + (1 - epsilon) * softplus(beta * pairs.margin)


@wrong(SMOOTHED, "log2-at-reference")
def smoothing_on_top(pairs, beta=0.1, epsilon=0.1):
    return softplus(-beta * pairs.margin) + epsilon * softplus(beta * pairs.margin)


@wrong(SMOOTHED, "monotone")
def smoothing_inside_the_logarithm(pairs, beta=0.1, epsilon=0.1):
    z = beta * pairs.margin
    return -torch.log((1 - 2 * epsilon) * sigmoid(z) + epsilon)


@wrong(SMOOTHED, "parameters-matter")
def smoothing_ignored(pairs, beta=0.1, epsilon=0.1):
    return 0.9 * softplus(-beta * pairs.margin) + 0.1 * softplus(beta * pairs.margin)


@wrong(SMOOTHED, "same-value", twin=CDPO(beta=0.1, epsilon=0.05))
def smoothing_halved(pairs, beta=0.1, epsilon=0.1):
    return (1 - epsilon / 2) * softplus(-beta * pairs.margin) + epsilon / 2 * softplus(beta * pairs.margin)


@wrong(SMOOTHED, "bounded-below")
def debiased_for_smoothed(pairs, beta=0.1, epsilon=0.1):
    z = beta * pairs.margin
    return ((1 - epsilon) * softplus(-z) - epsilon * softplus(z)) / (1 - 2 * epsilon)


@wrong(SMOOTHED, "vanishing-weight")
def smoothed_margin(pairs, beta=0.1, epsilon=0.1):
    return softplus(-(1 - 2 * epsilon) * beta * pairs.margin)


@wrong(SMOOTHED, "gradient")
def smoothing_detached(pairs, beta=0.1, epsilon=0.1):
    z = beta * pairs.margin
    return (1 - epsilon) * softplus(-z) + epsilon * softplus(z.detach())


@wrong(SQUARED, "calibrated")
def target_of_the_wrong_sign(pairs, tau=0.1):
    return (pairs.margin + 1 / (2 * tau)) ** 2


@wrong(SQUARED, "same-value", twin=IPO(tau=0.05))
def target_without_the_half(pairs, tau=0.1):
    return (pairs.margin - 1 / tau) ** 2


@wrong(SQUARED, "same-value", twin=IPO(tau=10.0))
def tau_inverted(pairs, tau=0.1):
    return (pairs.margin - tau / 2) ** 2


@wrong(SQUARED, "same-value", twin=IPO(tau=0.1))
def half_of_the_square(pairs, tau=0.1):
    return (pairs.margin - 1 / (2 * tau)) ** 2 / 2


@wrong(SQUARED, "same-value", twin=IPO(tau=0.1))
def square_of_the_scaled_margin(pairs, tau=0.1):
    return (tau * pairs.margin - 0.5) ** 2


@wrong(SQUARED, "shift-invariant")
def squares_of_averages(pairs, tau=0.1):
    chosen, rejected = pairs.chosen_log_ratio / pairs.chosen_tokens, pairs.rejected_log_ratio / pairs.rejected_tokens
    return (chosen - rejected - 1 / (2 * tau)) ** 2


@wrong(SQUARED, "margin-only")
def square_for_each_answer(pairs, tau=0.1):
    return (pairs.chosen_log_ratio - 1 / (2 * tau)) ** 2 + (pairs.rejected_log_ratio + 1 / (2 * tau)) ** 2


@wrong(SQUARED, "bounded-gradient")
def absolute_for_squared(pairs, tau=0.1):
    return torch.abs(pairs.margin - 1 / (2 * tau))


@wrong(SQUARED, "bounded-below")
def not_squared(pairs, tau=0.1):
    return 1 / (2 * tau) - pairs.margin


@wrong(SQUARED, "uses-reference")
def square_without_the_reference(pairs, tau=0.1):
    return (pairs.policy_chosen - pairs.policy_rejected - 1 / (2 * tau)) ** 2


@wrong(SQUARED, "monotone")
def square_of_one_side(pairs, tau=0.1):
    return relu(1 / (2 * tau) - pairs.margin) ** 2


@wrong(SQUARED, "borda-order")
def fourth_power(pairs, tau=0.1):
    return (pairs.margin - 1 / (2 * tau)) ** 4


@wrong(SQUARED, "parameters-matter")
def tau_ignored(pairs, tau=0.1):
    return (pairs.margin - 5) ** 2


@wrong(HINGED, "calibrated")
def hinge_at_zero(pairs, beta=0.1):
    return relu(-beta * pairs.margin)


@wrong(HINGED, "bounded-gradient")
def hinge_squared(pairs, beta=0.1):
    return relu(1 - beta * pairs.margin) ** 2


@wrong(HINGED, "monotone")
def hinge_of_the_wrong_sign(pairs, beta=0.1):
    return relu(1 + beta * pairs.margin)


@wrong(HINGED, "bounded-below")
def hinge_that_leaks(pairs, beta=0.1):
    return torch.nn.functional.leaky_relu(1 - beta * pairs.margin, 0.1)


@wrong(HINGED, "scales-with-beta")
def beta_outside_the_hinge(pairs, beta=0.1):
    return beta * relu(1 - pairs.margin)


@wrong(HINGED, "convex")
def smaller_for_larger(pairs, beta=0.1):
    return -relu(-(1 - beta * pairs.margin))


@wrong(HINGED, "uses-reference")
def hinge_without_the_reference(pairs, beta=0.1):
    return relu(1 - beta * (pairs.policy_chosen - pairs.policy_rejected))


@wrong(HINGED, "antisymmetric-gradient")
def hinge_with_likelihood(pairs, beta=0.1):
    return relu(1 - beta * pairs.margin) - 0.1 * pairs.chosen_log_ratio


@wrong(HINGED, "finite-optimum-when-deterministic")
def hinge_smoothed(pairs, beta=0.1):
    return softplus(1 - beta * pairs.margin)


@wrong(HINGED, "convex")
def ramp(pairs, beta=0.1):
    z = beta * pairs.margin
    return relu(1 - z) - relu(-1 - z)


@wrong(HINGED, "same-value", twin=Hinge(beta=0.05))
def hinge_at_two(pairs, beta=0.1):
    return relu(2 - beta * pairs.margin)


@wrong(CONTRAST, "displacement-free")
def noise_forgotten(pairs, beta=0.1):
    return softplus(-beta * pairs.chosen_log_ratio)


@wrong(CONTRAST, "uses-reference")
def contrast_without_the_reference(pairs, beta=0.1):
    chosen, rejected = beta * pairs.policy_chosen, beta * pairs.policy_rejected
    return softplus(-chosen) + (softplus(chosen) + softplus(rejected)) / 2


@wrong(CONTRAST, "monotone")
def noise_of_the_chosen_forgotten(pairs, beta=0.1):
    return softplus(-beta * pairs.chosen_log_ratio) + softplus(beta * pairs.rejected_log_ratio) / 2


@wrong(CONTRAST, "margin-only")
def contrast_of_the_margin(pairs, beta=0.1):
    z = beta * pairs.margin
    return softplus(-z) + (softplus(z) + softplus(-z)) / 2


@wrong(CONTRAST, "bounded-below")
def noise_of_the_wrong_sign(pairs, beta=0.1):
    chosen, rejected = beta * pairs.chosen_log_ratio, beta * pairs.rejected_log_ratio
    return softplus(-chosen) - (softplus(chosen) + softplus(rejected)) / 2


@wrong(CONTRAST, "scales-with-beta")
def beta_on_the_signal_only(pairs, beta=0.1):
    chosen, rejected = pairs.chosen_log_ratio, pairs.rejected_log_ratio
    return softplus(-beta * chosen) + (softplus(chosen) + softplus(rejected)) / 2


@wrong(CONTRAST, "finite")
def contrast_by_log_of_sigmoid(pairs, beta=0.1):
    a, b = beta * pairs.chosen_log_ratio, beta * pairs.rejected_log_ratio
    return -torch.log(torch.sigmoid(a)) - (torch.log(torch.sigmoid(-a)) + torch.log(torch.sigmoid(-b))) / 2


@wrong(CONTRAST, "same-value", excuse="NCA's declared properties hold for every weight of the noise between 0 and 1")
def noise_of_the_rejected_counted_fully(pairs, beta=0.1):
    chosen, rejected = beta * pairs.chosen_log_ratio, beta * pairs.rejected_log_ratio
    return softplus(-chosen) + softplus(chosen) / 2 + softplus(rejected)
