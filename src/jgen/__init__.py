"""jgen: image generative models on Jittor. CONTRIBUTING.md draws the package; jgen.api is its interface."""

import importlib.util
import sys
import types

__version__ = "1.0.0"
_API = ("Run", "UserError", "export", "load", "train")  # of jgen.api, which is imported at its first use


def __getattr__(name):
    if name in _API:
        from jgen import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Deferred(types.ModuleType):
    """A module that is executed at the first use of one of its names.

    Each deferred module starts Jittor. Without deferral `--help` takes 1.9 s of CPU time instead of 0.3 s, and minutes
    where Jittor is not compiled yet. (importlib's LazyLoader executes a package twice, once for its submodules.)
    """

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = types.ModuleType
        try:
            self.__spec__.loader.exec_module(self)
        except BaseException:
            self.__class__ = _Deferred
            raise
        return getattr(self, name)


def _defer(name):
    """Register jgen.NAME as a deferred module. The main thread must use it first; others decode and download."""
    full_name = f"{__name__}.{name}"
    module = importlib.util.module_from_spec(importlib.util.find_spec(full_name))
    module.__class__ = _Deferred
    sys.modules[full_name] = module
    return module


_defer("losses.distributions")
_defer("losses.gradient_penalty")
_defer("losses.isda")
networks = _defer("networks")
_defer("training.optim")
