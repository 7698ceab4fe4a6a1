"""Operators with gradients of their own: jittor.Function without what it costs a small step."""

from jgen.runtime import jt


class Function:
    """A subclass has `execute`, Vars -> a Var or several, and `grad`, their slopes -> those of the Vars.

    A result that nothing depends on has the slope None, and grad may answer None for a Var that has no gradient; which
    one has, execute knows by x.is_stop_grad(). One object serves one call. jittor.Function is a Module, and takes
    other things than Vars: here a call costs 10 us less, of some 700 that a step of a small network costs besides its
    kernels.
    """

    def __call__(self, *inputs):
        if jt.flags.no_grad:
            return self.execute(*inputs)
        self._differentiable = [not x.is_stop_grad() for x in inputs]
        inputs = [x.tape() if differentiable else x for x, differentiable in zip(inputs, self._differentiable)]
        results = self.execute(*inputs)
        single = isinstance(results, jt.Var)
        taped = [y.tape() for y in ([results] if single else results)]
        differentiable = [x for x, is_so in zip(inputs, self._differentiable) if is_so]
        jt.tape_together(differentiable, taped, self._grad)
        return taped[0] if single else taped

    def _grad(self, *slopes):
        gradients = self.grad(*slopes)
        if isinstance(gradients, jt.Var):
            gradients = (gradients,)
        return [gradient for gradient, is_so in zip(gradients, self._differentiable, strict=True) if is_so]
