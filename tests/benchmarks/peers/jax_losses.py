"""The package's models as pure JAX functions: images are NHWC and kernels HWIO, which XLA's CPU convolutions want.

A loss takes (p, state, config, x, y, noise) and returns (loss, new state): p are the parameters, by the package's
names; state the running statistics. Losses have the package's scale (see torch_losses.py).
"""

import math

import jax
import jax.numpy as jnp
import optax
from cases import halved_sizes
from jax import lax

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def dense(p, name, x):
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def mlp(p, prefix, x, activation=jax.nn.relu):
    """Linear layers with the activation between them."""
    x, position = dense(p, f"{prefix}.0", x), 2
    while f"{prefix}.{position}.weight" in p:
        x, position = dense(p, f"{prefix}.{position}", activation(x)), position + 2
    return x


def leaky(x):
    return jax.nn.leaky_relu(x, 0.01)


def conv(p, name, x, stride=1):
    """Kernel 3, padding 1."""
    sides = ((1, 1), (1, 1))
    x = lax.conv_general_dilated(x, p[f"{name}.weight"], (stride, stride), sides, dimension_numbers=DIMENSIONS)
    return x + p[f"{name}.bias"] if f"{name}.bias" in p else x


def conv_transpose(p, name, x, size):
    """Kernel 4, stride 2, padding 1; cropped to `size`. Kernels were mirrored when they were loaded."""
    x = lax.conv_transpose(x, p[f"{name}.weight"], (2, 2), ((2, 2), (2, 2)), dimension_numbers=DIMENSIONS)
    x = x[:, : size[0], : size[1]]
    return x + p[f"{name}.bias"] if f"{name}.bias" in p else x


def batch_norm(p, state, new_state, name, x, eps=1e-5, momentum=0.1):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    count = x.size // x.shape[-1]
    for kind, value in (("mean", mean), ("var", variance * (count / (count - 1)))):
        key = f"{name}.running_{kind}"
        new_state[key] = (1 - momentum) * new_state.get(key, state[key]) + momentum * lax.stop_gradient(value)
    return (x - mean) * (lax.rsqrt(variance + eps) * p[f"{name}.weight"]) + p[f"{name}.bias"]


def reparameterise(mu, logvar, eps):
    return mu + eps * jnp.exp(0.5 * logvar)


def kl(mu, logvar):
    return -0.5 * jnp.sum(1 + logvar - mu**2 - jnp.exp(logvar))


def halves(heads):
    return jnp.split(heads, 2, axis=1)


def flat(x):
    return x.reshape(len(x), -1)


def ae(p, state, config, x, y, noise):
    code = mlp(p, "encoder.layers", flat(x))
    x_hat = jax.nn.sigmoid(mlp(p, "decoder.body.layers", code))
    return jnp.sum((x_hat - flat(x)) ** 2) / len(x), state


def encode_mlp(p, x, eps):
    mu, logvar = halves(mlp(p, "encoder.body.layers", x))
    return mu, logvar, reparameterise(mu, logvar, eps)


def vae(p, state, config, x, y, noise):
    mu, logvar, z = encode_mlp(p, flat(x), noise[0])
    bce = optax.sigmoid_binary_cross_entropy(mlp(p, "decoder.body.layers", z), flat(x)).sum()
    return (bce + kl(mu, logvar)) / len(x), state


def beta_vae(p, state, config, x, y, noise):
    mu, logvar, z = encode_mlp(p, flat(x), noise[0])
    x_hat = jax.nn.sigmoid(mlp(p, "decoder.body.layers", z))
    divergence = kl(mu, logvar) / mu.size
    return jnp.mean((x_hat - flat(x)) ** 2) + config["beta"] * divergence, state


def cvae_mlp(p, state, config, x, y, noise):
    label = p["label.embedding.weight"][y]
    mu, logvar, z = encode_mlp(p, jnp.concatenate([flat(x), label], 1), noise[0])
    logits = mlp(p, "decoder.body.layers", jnp.concatenate([z, label], 1))
    return optax.sigmoid_binary_cross_entropy(logits, flat(x)).sum() + kl(mu, logvar), state


def conv_encoder(p, prefix, x):
    position = 0
    while f"{prefix}.convolutions.{position}.weight" in p:
        x, position = leaky(conv(p, f"{prefix}.convolutions.{position}", x, 2)), position + 2
    return dense(p, f"{prefix}.head.0", flat(x))


def conv_decoder(p, prefix, z, image_size):
    n = sum(key.startswith(f"{prefix}.convolutions") for key in p) // 2
    sizes = halved_sizes(*image_size, n)[::-1]
    x = leaky(mlp(p, f"{prefix}.head", z, leaky)).reshape(len(z), *sizes[0], -1)
    for position, size in enumerate(sizes[1:]):
        x = conv_transpose(p, f"{prefix}.convolutions.{position}", x, size)
        x = leaky(x) if position < n - 1 else x
    return x


def cvae_conv(p, state, config, x, y, noise):
    label = p["label.embedding.weight"][y]
    planes = jnp.broadcast_to(label[:, None, None, :], (*x.shape[:3], label.shape[1]))
    mu, logvar = halves(conv_encoder(p, "encoder.body", jnp.concatenate([x, planes], 3)))
    z = jnp.concatenate([reparameterise(mu, logvar, noise[0]), label], 1)
    logits = conv_decoder(p, "decoder", z, x.shape[1:3])
    return optax.sigmoid_binary_cross_entropy(logits, x).sum() + kl(mu, logvar), state


def conv_vae(p, state, config, x, y, noise):
    mu, logvar = halves(conv_encoder(p, "encoder.body", x))
    x_hat = jax.nn.sigmoid(conv_decoder(p, "decoder", reparameterise(mu, logvar, noise[0]), x.shape[1:3]))
    squares = (x_hat - x) ** 2
    variance = squares.mean()
    old = state["pixel_variance.value"]
    followed = old + jnp.where(old == 0, 1.0, 0.05) * (lax.stop_gradient(variance) - old)
    variance = jnp.maximum(variance, 1e-5)
    log_likelihood = -0.5 * (squares / variance + jnp.log(variance) + math.log(2 * math.pi)).sum()
    return (kl(mu, logvar) - log_likelihood) / len(x), {"pixel_variance.value": followed}


def residual_block(p, state, new, name, x):
    h = jax.nn.relu(batch_norm(p, state, new, f"{name}.first_norm", conv(p, f"{name}.first", x)))
    return jax.nn.relu(x + batch_norm(p, state, new, f"{name}.second_norm", conv(p, f"{name}.second", h)))


def residual_blocks(p, state, new, name, x, n_blocks):
    for block in range(n_blocks):
        x = residual_block(p, state, new, f"{name}.blocks.{block}", x)
    return x


def residual_encoder(p, state, new, config, x):
    x = jax.nn.relu(batch_norm(p, state, new, "encoder.stem.1", conv(p, "encoder.stem.0", x)))
    for stage, n_blocks in enumerate(config["blocks"]):
        name = f"encoder.stages.{stage}"
        x = jax.nn.relu(batch_norm(p, state, new, f"{name}.norm", conv(p, f"{name}.convolution", x, 2)))
        x = residual_blocks(p, state, new, name, x, n_blocks)
    return halves(dense(p, "encoder.heads", flat(x)))


def residual_decoder(p, state, new, config, z, image_size):
    sizes = halved_sizes(*image_size, len(config["widths"]))[::-1]
    x = dense(p, "decoder.first.linear", z).reshape(len(z), *sizes[0], -1)
    x = jax.nn.relu(batch_norm(p, state, new, "decoder.first.norm", x))
    for stage, (n_blocks, size) in enumerate(zip(config["decoder_blocks"][::-1], sizes[1:])):
        name = f"decoder.stages.{stage}"
        x = conv_transpose(p, f"{name}.convolution", residual_blocks(p, state, new, name, x, n_blocks), size)
        x = jax.nn.relu(batch_norm(p, state, new, f"{name}.norm", x))
    return conv(p, "decoder.pixels", x)


def shifted(x, down, right, shift):
    """Each image moved by whole pixels from -shift to shift, given uniform numbers [N]; black moves in."""
    padded = jnp.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    first = [(u * (2 * shift + 1)).astype(jnp.int32) for u in (down, right)]
    return jax.vmap(lambda image, row, column: lax.dynamic_slice(image, (row, column, 0), x.shape[1:]))(padded, *first)


def g_vae(p, state, config, x, y, noise):
    new = {}
    x = shifted(x, *noise[:2], config["shift"])
    mu, logvar = residual_encoder(p, state, new, config, x)
    z = reparameterise(mu, logvar, noise[2])
    x_hat = jax.nn.sigmoid(residual_decoder(p, state, new, config, z, x.shape[1:3]))
    reconstruction = jnp.sum((x_hat - x) ** 2) / len(x)
    weight = p["classifier.layers.0.weight"].T  # [C, D]
    variance, own = jnp.exp(logvar), weight[y]
    weighted = own * variance
    form = variance @ (weight * weight).T - 2 * weighted @ weight.T + (weighted * own).sum(1, keepdims=True)
    form = form * (1 - jax.nn.one_hot(y, len(weight)))
    logits = dense(p, "classifier.layers.0", mu) + 0.5 * form
    classification = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
    loss = reconstruction + config["beta"] * kl(mu, logvar) / len(x)
    return loss + config["classifier_weight"] * classification, new


def generator(p, state, new, config, z):
    x = leaky(dense(p, "generator.layers.0", z))
    n = len(config["hidden"])
    for position in range(2, 2 * n, 2):
        x = dense(p, f"generator.layers.{position}", x)
        x = leaky(batch_norm(p, state, new, f"generator.layers.{position + 1}", x, config["bn_epsilon"]))
    return jnp.tanh(dense(p, f"generator.layers.{2 * n}", x))


def critic_loss(critic, p, state, config, x, z):
    """Of the critic's parameters, with the generator's in `p`."""
    new = {}
    fake = lax.stop_gradient(generator(p, state, new, config, z))
    scores = [mlp(critic, "critic.body.layers", images, leaky).mean() for images in (2 * flat(x) - 1, fake)]
    return scores[1] - scores[0], new


def generator_loss(p, critic, state, config, z):
    """Of the generator's parameters."""
    new = {}
    return -mlp(critic, "critic.body.layers", generator(p, state, new, config, z), leaky).mean(), new


LOSSES = {
    "ae": ae,
    "vae": vae,
    "beta-vae": beta_vae,
    "cvae-mlp": cvae_mlp,
    "cvae-conv": cvae_conv,
    "conv-vae": conv_vae,
    "g-vae": g_vae,
}
