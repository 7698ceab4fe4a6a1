"""VAE and CVAE as fully connected networks: a tutorial without numbers."""

from __future__ import annotations

from reproduction.reporting.blocks import Document, Film, Gallery, Heading, Mistake, Picture, Prose, Table
from reproduction.reporting.results import NotRunYet, agreement, mse
from reproduction.reporting.verdicts import Claim, Verdict, at_least, at_most, draws_digits, manual

CLAIMS = (
    Claim(
        "the VAE reconstructs",
        "A VAE of 784-400-20 neurons learns to give its images back.",
        at_most(mse("vae"), 0.0135, 0.027, "the mean image of the data leaves 0.067"),
    ),
    Claim(
        "it draws new digits",
        "Decoding random numbers from N(0, 1) draws new digits.",
        draws_digits("vae"),
    ),
    Claim(
        "the label decides the digit",
        "With the label attached to the image and to z, the label decides which digit is drawn.",
        at_least(agreement("cvae-mlp"), 95, 80),
        "decoder 就会生成和加入标签一致的图片",
    ),
    Claim(
        "a picture an epoch",
        "One picture is saved every epoch, the model every ten epochs.",
        manual(
            Verdict.REPRODUCED,
            "every run leaves `intermediate/NAME/epoch_0001.png …`, `weights_0010.safetensors …` and a film",
            needed=mse("vae"),
        ),
    ),
)

MISTAKES = (
    Mistake(
        "The loss is called but never shown",
        "`loss_function(recon_batch, data, mu, logvar)`",
        r"$$-\log p + \mathrm{KL} = -\sum_{i=1}^{784}\left[x_i \log \hat x_i + (1 - x_i)\log(1 - \hat x_i)\right]"
        r" - \tfrac12\sum_{j=1}^{20}\left(1 + \log\sigma_j^2 - \mu_j^2 - \sigma_j^2\right)$$",
        "The sums matter: a mean over the pixels would switch the latents off, as the next document shows.",
    ),
    Mistake(
        "A new random z for every saved picture",
        "`z = torch.randn(1, 20)` each epoch: one digit, another one every time",
        "64 latents drawn once for the whole run, so that the pictures become a film of the training",
        "Pictures of different epochs cannot be compared otherwise.",
    ),
    Mistake(
        "Each saved picture is stretched to its own darkest and brightest pixel",
        "`save_image(…, Normalize=True)` (the argument is `normalize`; as printed the call fails)",
        "pixels in [0, 1], never rescaled",
        "Stretching hides a lack of contrast.",
    ),
    Mistake(
        "The label is said to be half a picture that the decoder completes",
        "an intuition, not a derivation",
        "the encoder learns $q(z \\mid x, y)$ and the decoder $p(x \\mid z, y)$; y is what z need not tell",
        "The code is right; only its explanation is loose.",
    ),
)


def document(results):
    return Document(
        key="vae-cvae",
        title="VAE and CVAE",
        source="001_adee64a19084dca2.txt",
        line="A small fully connected VAE reconstructs and draws digits; adding the label (CVAE) makes it draw the "
        "digit one asks for.",
        claims=CLAIMS,
        mistakes=MISTAKES,
        blocks=(
            *_prose(results),
            Heading("What the two models do"),
            Gallery(
                (
                    Film(("mp4", "vae.mp4"), "VAE, 50 epochs", ("vae", "samples.png")),
                    Film(
                        ("mp4", "cvae-mlp.mp4"),
                        "CVAE, one row for each digit",
                        ("cvae-mlp", "samples.png"),
                        linked=True,
                    ),
                    Picture(
                        ("vae", "recon.png"),
                        "Test digits, each row of originals over its reconstructions",
                        "VAE: originals over reconstructions",
                    ),
                )
            ),
            *_agreement(results),
        ),
    )


def _prose(results):
    words = (
        "The document explains and prints code; it reports no number. What is measured here stands for what it says "
        "in words"
    )
    try:
        accuracy = results.run("vae").protocol("labels")["classifier"]["test_accuracy"]
    except (NotRunYet, KeyError):
        return [Prose(f"{words}.")]
    return [Prose(f"{words}: an independent classifier ({accuracy:.2%} accurate on the test images) names the digits.")]


def _agreement(results):
    try:
        found = results.run("cvae-mlp").measured("labels", "agreement_per_class")["values"]
    except NotRunYet:
        return []
    row = ("seen as the digit asked for", *(f"{share:.1f}" for share in found.values()))
    return [Table(("digit", *found), [row], "CVAE: share of the samples of each digit, in %")]
