"""Ways to make one loss of a reconstruction term A and a divergence B: the second document's list, as data."""

import typing

Var = typing.Any  # a jittor.Var

TINY = 1e-12


def linear(a: Var, b: Var, alpha: float, beta: float) -> Var:
    """alpha A + beta B; a weight of 1 costs no operator."""
    return (a if alpha == 1 else alpha * a) + (b if beta == 1 else beta * b)


def power(a: Var, b: Var, alpha: float, beta: float) -> Var:
    """A^alpha + B^beta; a tiny constant keeps the gradient finite where B is 0 and beta below 1."""
    return (a + TINY) ** alpha + (b + TINY) ** beta


def exponential(a: Var, b: Var, alpha: float, beta: float) -> Var:
    """exp(alpha A) + exp(beta B)."""
    return (alpha * a).exp() + (beta * b).exp()


FORMS = {"linear": linear, "power": power, "exponential": exponential}
