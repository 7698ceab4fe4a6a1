"""The campaign as data: every experiment of the five source documents, what is made of it, and how long that takes.

`python src/report.py --run` (campaign/) carries it out; `--list` shows what of it is done. A new experiment is one
`Experiment` in its document's tuple. Minutes are of one core of two, measured or estimated; they only serve the
remaining time.
"""

from __future__ import annotations

from reproduction.experiment import Comparison, Document, Experiment, FollowUp, evaluation, pictures

EVALUATED = evaluation("", "reconstruction", "likelihood", "distances", "labels", "memorisation")
RECONSTRUCTION = evaluation("reconstruction", "reconstruction", minutes=0.3)
LIKELIHOOD_5000 = evaluation("likelihood --samples 5000", "likelihood", minutes=10)
SAMPLED = (
    evaluation("distances", "distances", minutes=0.6),
    evaluation("memorisation", "memorisation", minutes=0.6),
)
CVAE_EVALUATED = (
    RECONSTRUCTION,
    evaluation("likelihood --images 1000 --samples 50", "likelihood", minutes=0.4),
    evaluation("labels", "labels", minutes=0.2),
)
MORPH = pictures("morph", "morph-linear.png", "morph-spherical.png", "morph-linear.mp4", "morph-spherical.mp4")
RECONSTRUCTED = pictures("reconstruct", "reconstruct.png")
RECONSTRUCTED_FEW = pictures("reconstruct -n 8", "reconstruct.png")  # large images
RECONSTRUCTED_TRAIN = pictures("reconstruct -n 8 --split train", "reconstruct-train.png")

IWAE = "--arch iwae --binarise dynamic --schedule cosine"
# NLL in nats: of the first with 200 importance samples an image (pythae's table), of the others with 5,000 (Burda et
# al., 2015, table 1). The published runs have 500 and 3,280 epochs.
VAE_CVAE = (
    Experiment("vae", "vae.py", 7, (EVALUATED,)),
    Experiment(
        "vae-static-40",
        "vae.py --latent-dim 40 --binarise static --schedule cosine --epochs 500",
        30,
        (evaluation("likelihood --samples 200", "likelihood", minutes=1), *SAMPLED),
        {"nll": 89.78},
    ),
    *(
        Experiment(
            f"iwae-{k}",
            f"vae.py {IWAE} --batch-size {batch} --samples {k} --epochs {epochs}",
            minutes,
            (LIKELIHOOD_5000, *SAMPLED),
            {"nll": nll},
        )
        # The cost is per image and sample: with 50 samples, smaller batches bring more steps for the same minutes.
        for k, batch, epochs, minutes, nll in (
            (1, 50, 1600, 100, 86.76),
            (5, 50, 1000, 120, 85.54),
            (50, 20, 90, 110, 84.78),
        )
    ),
)


def cvae(name, words, minutes, loss=None, more=(), weights=False):
    published = {} if loss is None else {"loss": loss}
    follow_ups = (*CVAE_EVALUATED, *more)
    return Experiment(name, f"cvae.py {words}".rstrip(), minutes, follow_ups, published, weights=weights)


# The document prints one loss for each batch size; of the rates and the losses it describes the pictures.
CVAE = (
    cvae("cvae-batch-32", "--as-published --batch-size 32", 4, loss=0.2222),
    cvae("cvae-published", "--as-published", 3, loss=0.2213),
    cvae("cvae-batch-128", "--as-published --batch-size 128", 2.5, loss=0.2213),
    cvae("cvae-lr-1e-3", "--as-published --lr 1e-3", 3),
    cvae("cvae-lr-1e-5", "--as-published --lr 1e-5", 3),
    cvae("cvae-sum", "--as-published --reduction sum", 3),
    cvae("cvae-sum-0.9", "--as-published --reduction sum --combine power --alpha 0.9", 3),
    cvae("cvae-sum-0.8", "--as-published --reduction sum --combine power --alpha 0.8", 3),
    cvae("cvae-mean-6", "--as-published --combine power --alpha 6", 3),
    cvae("cvae-mlp-published", "--as-published --net mlp", 1),
    cvae("cvae", "", 12, more=SAMPLED, weights=True),
    cvae("cvae-mlp", "--net mlp", 2, more=SAMPLED, weights=True),
    # A heavier KL brings the codes closer to the prior: what is drawn from it is more often the digit asked for.
    cvae("cvae-beta-4", "--beta-weight 4", 12),
    cvae("cvae-mlp-beta-4", "--net mlp --beta-weight 4", 2, weights=True),
)

POKEMON_FOLDER = "--data data/pokemon/pokemon_jpg/pokemon_jpg"
POKEMON = f"{POKEMON_FOLDER} --size 128"
AE_POKEMON = (
    Experiment("ae", "ae.py", 2, (RECONSTRUCTION,)),
    Experiment("dae", "ae.py --noise 0.5", 3, (RECONSTRUCTION, RECONSTRUCTED)),
    Experiment(
        "pokemon",
        f"conv-vae.py {POKEMON} --batch-size 16 --epochs 150",
        29,
        (
            RECONSTRUCTION,
            RECONSTRUCTED_FEW,
            RECONSTRUCTED_TRAIN,
            pictures("sample --prior fitted -n 32", "sample-fitted.png"),
            FollowUp(f"conv-vae.py {POKEMON} --name {{name}} --summary", ("network.svg",)),
        ),
        quick="--epochs 1 --latent-dim 100",
        grids=False,
    ),
    Experiment(
        "pokemon-spatial",
        f"conv-vae.py {POKEMON} --architecture spatial --widths 32 64 128 --latent-dim 4096 --flip on --shift 8 "
        "--colour 0.2 --schedule cosine --batch-size 8 --epochs 40",
        45,
        (
            RECONSTRUCTION,
            RECONSTRUCTED_FEW,
            RECONSTRUCTED_TRAIN,
            pictures("morph", "morph-linear.png", "morph-linear.mp4"),
        ),
        quick="--epochs 1 --widths 4 8 16 --latent-dim 256",
        grids=False,
    ),
    Experiment(
        "pokemon-as-published",
        f"conv-vae.py {POKEMON} --as-published --batch-size 16 --epochs 80",
        24,
        (RECONSTRUCTION, RECONSTRUCTED_TRAIN),
        quick="--epochs 1 --latent-dim 100",
        weights=False,
    ),
)


# 40 epochs each, for want of time; "beta-vae" is beta = 0.1 with the document's 100.
BETA_STUDY = tuple(
    Experiment(f"beta-vae-{beta}", f"beta-vae.py -b {beta} --epochs 40", 5, (EVALUATED,), weights=False)
    for beta in ("0", "0.02", "0.03", "0.05", "0.1", "0.12", "0.15", "1")
)
WGAN_EVALUATED = evaluation("", "distances", "labels", "memorisation", "critic")
BETA_VAE_WGAN = (
    *BETA_STUDY,
    Experiment("beta-vae", "beta-vae.py -b 0.1", 10, (EVALUATED,)),
    Experiment("beta-vae-as-published", "beta-vae.py -b 0.1 --as-published", 20, (EVALUATED,), weights=False),
    Experiment("wgan", "wgan.py", 24, (WGAN_EVALUATED,)),
    Experiment("wgan-gp", "wgan.py --penalty gradient --adam-lr 2e-4 --schedule cosine", 40, (WGAN_EVALUATED,)),
)


LOW_DATA = evaluation("low-data --sizes 10 50 100 --seeds 3", "low-data", minutes=200, quick="--sizes 5 --seeds 1")
# Even its smallest table trains convolutional VAEs for a quarter of an hour.
LOW_DATA_IN_COLOUR = evaluation("low-data --sizes 50 200 --seeds 3", "low-data", minutes=100, quick=None)


def g_vae_pair(name, words, minutes, evaluated, further, plain_words="", plain_minutes=None, quick=Experiment.quick):
    """The G-VAE `name` and the same VAE without a classifier, NAME-plain, with follow-ups that compare the two.

    evaluated: the evaluation of each; further: what the G-VAE has besides. plain_words, plain_minutes: the plain VAE's
    own flags, and how long it takes if not as long.
    """
    plain, command = f"{name}-plain", f"g-vae.py {words}".rstrip()
    beside = (
        *further,
        pictures(f"augment --beside {plain}", "augment.png"),
        pictures(f"axes --beside {plain}", "axes.png"),
        pictures(f"pca --beside {plain}", "pca.png"),
    )
    return (
        Experiment(
            plain,
            f"{command} --classifier off {plain_words}".rstrip(),
            plain_minutes or minutes,
            (evaluated,),
            quick=quick,
        ),
        Experiment(name, command, minutes, (evaluated, RECONSTRUCTED_FEW, MORPH, *beside), quick=quick),
    )


# 10,000 images with 200 samples each would be two million images to decode for the likelihood.
G_VAE_EVALUATED = evaluation(
    "--images 1000 --samples 50", "reconstruction", "likelihood", "distances", "labels", "memorisation", minutes=4
)
ON_CIFAR10 = evaluation("--images 1000 --samples 50", "reconstruction", "likelihood", minutes=3)
# With the document's KL weight of 2.5e-3 the posterior is so narrow that a step of sigma hardly changes an image.
WIDE_POSTERIOR = "--epochs 12 --lr 1e-3 --beta 0.3 --stem 8 --widths 16 32 --latent-dim 32"
G_VAE_OF_CLASSES = (
    Experiment(
        "g-vae-mnist-class-plain", f"g-vae.py {WIDE_POSTERIOR} --classifier off", 13, (RECONSTRUCTION, *SAMPLED)
    ),
    Experiment(
        "g-vae-mnist-class",
        f"g-vae.py {WIDE_POSTERIOR} --classifier-weight 100 --covariance class-full --strength 1",
        14,
        (
            RECONSTRUCTION,
            *SAMPLED,
            evaluation("preservation --beside g-vae-mnist-class-plain", "preservation", minutes=2),
            pictures(
                "augment --beside g-vae-mnist-class-plain --directions class --strength 0.15", "augment-class.png"
            ),
        ),
    ),
)
# 8,000 faces, four classes: Male + 2 Smiling. Few epochs, for want of time.
FACES = (
    "--data celeba --size 64 --epochs 10 --batch-size 64 --lr 1e-3 --beta 0.5 --stem 16 --widths 32 64 128 "
    "--blocks 0 1 1 --decoder-blocks 0 0 0 --latent-dim 128"
)
ONE_FACE = "--epochs 1 --widths 4 4 4 --latent-dim 32"
BESIDE_FACES = "--beside g-vae-celeba-plain"
G_VAE_OF_FACES = (
    Experiment(
        "g-vae-celeba-plain",
        f"g-vae.py {FACES} --classifier off",
        25,
        (RECONSTRUCTION,),
        quick=ONE_FACE,
        weights=False,
        grids=False,
    ),
    Experiment(
        "g-vae-celeba",
        f"g-vae.py {FACES} --classifier-weight 50 --covariance class-full --strength 1",
        30,
        (
            RECONSTRUCTION,
            RECONSTRUCTED_FEW,
            evaluation(f"preservation {BESIDE_FACES}", "preservation", minutes=4),
            LOW_DATA_IN_COLOUR,
            pictures(f"augment {BESIDE_FACES} --directions class --strength 0.15 --rows 4", "augment-class.png"),
            pictures(f"axes --across Male --down Pale_Skin --rows 1 {BESIDE_FACES}", "axes-Male-Pale_Skin.png"),
            pictures("axes --across pca5 --down Smiling --rows 1", "axes-pca5-Smiling.png"),
            pictures(f"pca {BESIDE_FACES}", "pca.png"),
        ),
        quick=ONE_FACE,
        weights=False,
        grids=False,
    ),
)
G_VAE = (
    *g_vae_pair(
        "g-vae-mnist",
        "--epochs 20",
        40,
        G_VAE_EVALUATED,
        (evaluation("preservation --beside g-vae-mnist-plain cvae", "preservation", minutes=3), LOW_DATA),
    ),
    *g_vae_pair(
        "g-vae-cifar10",
        "--data cifar10",
        120,
        ON_CIFAR10,
        (
            evaluation("preservation --beside g-vae-cifar10-plain", "preservation", minutes=3),
            LOW_DATA_IN_COLOUR,
            pictures("augment --beside g-vae-cifar10-plain --directions class --strength 0.15", "augment-class.png"),
        ),
        # Few epochs for want of time: its pictures hardly change any more. With the G-VAE's own rate and borders its KL
        # divergence went to 1e8 in one of the first steps; after three epochs its error was still twice as large.
        plain_words="--epochs 5 --lr 1e-3 --border black --classifier-weight 20",  # the last plays no part
        plain_minutes=30,
        quick="--epochs 1 --batch-size 500 --stem 8 --widths 8 16 32 --latent-dim 32",
    ),
    *G_VAE_OF_CLASSES,
    *G_VAE_OF_FACES,
    Experiment(
        "g-vae-unet",
        "g-vae.py --data mnist5k --decoder unet",
        5,
        (RECONSTRUCTION, evaluation("preservation", "preservation"), MORPH, RECONSTRUCTED),
    ),
)

DOCUMENTS = (
    Document("vae-cvae", VAE_CVAE),
    Document("cvae-study", CVAE, (Comparison("cvae-study", tuple(experiment.name for experiment in CVAE)),)),
    Document("ae-pokemon", AE_POKEMON),
    Document(
        "beta-vae-wgan",
        BETA_VAE_WGAN,
        (Comparison("beta-study", tuple(experiment.name for experiment in BETA_STUDY)),),
    ),
    Document("g-vae", G_VAE),
)
ALL = tuple(experiment for document in DOCUMENTS for experiment in document.experiments)


def published(name):
    """The numbers that a source document reports of run `name`; {} where it reports none."""
    return next((experiment.published for experiment in ALL if experiment.name == name), {})
