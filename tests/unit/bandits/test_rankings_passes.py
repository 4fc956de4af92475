"""Sweeps over rankings against the likelihood written out."""

import numpy as np
import pytest

from bandits.data import Rankings
from bandits.ranking import observed_information
from bandits.rankings_passes import Block, Passes, piece_length, thinned


def blocks(rng, n=6):
    long, short = (np.array([rng.permutation(n)[:k] for _ in range(m)]).T for k, m in ((5, 11), (2, 7)))
    return [
        Block(np.ascontiguousarray(long), rng.random(11), np.array([1.0, 1.0, 1.0, 0.0, 0.0])),
        Block(np.ascontiguousarray(short), rng.random(7), np.array([1.0, 0.0])),
    ]


def value(data, z):
    total = 0.0
    for block in data:
        for column, weight in zip(block.node.T, block.weight, strict=True):
            for k, stage in enumerate(block.stage):
                total += weight * stage * (np.logaddexp.reduce(z[column[k:]]) - z[column[k]])
    return total


@pytest.mark.parametrize("spread", [0.1, 3.0, 100.0])
def test_value_gradient_and_hessian(spread, monkeypatch):
    monkeypatch.setattr("bandits.rankings_passes._CELLS", 12)
    rng = np.random.default_rng(3)
    data, z = blocks(rng), spread * np.linspace(-0.5, 0.5, 6)[rng.permutation(6)]
    passes = Passes(data, (1, 6))
    swept = passes.sweep(z)
    assert swept.value[0] == pytest.approx(value(data, z), abs=1e-14 * swept.magnitude[0])
    hessian = sum(
        observed_information([Rankings(np.zeros(block.node.shape[1], int), block.node.T, block.weight)], z[None], top=block.stages)[0]
        for block in data
    )
    each = np.eye(6)
    np.testing.assert_allclose([passes.times(swept, one) for one in each], hessian, atol=1e-13)
    np.testing.assert_allclose(passes.diagonal(swept), np.diag(hessian), atol=1e-13)
    np.testing.assert_allclose(passes.couplings(swept, 1), np.diag(np.diag(hessian)) - hessian, atol=1e-13)
    step = 1e-5
    slope = [(value(data, z + step * one) - value(data, z - step * one)) / (2 * step) for one in each]
    np.testing.assert_allclose(swept.loss - swept.gain, slope, atol=1e-8)


def test_a_product_belongs_to_its_own_sweep():
    rng = np.random.default_rng(4)
    data = blocks(rng)
    passes, fresh = Passes(data, (1, 6)), Passes(data, (1, 6))
    first = passes.sweep(np.zeros(6))
    passes.sweep(rng.normal(size=6))
    vector = rng.normal(size=6)
    np.testing.assert_allclose(passes.times(first, vector), fresh.times(fresh.sweep(np.zeros(6)), vector), atol=1e-15)


def test_a_part_bends_less():
    rng = np.random.default_rng(5)
    passes = Passes(blocks(rng), (1, 6))
    swept = passes.sweep(rng.normal(size=6))
    assert (passes.couplings(swept, 3) <= passes.couplings(swept, 1) + 1e-16).all()
    assert passes.couplings(swept, 3).sum() > 0


def test_uneven_stages_count_as_they_weigh():
    rng = np.random.default_rng(6)
    data = [block._replace(stage=block.stage * np.linspace(0.5, 2, len(block.stage))) for block in blocks(rng)]
    z = rng.normal(size=6)
    assert Passes(data, (1, 6)).sweep(z).value[0] == pytest.approx(value(data, z), rel=1e-13)


def test_thinning_joins_alike_blocks():
    block = Block(np.arange(12).reshape(2, 6), np.arange(6.0), np.array([1.0, 0.0]))
    (found,) = thinned([block, block], 3)
    assert found.node.tolist() == [[0, 3, 0, 3], [6, 9, 6, 9]]
    assert found.weight.tolist() == [0, 3, 0, 3]
    assert thinned([block], 1) == [block]
    assert piece_length(10, 1000) * 10 >= 1000
