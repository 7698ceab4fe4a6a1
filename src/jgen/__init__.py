"""jgen: image generative models on Jittor.

    models/        one paper, one file
    losses/        distributions and their divergences, ISDA, the CVAE's combinations, the corruption of a denoising AE
    networks/      encoders, decoders, generator, critic
    kernels/       fused operators, each with its NumPy definition
    data/          bytes on disk -> x uint8 [N, C, H, W], y int64 [N]
    training/      the interface of a model, the training loop, optimizers, several processes
    runs/          run directory, configuration, checkpoint, metrics, finished runs
    pictures/      grids, films, curves, drawings of networks
    exploration/   pictures of a finished run
    evaluation/    numbers about a finished run, each with its protocol
    judges/        classifiers that label and compare images independently of the models
    augmentation/  more images of a labelled folder, and whether they help
    platform/      makes `import jittor` work anywhere; GPU, process, files
    cli/           command lines, exit codes, signals
    api            train, load, export: the package as a library
    config         a model's frozen dataclass -> command line -> config.json, and back
    random         every random number, keyed by seed and purpose
    errors         what the user can fix

The reproduction of the five source documents, src/reproduction, uses this package. tests/test_import_rule.py holds
the order of imports.
"""

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
    """A module that is executed when something is asked of it that is not there yet.

    importlib's LazyLoader executes it at any access, also at that of __path__ amid the import of one of its submodules,
    which is then imported a second time: two classes of one name. Jittor's logging asks every module for its __file__.
    Only the first thread may ask: the package's other threads decode images and download.
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
    """Register jgen.NAME so that it is executed at its first use, not when imported.

    These modules start Jittor, which takes 0.6 s at best: a model's file can name them and still be imported for
    `--help`, which does not need Jittor.
    """
    full_name = f"{__name__}.{name}"
    module = importlib.util.module_from_spec(importlib.util.find_spec(full_name))
    module.__class__ = _Deferred
    sys.modules[full_name] = module
    return module


_defer("losses.distributions")
_defer("losses.isda")
networks = _defer("networks")
_defer("training.optim")
