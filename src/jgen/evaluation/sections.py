"""The parts of an evaluation: each a function of a Subject that returns (protocol, {name: number})."""

from __future__ import annotations

import numpy as np

from jgen import random
from jgen.augmentation import generators, low_data
from jgen.errors import UserError
from jgen.evaluation import (
    critic,
    distances,
    inception,
    labels,
    likelihood,
    memorisation,
    preservation,
    reconstruction,
)
from jgen.evaluation.numbers import number, together
from jgen.evaluation.subject import NotApplicable
from jgen.pictures import grid
from jgen.platform import files
from jgen.platform.files import sha256
from jgen.runs import checkpoint, latents, metrics

MEMORISATION_IMAGES = 1000
PRESERVATION_IMAGES = 1000


def reconstruction_section(subject):
    """MSE, BCE, SSIM of the decoded posterior means."""
    if not subject.algorithm.has_encoder:
        raise NotApplicable(f"{subject.algorithm.name} has no encoder")
    x, y = subject.targets()
    back = latents.reconstruct(subject.algorithm, x, y if subject.algorithm.conditional else None)
    protocol = subject.protocol(
        split=subject.split, images=len(x), binarisation=subject.binarisation, latents="posterior mean"
    )
    return protocol, reconstruction.measure(x, back, subject.progress("SSIM"))


def likelihood_section(subject):
    """ELBO, rate, distortion, NLL, active units."""
    algorithm, options = subject.algorithm, subject.options
    if not algorithm.likelihood:
        raise NotApplicable(f"{algorithm.name} has no likelihood")
    x, y = subject.targets()
    y = y if algorithm.conditional else None
    estimates = likelihood.estimate(algorithm, x, y, options.samples, options.seed, subject.progress("NLL"))
    density = algorithm.likelihood
    if density == "Bernoulli" and not np.isin(x, (0, 1)).all():
        density += ", of grey values: not a normalised density, its nats compare only with the like"
    protocol = subject.protocol(
        split=subject.split,
        images=len(x),
        binarisation=subject.binarisation,
        samples=options.samples,
        likelihood=density + (", given the label" if algorithm.conditional else ""),
        estimator="importance sampling from q(z|x)",
    )
    if warning := likelihood.looseness(estimates):
        protocol["warning"] = warning
    return protocol, likelihood.measure(estimates)


def distances_section(subject):
    """Fréchet and kernel distance, precision, recall, density, coverage of samples from each prior that there is."""
    fakes = {}
    if subject.algorithm.has_prior:
        fakes[""] = subject.judged_samples
    if "encoder" in subject.algorithm.networks:
        fakes["_of_fitted_prior"] = subject.judged_fitted_samples
    count = len(subject.judged_reference[0][0])
    fewest = min(subject.options.n, count)
    protocol = subject.protocol(
        split=subject.split,
        samples=subject.options.n,
        priors="N(0, I); of_fitted_prior: a Gaussian mixture of the training images' latents",
        images=count,
        neighbours=distances.NEIGHBOURS,
        kernel=f"cubic, {distances.SUBSETS} subsets of {min(fewest, distances.SUBSET_SIZE)}",
        **subject.judges_protocol,
    )
    if fewest < distances.FEW:
        protocol["warning"] = f"{fewest} images: below {distances.FEW} the Fréchet distance is biased upwards"
    return protocol, together([_distances(subject, fakes, i) for i in range(len(subject.judges))])


def _distances(subject, fakes, i):
    """{name: number} in the features of the i-th judge; fakes: {suffix of the names: what each judge saw}."""
    real, measured = subject.judged_reference[i][0], {}
    for suffix, judged in fakes.items():
        generator = random.stream(subject.options.seed, random.EVALUATION)
        numbers = distances.measure(real, judged[i][0], generator)
        measured |= {name + suffix: value for name, value in numbers.items()}
    if subject.split == "test":
        train, _ = subject.judges[i].judge(subject.some(subject.dataset.x_train, len(real)))
        measured["frechet_distance_of_training_images"] = number(distances.frechet_distance(real, train))
    return measured


def labels_section(subject):
    """Class histogram and entropy; for a conditional model whether the class asked for is the one seen."""
    if subject.algorithm.conditional:
        subject.judges_of_labels()  # an agreement with other classes than those asked for would mean nothing
    classes, tables = subject.judges[0].record["classes"], []
    for _, probabilities in subject.judged_samples:
        tables.append(labels.histogram(probabilities, classes))
        if subject.algorithm.conditional:
            tables[-1] = {**labels.agreement(probabilities, subject.samples[1], classes), **tables[-1]}
    protocol = subject.protocol(samples=len(subject.samples[0]), **subject.judges_protocol)
    return protocol, together(tables)


def memorisation_section(subject):
    """Nearest training images of samples, as numbers and as results/NAME/neighbours.png."""
    if subject.split != "test":
        raise NotApplicable(f"{subject.dataset.name} has no held-out images to compare with")
    samples = subject.samples[0][:MEMORISATION_IMAGES]
    held_out = subject.some(subject.held_out[0], len(samples))
    measured, picture = memorisation.measure(
        samples,
        held_out,
        subject.dataset.x_train,
        subject.progress("nearest training images"),
        f"{subject.run.title}   samples and the training images nearest to them",
    )
    path = subject.outputs.results / "neighbours.png"
    grid.write_png(path, picture)
    protocol = subject.protocol(
        samples=len(samples),
        images=len(held_out),
        training_images=len(subject.dataset.x_train),
        distance=f"Euclidean in pixels; suspicion: nearest over mean of {memorisation.NEIGHBOURS} nearest",
        picture=f"{path.name}: samples over their nearest training images, the most suspicious first, then the first",
    )
    return protocol, measured


def critic_section(subject):
    """WGAN's curve, its critic's gap to held-out images, its weights at the bound."""
    algorithm, directory = subject.algorithm, subject.directory
    if not algorithm.has_critic:
        raise NotApplicable(f"{algorithm.name} has no critic")
    fake = subject.samples[0]
    if not directory.checkpoint.exists():
        raise UserError(
            f"{directory.checkpoint} is not there, and only it holds the critic: train again, or copy it from "
            "where the run was trained"
        )
    arrays, _ = checkpoint.load(directory.checkpoint)
    try:
        algorithm.load_state(arrays)
    except ValueError as error:
        raise UserError(f"{directory.checkpoint} does not fit {directory.config}: {error}") from None
    held_out = subject.held_out[0]
    train = subject.some(subject.dataset.x_train, len(held_out))
    measured = critic.measure(algorithm, train, held_out, fake)
    epochs, values, filtered = critic.curve(metrics.read_epochs(directory.metrics))
    protocol = subject.protocol(
        split=f"train ({len(train)} images) and {subject.split} ({len(held_out)})",
        samples=len(fake),
        checkpoint_sha256=sha256(directory.checkpoint),
    )
    if len(epochs):
        path = subject.outputs.results / "critic.png"
        critic.draw_curve(path, epochs, values, filtered)
        protocol["picture"] = f"{path.name}: negated critic loss, median-filtered over {critic.WIDTH} epochs"
        measured["negated_critic_loss_first"] = number(filtered[0], "median-filtered")
        measured["negated_critic_loss_last"] = number(filtered[-1], "median-filtered")
    return protocol, measured


def fid_section(subject):
    """FID and KID, in the features of the Inception network that the user supplies."""
    if not subject.options.inception:
        raise NotApplicable(
            "FID and KID need the weights of the 2015 Inception network, which are not part of this package: give them "
            "as --inception FILE.safetensors (names as in the PyTorch port: Conv2d_1a_3x3.conv.weight, …)"
        )
    network, features = inception.load(subject.options.inception)
    samples, real = subject.samples[0], subject.some(subject.held_out[0], subject.options.n)
    fake_features = network.features(samples, subject.progress("samples' Inception features"))
    real_features = network.features(real, subject.progress("real images' Inception features"))
    generator = random.stream(subject.options.seed, random.EVALUATION)
    kernel, error = distances.kernel_distance(real_features, fake_features, generator)
    measured = {
        "fid": number(distances.frechet_distance(real_features, fake_features)),
        "kid": number(kernel, "", error),
    }
    protocol = subject.protocol(split=subject.split, samples=len(samples), images=len(real), features=features)
    fewest = min(len(samples), len(real))
    if fewest < distances.FEW:
        protocol["warning"] = f"{fewest} images: below {distances.FEW} the FID is biased upwards"
    return protocol, measured


def preservation_section(subject):
    """Label retention and diversity along the latents' directions, of the run and of those beside it."""
    x, y = subject.targets(PRESERVATION_IMAGES)
    runs = subject.runs_with_encoder()
    found = [
        {
            name: preservation.measure(
                run.algorithm, judge, x, y, subject.options.seed, subject.progress(f"{name}: moved images")
            )
            for name, run in runs.items()
        }
        for judge in subject.judges_of_labels()
    ]
    path = subject.outputs.results / "preservation.png"
    files.atomic_write(path, preservation.draw(found[0]))
    protocol = subject.protocol(
        split=subject.split,
        images=len(x),
        binarisation=subject.binarisation,
        **subject.judges_protocol,
        beside={name: sha256(run.directory.weights) for name, run in list(runs.items())[1:]},
        steps="posterior mean ± step * direction, both signs averaged for each image; standard errors over images",
        directions=", ".join(next(iter(found[0].values()))),
        retention="share of images whose label the classifier still sees; where_reconstructed: among those whose "
        "reconstruction it read rightly",
        distance="Euclidean, from the reconstruction (to_source: from the image); pixels in [0, 1], or features",
        picture=path.name,
    )
    if subject.split == "train" or subject.dataset.name == "mnist5k":
        protocol["warning"] = "the classifier may have been trained on these images"
    return protocol, together([preservation.numbers_of_runs(each) for each in found])


def low_data_section(subject):
    """Accuracy of small classifiers from few images, augmented in several ways; it trains all of them."""
    dataset, options = subject.dataset, subject.options
    if not dataset.n_classes:
        raise NotApplicable(f"{dataset.name} has no labels")
    if subject.split != "test":
        raise NotApplicable(f"{dataset.name} has no held-out images")
    dataset = low_data.shrunk(dataset, subject.directory.cache)
    recipe = generators.recipe_for(dataset.image_shape)
    wanted = low_data.rows_for(options.sizes, options.seed, options.seeds, dataset.image_shape)
    rows = subject.outputs.results / "low-data.jsonl"
    accuracies = low_data.make(rows, dataset, recipe, wanted)
    picture = rows.with_suffix(".png")
    files.atomic_write(picture, low_data.draw(accuracies, wanted))
    protocol = subject.protocol(
        split=subject.split,
        images=len(dataset.x_test),
        seeds=options.seeds,
        classifiers_trained_on="few labelled training images, and 5,000 or all others without labels where the way "
        "says so; the run's own weights are not used",
        chosen_by=f"{low_data.HELD_OUT} further training images decide whether a classifier uses the made images",
        tested_on="the whole test split",
        ways={name: low_data.WAYS[name].text for name in low_data.ways_of(wanted)},
        recipe=low_data.settings_of(dataset, recipe),
        rows=rows.name,
        picture=picture.name,
    )
    return protocol, low_data.numbers(accuracies, wanted)


SECTIONS = {
    "reconstruction": reconstruction_section,
    "likelihood": likelihood_section,
    "distances": distances_section,
    "labels": labels_section,
    "memorisation": memorisation_section,
    "critic": critic_section,
    "fid": fid_section,
    "preservation": preservation_section,
    "low-data": low_data_section,
}
ALL = tuple(name for name in SECTIONS if name != "low-data")  # which trains for many minutes: only when named
