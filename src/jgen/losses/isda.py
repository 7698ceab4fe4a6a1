"""Implicit semantic data augmentation (Wang et al., 2019, arXiv:1909.12220): a classifier's loss under infinitely
many augmented features, in closed form.

With features a [A], head W [C, A], b [C], and the covariance Sigma of the augmentations of an example of class y,

    L = CE(z~, y),   z~_c = w_c.a + b_c + (lambda/2) (w_c - w_y)' Sigma (w_c - w_y)

is an upper bound (Jensen) of E[CE(W a~ + b, y)] under a~ ~ N(a, lambda Sigma). It costs no sampling, and works on top
of any network that ends in a linear layer:

    covariance = ClassCovariance(n_classes, n_features, full=True)
    ...
    covariance.update(features, labels)                             # every step, before the loss
    quadratic = for_labels(quadratic_of_classes(head.weight, covariance.covariance), labels)
    loss = cross_entropy(augmented(head(features), quadratic, strength(0.5, epoch, epochs)), labels).mean()

The quadratic form is expanded into matrix products, so the logits make nothing of size N x C x A.
"""

from __future__ import annotations

import numpy as np

from jgen.platform.runtime import jt
from jgen.training import distributed


def one_hot(labels: jt.Var, n_classes: int) -> jt.Var:
    """Labels int [N] -> float32 [N, C]. A label out of range gives a row of zeros."""
    classes = jt.index([labels.shape[0], n_classes], 1)
    return (labels.reshape((-1, 1)).broadcast(classes) == classes).float32()


def log_sum_exp(logits: jt.Var) -> jt.Var:
    """log sum_c exp(logits_c) without overflow, [N, C] -> [N]."""
    largest = logits.max(1, keepdims=True).stop_grad()
    return jt.log(jt.exp(logits - largest).sum(1)) + largest.reshape((-1,))


def softmax(logits: jt.Var) -> jt.Var:
    """Probabilities of logits, [N, C] -> [N, C]."""
    return jt.exp(logits - log_sum_exp(logits).reshape((-1, 1)))


def cross_entropy(logits: jt.Var, labels: jt.Var) -> jt.Var:
    """-log softmax(logits)_y in nats for any finite logits; [N, C], int [N] -> [N]. NaN for a label out of range."""
    chosen = one_hot(labels, logits.shape[1])  # [N, C]
    # Divided by its own sum: a label that selects nothing must not pass for a loss of zero.
    return log_sum_exp(logits) - (logits * chosen).sum(1) / chosen.sum(1)


def augmented(logits: jt.Var, quadratic: jt.Var, strength: float | jt.Var = 1.0) -> jt.Var:
    """z~ = logits + (strength/2) quadratic, all [N, C]; `strength` is lambda, a number or a Var [1]."""
    return logits + 0.5 * strength * quadratic


def quadratic_of_examples(weight: jt.Var, variance: jt.Var, labels: jt.Var) -> jt.Var:
    """(w_c - w_y)' diag(v_n) (w_c - w_y) for each example's own variance; W [C, A], v [N, A], y int [N] -> [N, C]."""
    chosen = one_hot(labels, weight.shape[0])  # [N, C]
    own = jt.matmul(chosen, weight)  # w_y, [N, A]
    weighted = own * variance  # [N, A]
    squares = jt.matmul(variance, (weight * weight).transpose())  # [N, C]
    products = jt.matmul(weighted, weight.transpose())  # [N, C]
    form = squares - 2.0 * products + (weighted * own).sum(1, keepdims=True)
    return form * (1.0 - chosen)  # exactly zero for c = y, where rounding would leave a little


def quadratic_of_classes(weight: jt.Var, covariance: jt.Var) -> jt.Var:
    """(w_c - w_y)' Sigma_y (w_c - w_y) for every pair of classes, [C, C]: row y, column c.

    weight [C, A]; covariance [C, A] for diagonals, or [C, A, A]. Row y belongs to an example of class y:
    `for_labels` picks the rows of a batch.
    """
    n_classes, n_features = weight.shape
    squared = weight * weight
    if len(covariance.shape) == 2:
        weighted = covariance * weight  # Sigma_y w_y, [C, A]
        squares = jt.matmul(covariance, squared.transpose())  # w_c' Sigma_y w_c, [C, C]
        products = jt.matmul(weighted, weight.transpose())  # w_y' Sigma_y w_c, [C, C]
    else:
        stacked = covariance.reshape((n_classes * n_features, n_features))
        mapped = jt.matmul(stacked, weight.transpose()).reshape((n_classes, n_features, n_classes))  # Sigma_y w_c
        squares = (mapped * weight.transpose().unsqueeze(0).broadcast(mapped)).sum(1)
        products = (mapped * weight.unsqueeze(2).broadcast(mapped)).sum(1)
    identity = jt.array(np.eye(n_classes, dtype=np.float32))
    own = (squares * identity).sum(1, keepdims=True)  # w_y' Sigma_y w_y, [C, 1]
    return (squares - 2.0 * products + own) * (1.0 - identity)


def for_labels(per_class: jt.Var, labels: jt.Var) -> jt.Var:
    """Rows of a per-class matrix [C, C] for labels int [N] -> [N, C]."""
    return jt.matmul(one_hot(labels, per_class.shape[0]), per_class)


def strength(maximum: float, epoch: int, epochs: int) -> float:
    """lambda of an epoch (1 .. epochs): grows linearly to `maximum`, as the estimate of the covariance matures."""
    return maximum * epoch / epochs


class ClassCovariance:
    """The covariance (biased, as the paper's) of each class over all features seen so far, in one pass.

    Of several processes that train together, all see what each of them sees.

    update() merges a batch exactly as pooling all samples would; a class absent from a batch keeps its values. The
    statistics carry no gradient. `covariance` is [C, A], or [C, A, A] when `full`; `mean` is [C, A], `count` [C].
    """

    def __init__(self, n_classes, n_features, full=False):
        self.n_classes, self.n_features, self.full = n_classes, n_features, full
        shape = (n_classes, n_features)
        self.shapes = {"count": shape[:1], "mean": shape, "covariance": (*shape, n_features) if full else shape}
        self.load_state({name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()})

    def update(self, features: jt.Var, labels: jt.Var) -> None:
        """Take in features [N, A] of labels int [N]."""
        features = features.detach()  # a copy: stop_grad() would cut the caller's own features off from its loss
        chosen = one_hot(labels, self.n_classes)  # [N, C]
        count = distributed.sum_var(chosen.sum(0))  # [C]
        inverse = 1.0 / jt.maximum(count, 1.0)
        mean = _columns(inverse, 2) * distributed.sum_var(jt.matmul(chosen.transpose(), features))  # [C, A]
        centred = features - jt.matmul(chosen, mean)  # [N, A]
        covariance = distributed.sum_var(self._scatter(chosen, centred))
        covariance = covariance * _columns(inverse, len(covariance.shape))
        total = self.count + count
        ratio = count / jt.maximum(total, 1.0)  # 0 where nothing was seen yet
        shift = self.mean - mean  # [C, A]
        between = shift.unsqueeze(2) * shift.unsqueeze(1) if self.full else shift * shift
        r = _columns(ratio, len(covariance.shape))
        self.covariance = ((1.0 - r) * self.covariance + r * covariance + r * (1.0 - r) * between).stop_grad()
        r = _columns(ratio, 2)
        self.mean = ((1.0 - r) * self.mean + r * mean).stop_grad()
        self.count = total.stop_grad()
        jt.sync([self.covariance, self.mean, self.count])  # left unread for long, their graph would grow

    def _scatter(self, chosen, centred):
        """Sums over each class of (a - m)(a - m)', or of its diagonal."""
        if not self.full:
            return jt.matmul(chosen.transpose(), centred * centred)  # [C, A]
        masked = chosen.unsqueeze(2) * centred.unsqueeze(1)  # [N, C, A]
        masked = masked.reshape((chosen.shape[0], self.n_classes * self.n_features))
        products = jt.matmul(masked.transpose(), centred)
        return products.reshape((self.n_classes, self.n_features, self.n_features))

    def state(self) -> dict[str, np.ndarray]:
        """{"count", "mean", "covariance"} as arrays: all that an exact resume needs."""
        return {name: getattr(self, name).numpy() for name in self.shapes}

    def load_state(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned. Raises ValueError for a missing, unknown or mis-shaped array."""
        if found := sorted(self.shapes.keys() ^ arrays.keys()):
            raise ValueError(f"covariance: {found[0]!r} is missing or unknown")
        for name, shape in self.shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"covariance: {name!r} has shape {arrays[name].shape}, not {shape}")
            setattr(self, name, jt.array(arrays[name].astype(np.float32)).stop_grad())


def _columns(per_class, n_dims):
    """[C] -> [C, 1, …] of n_dims dimensions."""
    return per_class.reshape((-1,) + (1,) * (n_dims - 1))
