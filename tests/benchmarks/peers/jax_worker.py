"""The worker for JAX:  python jax_worker.py JOB_FOLDER

One jit per step with donated parameters, moments and statistics; optax's optimizers; the data set is a uint8 array on
the device, whose rows the step takes and scales. Steps are dispatched without waiting; the losses are read at the end
of a block.
"""

import functools
import pathlib
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pipes import serve  # noqa: E402

import cases  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jax_losses  # noqa: E402
import optax  # noqa: E402
from rates import repeated  # noqa: E402


def layouts(arrays, job):
    """The package's arrays in JAX's layouts -> (parameters, statistics). Dense layers next to images follow NHWC."""
    parameters, state = {}, {}
    last_maps = None
    for name, array in arrays.items():
        if "running" in name or name.startswith("pixel_variance"):
            state[name] = jnp.asarray(array)
            continue
        if array.ndim == 4 and array.shape[2] == 4:  # transposed convolution [in, out, 4, 4], to be mirrored
            array = array.transpose(2, 3, 0, 1)[::-1, ::-1]
        elif array.ndim == 4:
            last_maps = array.shape[0]
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 2 and "embedding" not in name:
            array = array.T
        parameters[name] = array
    if last_maps is not None:
        _reorder_flattened(parameters, job)
    return {name: jnp.asarray(np.ascontiguousarray(array)) for name, array in parameters.items()}, state


def _reorder_flattened(parameters, job):
    """Where features become a vector, and back, the package counts channels first: permute those layers."""
    if job.name == "g-vae":
        encoder, decoder = "encoder.heads", "decoder.first.linear"
        n_maps = job.config["widths"][-1]
    else:
        encoder = "encoder.body.head.0"
        decoder = max(name.removesuffix(".weight") for name in parameters if name.startswith("decoder.head"))
        decoder = decoder.removesuffix(".bias")
        n_maps = max(p.shape[-1] for name, p in parameters.items() if name.startswith("encoder.body.conv"))

    def places(n):
        return np.arange(n).reshape(n_maps, -1).T.ravel()

    weight = parameters[f"{encoder}.weight"]
    parameters[f"{encoder}.weight"] = weight[places(len(weight))]
    order = places(parameters[f"{decoder}.bias"].size)
    parameters[f"{decoder}.weight"] = parameters[f"{decoder}.weight"][:, order]
    parameters[f"{decoder}.bias"] = parameters[f"{decoder}.bias"][order]


class Training:
    def __init__(self, job):
        self.job = job
        images = np.load(job.file("images.npy"))
        self.images = jnp.asarray(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        self.labels = jnp.asarray(np.load(job.file("labels.npy")).astype(np.int32))
        self.noise = [jnp.asarray(np.load(path)) for path in sorted(pathlib.Path(job.folder).glob("noise_*.npy"))]
        with np.load(job.file("weights.npz")) as stored:
            self.parameters, self.state = layouts(dict(stored), job)
        self.update = self.wgan_step() if job.name == "wgan" else self.adam_step()

    def adam_step(self):
        config, loss_of = self.job.config, jax_losses.LOSSES[self.job.name]
        optimizer = optax.adam(config["lr"])
        self.moments = optimizer.init(self.parameters)

        @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
        def update(parameters, moments, state, images, labels, noise, indices, draw):
            x = images[indices].astype(jnp.float32) / 255
            drawn = [pool[draw] for pool in noise]
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            (loss, state), grads = gradient(parameters, state, config, x, labels[indices], drawn)
            updates, moments = optimizer.update(grads, moments)
            return optax.apply_updates(parameters, updates), moments, state, loss

        def step(indices, number):
            self.parameters, self.moments, self.state, loss = update(
                self.parameters, self.moments, self.state, self.images, self.labels, self.noise, indices,
                self.draw(number),
            )  # fmt: skip
            return {"loss": loss}

        return step

    def wgan_step(self):
        config = self.job.config
        optimizer = optax.rmsprop(config["lr"], decay=0.99, eps=1e-8, eps_in_sqrt=False)
        clip = config["clip"]
        parts = [{k: v for k, v in self.parameters.items() if k.startswith(name)} for name in ("generator", "critic")]
        self.parts = [(p, optimizer.init(p)) for p in parts]

        @functools.partial(jax.jit, donate_argnums=(0, 1, 3))
        def update_critic(critic, moments, generator, state, images, noise, indices, draw):
            x = images[indices].astype(jnp.float32) / 255
            gradient = jax.value_and_grad(jax_losses.critic_loss, has_aux=True)
            (loss, state), grads = gradient(critic, generator, state, config, x, noise[0][draw])
            updates, moments = optimizer.update(grads, moments)
            critic = jax.tree.map(lambda p: jnp.clip(p, -clip, clip), optax.apply_updates(critic, updates))
            return critic, moments, state, loss

        @functools.partial(jax.jit, donate_argnums=(0, 1, 3))
        def update_generator(generator, moments, critic, state, noise, draw):
            gradient = jax.value_and_grad(jax_losses.generator_loss, has_aux=True)
            (loss, state), grads = gradient(generator, critic, state, config, noise[1][draw])
            updates, moments = optimizer.update(grads, moments)
            return optax.apply_updates(generator, updates), moments, state, loss

        def step(indices, number):
            (generator, generator_moments), (critic, critic_moments) = self.parts
            critic, critic_moments, self.state, loss = update_critic(
                critic, critic_moments, generator, self.state, self.images, self.noise, indices, self.draw(number)
            )
            terms = {"critic_loss": loss}
            if number % config["n_critic"] == 0:
                generator, generator_moments, self.state, loss = update_generator(
                    generator, generator_moments, critic, self.state, self.noise, self.draw(number)
                )
                terms["generator_loss"] = loss
            self.parts = (generator, generator_moments), (critic, critic_moments)
            return terms

        return step

    def draw(self, step):
        return np.int32((step - self.job.first_step) % cases.CHECKED_STEPS)

    def run_block(self, block, count):
        """`count` steps -> (seconds, the terms of every step)."""
        order = np.load(self.job.file(f"order_{block}.npy")).astype(np.int32)
        first = cases.first_step_of(block, count, self.job.steps_per_epoch)
        started = time.perf_counter()
        terms = [self.update(order[position], first + position) for position in range(count)]
        terms = [{k: float(v) for k, v in found.items()} for found in jax.device_get(terms)]
        return time.perf_counter() - started, terms


def gemm_rate(size, seconds):
    """GFLOP/s of XLA's matrix product for `size`^3."""
    a, b = (jnp.asarray(np.random.default_rng(i).random((size, size), np.float32)) for i in range(2))
    product = jax.jit(jnp.matmul)
    return {"gflops": 2e-9 * size**3 / repeated(lambda: product(a, b).block_until_ready(), seconds)}


def main():
    training = Training(cases.Job.read(sys.argv[1]))
    serve({"steps": cases.steps_with(training.run_block), "gemm_rate": gemm_rate})


if __name__ == "__main__":
    main()
