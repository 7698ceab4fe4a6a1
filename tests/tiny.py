"""Every training script, as small as it gets: flags for images of 9x7 pixels in two classes."""

SCRIPTS = {
    "ae": "--hidden 5 --latent-dim 3",
    "vae": "--hidden 5 --latent-dim 3",
    "beta-vae": "--hidden 5 --latent-dim 3",
    "cvae": "--net mlp --hidden 5 --latent-dim 3 --label-dim 2",
    "conv-vae": "--widths 2 3 --latent-dim 3",
    "wgan": "--hidden 4 5 --critic-hidden 5 --latent-dim 3 --n-critic 2",
    "g-vae": "--stem 2 --widths 4 --blocks 1 --decoder-blocks 0 --latent-dim 3",
}
