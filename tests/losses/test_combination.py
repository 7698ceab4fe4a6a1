"""The second document's ways to combine two losses equal their formulas in NumPy."""

import numpy as np
import pytest

import reference
from jgen.losses import combination
from jgen.platform.runtime import jt

FORMULAS = {
    "linear": lambda a, b, alpha, beta: alpha * a + beta * b,
    "power": lambda a, b, alpha, beta: a**alpha + b**beta,
    "exponential": lambda a, b, alpha, beta: np.exp(alpha * a) + np.exp(beta * b),
}


@pytest.mark.parametrize("alpha, beta", [(1.0, 1.0), (0.9, 0.8), (2.0, 0.5), (6.0, 6.0)])
@pytest.mark.parametrize("form", list(FORMULAS))
def test_forms_and_their_gradients(form, alpha, beta):
    values = {"a": np.array([1.7]), "b": np.array([0.3])}

    def formula(at):
        return FORMULAS[form](at["a"], at["b"], alpha, beta).item()

    inputs = [jt.array(value.astype(np.float32)) for value in values.values()]
    loss = combination.FORMS[form](*inputs, alpha, beta)
    assert loss.item() == pytest.approx(formula(values), rel=1e-5)
    numeric = reference.numeric_gradient(formula, values, values)
    for gradient, name in zip(jt.grad(loss, inputs), values):
        assert gradient.item() == pytest.approx(numeric[name].item(), rel=1e-4)


def test_every_form_of_the_list_is_tested():
    assert set(FORMULAS) == set(combination.FORMS)
