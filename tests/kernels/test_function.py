"""Operators with gradients of their own: what holds of jittor.Function holds of the package's."""

import gc

import numpy as np
import pytest

from jgen.kernels.function import Function
from jgen.platform.runtime import jt


def both_of(base):
    class Both(base):
        """x, y -> x y and x / y; `seen` is what execute and grad were told."""

        def execute(self, x, y):
            self.saved, self.seen = (x, y), [x.is_stop_grad(), y.is_stop_grad()]
            return x * y, x / y

        def grad(self, *slopes):
            self.seen.append([slope is not None for slope in slopes])
            (x, y), (of_product, of_quotient) = self.saved, (0 if slope is None else slope for slope in slopes)
            return of_product * y + of_quotient / y, of_product * x - of_quotient * x / (y * y)

    return Both


@pytest.fixture(params=["ours", "jittor's"])
def base(request):
    return Function if request.param == "ours" else jt.Function


@pytest.fixture
def both(base):
    return both_of(base)


def _leaves():
    return jt.array([3.0]), jt.array([4.0])


def _values(variables):
    return [float(value.item()) for value in variables]


def test_results_and_gradients(both):
    x, y = _leaves()
    product, quotient = both()(x, y)
    assert _values([product, quotient]) == [12, 0.75]
    assert _values(jt.grad(product + 16 * quotient, [x, y])) == [8, 0]


def test_a_result_that_nothing_depends_on_has_no_slope(both):
    x, y = _leaves()
    function = both()
    _, quotient = function(x, y)
    assert _values(jt.grad(quotient, [x, y])) == [0.25, -0.1875]
    assert function.seen == [False, False, [False, True]]


def test_a_var_without_a_gradient_is_known_and_gets_none(both):
    x, y = _leaves()
    x.stop_grad()
    function = both()
    product, _ = function(x, y)
    assert function.seen == [True, False]
    assert _values(jt.grad(product, [x, y])) == [0, 3]


def test_a_single_result_is_a_var_and_so_is_its_slope(base):
    class Square(base):
        def execute(self, x):
            self.x = x
            return x * x

        def grad(self, slope):
            return 7 * slope * self.x  # no gradient of a square: it must be this that is asked

    x, _ = _leaves()
    assert _values(jt.grad(Square()(x), [x])) == [21]


def test_no_answer_for_the_only_var_is_no_gradient(base):
    class Constant(base):
        def execute(self, x):
            return 2 * x

        def grad(self, slope):
            return None

    x, _ = _leaves()
    assert _values(jt.grad(Constant()(x) + x, [x])) == [1]


def test_gradients_pass_through_one_after_the_other(both):
    x, y = _leaves()
    first, second = both()(x, y)[0], both()(2 * x, y)[0]
    assert _values(jt.grad(first * second, [x, y])) == [2 * 12 * 24 / 3, 2 * 12 * 24 / 4]
    assert _values(jt.grad(both()(both()(x, y)[0], y)[0], [x, y])) == [16, 24]  # x y^2


def test_one_within_another_is_a_part_of_it(base, both):
    class Outer(base):
        def execute(self, x, y):
            self.saved = x, y
            return both()(x, y)[0]

        def grad(self, slope):
            return 10 * slope, 100 * slope

    x, y = _leaves()
    product = Outer()(x, y)
    assert _values([product, *jt.grad(product, [x, y])]) == [12, 10, 100]


def test_where_gradients_are_off_the_results_have_none(both):
    x, y = _leaves()
    with jt.no_grad():
        product, _ = both()(x, y)
    assert product.is_stop_grad() and _values([product]) == [12]


def test_an_answer_for_too_few_vars_is_refused():
    class Short(both_of(Function)):
        def grad(self, *slopes):
            return slopes[:1]

    x, y = _leaves()
    with pytest.raises(Exception, match="zip"):
        jt.grad(Short()(x, y)[0], [x, y])


@pytest.mark.slow
def test_what_a_call_saved_is_freed_with_its_graph(both):
    def step():
        x, y = _leaves()
        return [gradient.numpy() for gradient in jt.grad(both()(x, y)[0], [x, y])]

    step()
    gc.collect()
    before = jt.liveness_info()["hold_vars"]
    for _ in range(20):
        np.testing.assert_array_equal(step(), [[4], [3]])
    gc.collect()
    assert jt.liveness_info()["hold_vars"] <= before + 2
