"""jgen: image generative models on Jittor.

The map of the house:

    config        a model's frozen dataclass -> command line -> config.json, and back
    experiment    run(Algorithm): the only place that wires config, data, algorithm, trainer and artefacts
    trainer       epochs, progress, metrics, checkpoint and exact resume; knows no model by name
    algorithm     the interface a model implements
    run_setup     from the flags to a run's name, settings and config.json; run_outputs: what it leaves behind
    distributed   several processes that train one model: the only module that knows of MPI
    runtime       makes `import jittor` work anywhere, and picks the device; process: what Jittor does to its process
    gpu           whether a GPU is used; cuda_home: what CUDA needs for Jittor; cuda_check: tries it, once
    summary       the layers of every network, as a table and as a drawing (--summary)
    networks      encoders, decoders, generator, critic
    distributions reparameterisation, KL, likelihoods: per example [N], reduced last
    optim         Adam and RMSprop, each one fused kernel
    corruption, combination   noise for the denoising autoencoder; the CVAE's losses, as data
    kernels/      kernel sources, each with its NumPy definition beside it
    isda          augmented logits, class covariances: a loss that augments features in closed form
    models/       one paper, one file, one screen
    data/         bytes on disk -> x uint8 [N, C, H, W], y int64 [N]
    artifacts/    run directory, image grid, checkpoint, video
    finished_run  a trained algorithm, found again through its config.json; run_data: its data set
    tool          the scripts that use a finished run (finished_run loads one): sampling, stitching, …
    exploration/  pictures of a finished run
    evaluation/   numbers about a finished run, each with its protocol
    reporting/    the written report and the page, from results/ alone
    experiments   the source documents' experiments, as data; campaign/: carries them out, resumes, shows what is left
    streams       every random number, keyed by seed and purpose; errors: what is the user's to mend

Imports flow one way (tests/test_import_rule.py enforces it):

    script -> experiment -> config, data, trainer, artifacts
    script -> models.x   -> algorithm, config, networks, distributions, isda, optim
    trainer -> algorithm, artifacts
    evaluation, exploration, reporting -> artifacts, models (through the run's config.json); never the reverse
"""

import importlib.util
import sys
import types


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


distributions = _defer("distributions")
isda = _defer("isda")
networks = _defer("networks")
optim = _defer("optim")
