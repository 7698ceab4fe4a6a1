"""The theorems of implicit semantic data augmentation, against plain NumPy."""

import numpy as np
import pytest

from covering import quick_first
from jgen.losses import isda
from jgen.platform.runtime import jt

N, C, A = 6, 4, 5


@pytest.fixture
def problem():
    generator = np.random.default_rng(3)
    return {
        "features": generator.normal(size=(N, A)).astype(np.float32),
        "weight": generator.normal(size=(C, A)).astype(np.float32),
        "bias": generator.normal(size=C).astype(np.float32),
        "labels": np.array([0, 3, 1, 1, 2, 0], np.int32),
        "variance": generator.uniform(0.1, 2, size=(N, A)).astype(np.float32),
    }


def full_covariances(generator):
    factors = generator.normal(size=(C, A, A))
    return np.einsum("cij,ckj->cik", factors, factors).astype(np.float32)


def test_quadratic_of_examples_equals_a_loop_over_class_pairs(problem):
    weight, variance, labels = problem["weight"], problem["variance"], problem["labels"]
    expected = np.zeros((N, C))
    for n in range(N):
        for c in range(C):
            difference = weight[c] - weight[labels[n]]
            expected[n, c] = difference @ np.diag(variance[n]) @ difference
    got = isda.quadratic_of_examples(jt.array(weight), jt.array(variance), jt.array(labels)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert (got[np.arange(N), labels] == 0).all()


@pytest.mark.parametrize("full", [False, True])
def test_quadratic_of_classes_equals_a_loop_over_class_pairs(problem, full):
    covariance = full_covariances(np.random.default_rng(4))
    given = covariance if full else np.einsum("caa->ca", covariance)
    weight, expected = problem["weight"], np.zeros((N, C))
    for n, y in enumerate(problem["labels"]):
        sigma = covariance[y] if full else np.diag(np.diag(covariance[y]))
        for c in range(C):
            expected[n, c] = (weight[c] - weight[y]) @ sigma @ (weight[c] - weight[y])
    pairs = isda.quadratic_of_classes(jt.array(weight), jt.array(np.ascontiguousarray(given)))
    got = isda.for_labels(pairs, jt.array(problem["labels"])).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def loss_of(problem, variance, strength=1.0):
    features, weight, labels = (jt.array(problem[key]) for key in ("features", "weight", "labels"))
    logits = jt.matmul(features, weight.transpose()) + jt.array(problem["bias"])
    quadratic = isda.quadratic_of_examples(weight, jt.array(variance), labels)
    return isda.cross_entropy(isda.augmented(logits, quadratic, strength), labels).numpy()


def plain_cross_entropy(logits, labels):
    largest = logits.max(-1, keepdims=True)
    log_sum = np.log(np.exp(logits - largest).sum(-1)) + largest[..., 0]
    return log_sum - np.take_along_axis(logits, labels[:, None], -1)[..., 0]


def test_without_covariance_it_is_the_cross_entropy(problem):
    logits = problem["features"] @ problem["weight"].T + problem["bias"]
    expected = plain_cross_entropy(logits, problem["labels"])
    np.testing.assert_allclose(loss_of(problem, np.zeros((N, A), np.float32)), expected, rtol=1e-5)
    np.testing.assert_allclose(loss_of(problem, problem["variance"], strength=0.0), expected, rtol=1e-5)


@pytest.mark.parametrize("strength, slack", [(0.7, np.inf), (0.02, 0.5)])
def test_it_bounds_the_sampled_cross_entropy_from_above(problem, strength, slack):
    generator = np.random.default_rng(5)
    noise = generator.normal(size=(20_000, N, A)) * np.sqrt(strength * problem["variance"])
    logits = (problem["features"] + noise) @ problem["weight"].T + problem["bias"]  # [samples, N, C]
    labels = np.broadcast_to(problem["labels"], logits.shape[:2])
    sampled = np.stack([plain_cross_entropy(logits[:, n], labels[:, n]) for n in range(N)], 1)
    mean, error = sampled.mean(0), sampled.std(0) / np.sqrt(len(sampled))
    bound = loss_of(problem, problem["variance"], strength)
    assert (bound >= mean - 4 * error).all()
    assert (bound <= mean + 4 * error + slack).all()  # tight where the augmentation is small


def test_cross_entropy_survives_huge_logits_and_refuses_bad_labels():
    logits = jt.array(np.array([[1e4, 0, -1e4], [0, 500, 499], [3, 2, 1]], np.float32))
    got = isda.cross_entropy(logits, jt.array(np.array([2, 1, 3], np.int32))).numpy()
    np.testing.assert_allclose(got[:2], [2e4, np.log1p(np.exp(-1))], rtol=1e-5)
    assert np.isnan(got[2])


@pytest.mark.slow
def test_gradients_reach_the_head_the_features_and_the_variance(problem):
    names = ("features", "weight", "bias", "variance")
    leaves = {name: jt.array(problem[name]) for name in names}
    labels = jt.array(problem["labels"])

    def loss():
        logits = jt.matmul(leaves["features"], leaves["weight"].transpose()) + leaves["bias"]
        quadratic = isda.quadratic_of_examples(leaves["weight"], leaves["variance"], labels)
        return isda.cross_entropy(isda.augmented(logits, quadratic), labels).mean()

    gradients = {n: g.numpy() for n, g in zip(names, jt.grad(loss(), [leaves[n] for n in names]))}
    for name in names:
        direction = np.random.default_rng(6).normal(size=problem[name].shape).astype(np.float32)
        values = []
        for step in (1e-2, -1e-2):
            leaves[name] = jt.array(problem[name] + step * direction)
            values.append(float(loss().item()))
        leaves[name] = jt.array(problem[name])
        assert (values[0] - values[1]) / 2e-2 == pytest.approx((gradients[name] * direction).sum(), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("full", quick_first([True, False]))
@pytest.mark.parametrize("order", quick_first([2, 1]))
def test_streaming_covariance_equals_the_pooled_one(full, order):
    generator = np.random.default_rng(7)
    features = (generator.normal(size=(60, A)) * [1, 2, 3, 4, 5] + 4).astype(np.float32)
    labels = np.sort(generator.integers(0, C - 1, 60)).astype(np.int32)  # sorted: classes absent from a batch
    if order == 2:
        shuffled = generator.permutation(60)
        features, labels = features[shuffled], labels[shuffled]
    estimator = isda.ClassCovariance(C, A, full)
    for start, stop in ((0, 7), (7, 8), (8, 40), (40, 60)):
        estimator.update(jt.array(features[start:stop]), jt.array(labels[start:stop]))
    got = estimator.state()
    for c in range(C - 1):
        pooled = np.cov(features[labels == c].T, bias=True)
        np.testing.assert_allclose(got["covariance"][c], pooled if full else np.diag(pooled), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(got["mean"][c], features[labels == c].mean(0), rtol=1e-4)
    assert not got["covariance"][C - 1].any() and list(got["count"]) == list(np.bincount(labels, minlength=C))


def test_an_update_leaves_the_features_their_gradient(problem):
    features = jt.array(problem["features"])
    inner = 2 * features
    isda.ClassCovariance(C, A).update(inner, jt.array(problem["labels"]))
    np.testing.assert_array_equal(jt.grad(inner.sum(), features).numpy(), np.full((N, A), 2, np.float32))


def test_an_estimator_goes_on_exactly_from_its_state():
    generator = np.random.default_rng(8)
    batches = [generator.normal(size=(9, A)).astype(np.float32) for _ in range(2)]
    labels = jt.array(generator.integers(0, C, 9).astype(np.int32))
    through, resumed = isda.ClassCovariance(C, A), isda.ClassCovariance(C, A)
    through.update(jt.array(batches[0]), labels)
    resumed.load_state(through.state())
    for estimator in (through, resumed):
        estimator.update(jt.array(batches[1]), labels)
    for name, array in through.state().items():
        assert array.tobytes() == resumed.state()[name].tobytes()
    with pytest.raises(ValueError, match="covariance"):
        isda.ClassCovariance(C, A, full=True).load_state(through.state())


def test_the_strength_grows_linearly():
    assert [isda.strength(0.5, epoch, 4) for epoch in (1, 2, 4)] == [0.125, 0.25, 0.5]
