"""Ways to make one loss of a reconstruction term A and a divergence B: the second document's list, as data."""

TINY = 1e-12


def linear(a, b, alpha, beta):
    """alpha A + beta B; a weight of 1 costs no operator."""
    return (a if alpha == 1 else alpha * a) + (b if beta == 1 else beta * b)


def power(a, b, alpha, beta):
    """A^alpha + B^beta; a tiny constant keeps the gradient finite where B is 0 and beta below 1."""
    return (a + TINY) ** alpha + (b + TINY) ** beta


def exponential(a, b, alpha, beta):
    """exp(alpha A) + exp(beta B)."""
    return (alpha * a).exp() + (beta * b).exp()


FORMS = {"linear": linear, "power": power, "exponential": exponential}
