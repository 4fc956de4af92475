"""Conjugate gradients on rankings: steps, and bounds that hold."""

import numpy as np
import pytest

from bandits.rankings_pairs import PairedStages
from bandits.rankings_passes import Block
from bandits.rankings_quick import QuickStages, Stalled


def block(rng, actions=30, places=5, number=400):
    some = np.argsort(rng.random((number, actions)), axis=1)[:, :places]
    order = np.take_along_axis(some, np.argsort(some / actions + rng.gumbel(size=some.shape), axis=1), axis=1)
    return Block(np.ascontiguousarray(order.T), np.full(number, 1 / number), np.array([1.0] * (places - 1) + [0.0]))


def models(beta=2.0, **options):
    data = [block(np.random.default_rng(0), **options)]
    shape = (1, options.get("actions", 30))
    return QuickStages(data, shape, np.zeros(shape, int), beta), PairedStages(data, shape, beta)


def test_both_models_see_the_same_loss_and_step():
    quick, paired = models()
    at = np.random.default_rng(1).normal(size=(1, 30))
    one, other = quick.evaluate(at), paired.evaluate(at)
    assert one.value == pytest.approx(other.value, rel=1e-13)
    np.testing.assert_allclose(quick.gradient(one), paired.gradient(other), atol=1e-15)
    move, decrement = paired.step(other)
    step, promised = quick.step(one)
    assert promised == pytest.approx(decrement, rel=0.2)
    assert np.ptp(step - move) < 0.3 * np.ptp(move)


def test_the_bound_holds_on_the_way():
    quick, paired = models()
    at = np.zeros((1, 30))
    for _ in range(20):
        at = at + paired.step(paired.evaluate(at))[0]
    best, seen = at - at.mean(), []
    rng = np.random.default_rng(2)
    for size in (1e-2, 1e-4, 1e-6, 1e-9):
        near = best + size * rng.normal(size=(1, 30))
        bound, gap = quick.error_bound(quick.evaluate(near))
        distance = np.ptp(near - best)
        assert distance <= bound[0] or not np.isfinite(bound[0])
        assert quick.evaluate(near).value[0] - quick.evaluate(best).value[0] <= gap[0] + 1e-14
        seen.append(bound[0] / distance)
    assert np.isfinite(seen[1:]).all()
    assert max(seen[1:]) < 1000
    assert quick.error_bound(quick.evaluate(best))[0][0] < 1e-11


def test_slow_directions_change_no_step_that_is_solved_sharply():
    data = [block(np.random.default_rng(3))]
    plain = QuickStages(data, (1, 30), np.zeros((1, 30), int), 1.0)
    point = plain.evaluate(np.full((1, 30), 0.1) * np.arange(30))
    helped = QuickStages(data, (1, 30), np.zeros((1, 30), int), 1.0, plain.slow_directions(point))
    for model in (plain, helped):
        model.sharp = model.evaluate(np.full((1, 30), 0.1) * np.arange(30))
    one, other = plain.step(plain.sharp)[0], helped.step(helped.sharp)[0]
    assert np.ptp(one - other) < 0.3 * np.ptp(one)


def test_it_gives_up_where_the_strengths_are_far_apart():
    quick, _ = models(beta=1.0)
    with pytest.raises(Stalled):
        quick.evaluate(np.linspace(0, 400, 30)[None])


def test_curvature_is_never_overstated():
    quick, _ = models()
    swept = quick.evaluate(np.random.default_rng(4).normal(size=(1, 30))).local[0]
    hessian = np.stack([quick.passes.times(swept, one) for one in np.eye(30)])
    whole = [(curvature, degree) for curvature, degree in quick._curvatures(swept) if (degree > 0).all()]
    for curvature, degree in whole:
        root = np.sqrt(degree)
        level = np.linalg.svd(root[None])[2][1:]
        assert np.linalg.eigvalsh(level @ (hessian / np.outer(root, root)) @ level.T)[0] >= curvature
    assert len(whole) >= 2
    assert whole[-1][0] > 0
