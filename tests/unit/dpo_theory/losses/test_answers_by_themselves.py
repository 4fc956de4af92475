"""InfoNCA, BCO, KTO, APO, SPPO and unpaired AOT: what each answer owes by itself. Known answers, limits, three readings, refusals."""

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from bandits import LabelledLogProbs, PairLogProbs, ScoredLogProbs
from dpo_theory.losses import BCO, CDPO, DPO, KTO, NCA, SPPO, AOTUnpaired, APODown, APOZero, BCOPair, InfoNCA

logps = st.floats(-50.0, -0.01, allow_subnormal=False)
quadruples = st.lists(st.tuples(logps, logps, logps, logps), min_size=1, max_size=5).map(lambda rows: np.array(rows).T)
betas = st.sampled_from([0.125, 0.5, 2.0])
PAIRS = PairLogProbs(*np.array([[-1.0, -2.0, -4.0], [-3.0, -1.0, -4.0], [-2.0, -2.5, -4.0], [-2.0, -2.0, -4.0]]))
POINTWISE = (APODown(beta=0.5), APOZero(beta=0.5), BCOPair(beta=0.5, delta=0.25), SPPO(beta=0.5))


def s(x):
    return 1 / (1 + np.exp(-x))


def at_reference(loss):
    return loss(PairLogProbs(*np.full((4, 1), -3.0)))[0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (APOZero(beta=0.7), 1.0),
        (APODown(beta=0.7), 1.0),
        (BCOPair(beta=0.7), 2 * np.log(2)),
        (BCOPair(beta=0.7, delta=1.0), 2 * np.log1p(np.exp(1.0)) - 1.0),  # sp(1) + sp(-1)
        (SPPO(beta=0.25), 8.0),  # 1 / (2 beta^2)
        (AOTUnpaired(beta=0.7), np.log(2)),
    ],
    ids=repr,
)
def test_the_value_at_the_reference(loss, expected):
    assert at_reference(loss) == pytest.approx(expected, rel=1e-15)


def test_values_by_hand():
    a, b = np.array([1.0, 0.5, 0.0]), np.array([-1.0, 1.0, 0.0])
    np.testing.assert_allclose(APOZero(beta=0.5)(PAIRS), 1 - s(a / 2) + s(b / 2), rtol=1e-15)
    np.testing.assert_allclose(APODown(beta=0.5)(PAIRS), s(a / 2) + 1 - s((a - b) / 2), rtol=1e-15)
    np.testing.assert_allclose(BCOPair(0.5, 0.25)(PAIRS), -np.log(s(a / 2 - 0.25)) - np.log(s(0.25 - b / 2)), rtol=1e-14)
    np.testing.assert_allclose(SPPO(beta=0.5)(PAIRS), (a - 1) ** 2 + (b + 1) ** 2, rtol=1e-15)


@pytest.mark.parametrize("loss", POINTWISE, ids=repr)
def test_three_readings_of_one_formula(loss):
    numbers = loss(PAIRS)
    np.testing.assert_allclose(loss(PairLogProbs(*(torch.tensor(c) for c in PAIRS[:4]))).numpy(), numbers, rtol=1e-14)
    symbols = sp.symbols("a:d", real=True)
    expression = loss(PairLogProbs(*symbols))
    for k in range(3):
        values = {symbol: sp.Rational(float(column[k])) for symbol, column in zip(symbols, PAIRS[:4], strict=True)}
        assert float(expression.subs(values)) == pytest.approx(numbers[k], rel=1e-14)


@given(quadruples, betas, st.floats(-3, 3, allow_subnormal=False))
def test_bco_on_pairs_is_bco_of_both_answers(columns, beta, delta):
    pairs = PairLogProbs(*columns)
    chosen = BCO(beta)(LabelledLogProbs(pairs.policy_chosen, pairs.ref_chosen, True, delta / beta))
    rejected = BCO(beta)(LabelledLogProbs(pairs.policy_rejected, pairs.ref_rejected, False, delta / beta))
    np.testing.assert_allclose(BCOPair(beta, delta)(pairs), chosen + rejected, rtol=1e-12)


@given(quadruples, betas)
def test_nca_is_bco_with_half_of_the_chosen_answer_as_noise(columns, beta):
    pairs = PairLogProbs(*columns)
    a, b = beta * pairs.chosen_log_ratio, beta * pairs.rejected_log_ratio
    halves = np.logaddexp(0, a) / 2 - np.logaddexp(0, b) / 2
    np.testing.assert_allclose(NCA(beta)(pairs), BCOPair(beta)(pairs) + halves, rtol=1e-12, atol=1e-13)


@given(quadruples, betas)
def test_kto_at_baseline_0_on_both_answers_is_apo_zero(columns, beta):
    pairs = PairLogProbs(*columns)
    chosen = KTO(beta)(LabelledLogProbs(pairs.policy_chosen, pairs.ref_chosen, True, 0.0))
    rejected = KTO(beta)(LabelledLogProbs(pairs.policy_rejected, pairs.ref_rejected, np.zeros(len(columns[0])), 0.0))
    np.testing.assert_allclose(APOZero(beta)(pairs), chosen + rejected, rtol=1e-13)


@given(quadruples, betas)
def test_label_noise_only_scales_apo_zero(columns, beta):
    pc, pr, rc, rr = columns
    both = APOZero(beta)(PairLogProbs(pc, pr, rc, rr)) + APOZero(beta)(PairLogProbs(pr, pc, rr, rc))
    np.testing.assert_allclose(both, 2.0, rtol=1e-14)


def test_apo_down_pushes_the_chosen_answer_down_when_the_pair_is_satisfied():
    chosen = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    rest = [torch.tensor([x], dtype=torch.float64) for x in (-40.0, -1.0, -1.0)]
    APODown(beta=0.5)(PairLogProbs(chosen, *rest)).sum().backward()
    assert chosen.grad.item() == pytest.approx(0.5 / 4, rel=1e-6)


def test_the_lowest_apo_zero_risk_on_two_answers_is_inside_the_simplex():
    """Reference 1/2 each, beta 1, desirable rates 0.8 and 0.7: pi_1 = (3 - q)/(2 + 2q), q^2 = 2/3."""
    pi = np.linspace(0.001, 0.999, 99801)
    risk = 0.0
    for share, probability in ((0.8, pi), (0.7, 1 - pi)):
        h = np.log(2 * probability)
        answers = LabelledLogProbs(h, np.zeros_like(h), True, 0.0)
        risk = risk + share * KTO(1.0)(answers) + (1 - share) * KTO(1.0)(answers._replace(desirable=False))
    q = np.sqrt(2 / 3)
    assert pi[np.argmin(risk)] == pytest.approx((3 - q) / (2 + 2 * q), abs=2e-5)


def test_kto_by_hand():
    answers = LabelledLogProbs(np.array([-1.0, -1.0]), np.array([-2.0, -4.0]), [True, False], baseline=2.0)
    loss = KTO(beta=0.5, desirable_weight=2.0, undesirable_weight=3.0)
    np.testing.assert_allclose(loss(answers), [2 * s(0.5), 3 * s(0.5)], rtol=1e-15)


def test_kto_takes_its_reference_point_from_the_batch_and_holds_it_fixed():
    policy = torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64, requires_grad=True)
    ref = torch.tensor([-2.0, -4.0, -3.0], dtype=torch.float64)
    labels = torch.tensor([True, False, True])
    loss = KTO(beta=0.5, reference_point="batch")(LabelledLogProbs(policy, ref, labels))
    given_one = KTO(beta=0.5)(LabelledLogProbs(policy, ref, labels, torch.tensor(1.0, dtype=torch.float64)))
    assert loss.tolist() == given_one.tolist()
    slopes = [torch.autograd.grad(value.sum(), policy, retain_graph=True)[0] for value in (loss, given_one)]
    assert slopes[0].tolist() == slopes[1].tolist()


def test_ktos_batch_reference_point_is_not_below_0():
    policy, ref = np.array([-4.0, -4.0]), np.array([-1.0, -2.0])
    batch = KTO(reference_point="batch")(LabelledLogProbs(policy, ref, [True, False]))
    assert batch.tolist() == KTO()(LabelledLogProbs(policy, ref, [True, False], 0.0)).tolist()


def test_sppo_aims_at_one_step_of_multiplicative_weights():
    for p in (0.5, 0.8, 1.0):
        aim = (p - 0.5) / 0.25
        pairs = PairLogProbs(*np.array([[aim - 9.0], [-aim - 9.0], [-9.0], [-9.0]]), target=np.array([p]))
        assert SPPO(beta=0.25)(pairs)[0] == pytest.approx(0.0, abs=1e-24)
    hard = PAIRS._replace(target=np.ones(3))
    np.testing.assert_array_equal(SPPO(0.5)(hard), SPPO(0.5)(PAIRS))


def test_unpaired_aot_does_not_see_who_stands_beside_whom():
    loss, order = AOTUnpaired(beta=0.5), [2, 0, 1]
    shuffled = PAIRS._replace(policy_rejected=PAIRS.policy_rejected[order], ref_rejected=PAIRS.ref_rejected[order])
    np.testing.assert_array_equal(loss(PAIRS), loss(shuffled))
    expected = np.log1p(np.exp(-0.5 * (np.sort([1.0, 0.5, 0.0]) - np.sort([-1.0, 1.0, 0.0]))))
    np.testing.assert_allclose(loss(PAIRS), expected, rtol=1e-14)
    one = PairLogProbs(*(column[:1] for column in PAIRS[:4]))
    np.testing.assert_array_equal(loss(one), DPO(beta=0.5)(one))
    with pytest.raises(ValueError, match=r"shape \(3, 1\), expected \(N,\)"):
        loss(PairLogProbs(*(column[:, None] for column in PAIRS[:4])))


def scored(policy, reward):
    policy = np.atleast_2d(np.asarray(policy, dtype=float))
    return ScoredLogProbs(policy, np.zeros_like(policy), np.atleast_2d(np.asarray(reward, dtype=float)))


def test_infonca_at_the_reference_is_log_k():
    for k in (1, 2, 5):
        assert InfoNCA(0.3)(scored(np.zeros(k), np.arange(k)))[0] == pytest.approx(np.log(k), abs=1e-15)


@given(quadruples, betas, st.floats(0.5, 20, allow_subnormal=False))
def test_infonca_of_two_answers_is_cdpo_and_in_the_limit_dpo(columns, beta, gap):
    pc, pr, rc, rr = columns
    pairs = PairLogProbs(pc, pr, rc, rr)
    policy, ref = np.stack([pc, pr], -1), np.stack([rc, rr], -1)
    soft = InfoNCA(beta, alpha=2.0)(ScoredLogProbs(policy, ref, np.broadcast_to([gap, 0.0], policy.shape)))
    np.testing.assert_allclose(soft, CDPO(beta, epsilon=s(-gap / 2))(pairs), rtol=1e-9, atol=1e-11)
    hard = InfoNCA(beta)(ScoredLogProbs(policy, ref, np.broadcast_to([0.0, -np.inf], policy.shape)))
    np.testing.assert_allclose(hard, DPO(beta)(pairs), rtol=1e-9, atol=1e-12)


def test_infonca_is_lowest_where_the_implicit_reward_is_the_reward_over_alpha():
    reward, loss = np.array([1.0, -0.5, 0.25]), InfoNCA(beta=0.5, alpha=2.0)
    best = torch.tensor((reward / 2.0 / 0.5)[None], requires_grad=True)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    loss(ScoredLogProbs(best, zero, torch.tensor(reward[None]))).sum().backward()
    assert best.grad.abs().max() < 1e-15
    symbols = np.array(sp.symbols("h1:4", real=True), dtype=object)
    exact = loss(ScoredLogProbs(symbols, np.zeros(3, dtype=object) * sp.S.One, np.array([sp.Integer(1), sp.Integer(0), sp.Integer(2)])))
    numbers = loss(scored([0.5, -1.0, 2.0], [1.0, 0.0, 2.0]))[0]
    assert float(exact.subs(dict(zip(symbols, [0.5, -1.0, 2.0], strict=True)))) == pytest.approx(numbers, rel=1e-13)


@pytest.mark.parametrize("make", [AOTUnpaired, APODown, APOZero, BCO, BCOPair, InfoNCA, KTO, SPPO])
@pytest.mark.parametrize("beta", [0.0, -1.0, np.nan, "1"])
def test_a_bad_beta_is_refused(make, beta):
    with pytest.raises(ValueError, match="beta"):
        make(beta=beta)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InfoNCA(alpha=0.0), "alpha is 0.0"),
        (lambda: BCOPair(delta=np.inf), "delta is inf, expected a finite number"),
        (lambda: BCOPair(delta=[1.0]), r"delta has shape \(1,\)"),
        (lambda: KTO(desirable_weight=0.0), "desirable_weight is 0.0"),
        (lambda: KTO(reference_point="mean"), "reference_point is 'mean', expected one of 'given', 'batch'"),
        (lambda: KTO()(LabelledLogProbs(np.zeros(1), np.zeros(1), [True])), "baseline is missing"),
        (lambda: KTO(reference_point="batch")(LabelledLogProbs(np.zeros(1), np.zeros(1), [True], 0.0)), "the data has a baseline"),
        (
            lambda: KTO(reference_point="batch")(LabelledLogProbs(np.zeros((1, 1)), np.zeros((1, 1)), True)),
            r"shape \(1, 1\), expected \(N,\)",
        ),
        (lambda: BCO()(LabelledLogProbs(np.zeros(2), np.zeros(2), [1, 2])), "desirable holds something else than labels"),
        (lambda: BCO()(LabelledLogProbs(np.zeros(2), np.zeros(2), ["yes", "no"])), "desirable holds something else than labels"),
        (lambda: BCO()(LabelledLogProbs(np.zeros(2), np.zeros(2), [True, False, True])), r"desirable has shape \(3,\), policy \(2,\)"),
        (lambda: BCO()(LabelledLogProbs(np.zeros((2, 1)), np.zeros(2), True)), "shapes do not match"),
        (lambda: InfoNCA()(scored([0.0, 0.0], [1.0, np.nan])), "reward holds NaN"),
        (lambda: InfoNCA()(scored([0.0, 0.0], [-np.inf, -np.inf])), "only rewards of -inf"),
        (lambda: InfoNCA()(scored([0.0, 0.0], [1.0])), r"reward has shape \(1, 1\), policy \(1, 2\)"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_stays(dtype):
    policy, ref = torch.tensor([-1.0, -2.0], dtype=dtype), torch.tensor([-2.0, -1.0], dtype=dtype)
    for labels in ([True, False], torch.tensor([True, False]), np.array([1, 0])):
        assert KTO()(LabelledLogProbs(policy, ref, labels, 0.5)).dtype == dtype
    assert KTO()(LabelledLogProbs(np.float32([-1.0]), np.float32([-2.0]), [True], 0.5)).dtype == np.float32
