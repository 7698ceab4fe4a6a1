"""Operators with gradients of their own, against what jittor.Function says of them."""

import gc

import numpy as np
import pytest

from jgen.kernels.function import Function
from jgen.runtime import jt


class Both(Function):
    """x, y -> x y and x / y; `seen` is what execute and grad were told."""

    def execute(self, x, y):
        self.saved, self.seen = (x, y), [x.is_stop_grad(), y.is_stop_grad()]
        return x * y, x / y

    def grad(self, *slopes):
        self.seen.append([slope is not None for slope in slopes])
        (x, y), (of_product, of_quotient) = self.saved, (0 if slope is None else slope for slope in slopes)
        return of_product * y + of_quotient / y, of_product * x - of_quotient * x / (y * y)


def _leaves():
    return jt.array([3.0]), jt.array([4.0])


def _values(variables):
    return [float(value.item()) for value in variables]


def test_results_and_gradients():
    x, y = _leaves()
    product, quotient = Both()(x, y)
    assert _values([product, quotient]) == [12, 0.75]
    assert _values(jt.grad(product + 16 * quotient, [x, y])) == [8, 0]


def test_a_result_that_nothing_depends_on_has_no_slope():
    x, y = _leaves()
    both = Both()
    _, quotient = both(x, y)
    assert _values(jt.grad(quotient, [x, y])) == [0.25, -0.1875]
    assert both.seen == [False, False, [False, True]]


def test_a_var_without_a_gradient_is_known_and_gets_none():
    x, y = _leaves()
    x.stop_grad()
    both = Both()
    product, _ = both(x, y)
    assert both.seen == [True, False]
    assert _values(jt.grad(product, [x, y])) == [0, 3]


def test_a_single_result_is_a_var_and_its_slope_may_be_too():
    class Square(Function):
        def execute(self, x):
            self.x = x
            return x * x

        def grad(self, slope):
            return 7 * slope * self.x  # no gradient of a square: it must be this that is asked

    (x, _) = _leaves()
    assert _values(jt.grad(Square()(x), [x])) == [21]


def test_the_gradient_is_computed_with_the_values_of_the_call():
    x, y = _leaves()
    first, second = Both()(x, y)[0], Both()(2 * x, y)[0]
    assert _values(jt.grad(first * second, [x, y])) == [2 * 12 * 24 / 3, 2 * 12 * 24 / 4]


def test_without_gradients_nothing_is_kept():
    x, y = _leaves()
    with jt.no_grad():
        product, _ = Both()(x, y)
    assert product.is_stop_grad()


def test_an_answer_for_too_few_vars_is_refused():
    class Short(Both):
        def grad(self, *slopes):
            return slopes[:1]

    x, y = _leaves()
    with pytest.raises(Exception, match="zip"):
        jt.grad(Short()(x, y)[0], [x, y])


def test_what_a_call_saved_is_freed_with_its_graph():
    def step():
        x, y = _leaves()
        return [gradient.numpy() for gradient in jt.grad(Both()(x, y)[0], [x, y])]

    step()
    gc.collect()
    before = jt.liveness_info()["hold_vars"]
    for _ in range(20):
        np.testing.assert_array_equal(step(), [[4], [3]])
    gc.collect()
    assert jt.liveness_info()["hold_vars"] <= before + 2
