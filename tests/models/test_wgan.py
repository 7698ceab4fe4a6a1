"""WGAN: both losses in NumPy, the clip, the ratio of the updates, and pixels in [-1, 1] inside alone."""

import numpy as np
import pytest

import reference
from jgen import networks, random
from jgen.errors import UserError
from jgen.kernels import batch_norm
from jgen.models.wgan import WGAN, Config
from jgen.platform.runtime import jt
from jgen.training import fake_buffer
from jgen.training.algorithm import Shape
from jgen.training.noise import Noise

SHAPE = Shape((1, 4, 3))
N, D = 6, 3


def make(**changes):
    changes = {"latent_dim": D, "hidden": (4, 5), "critic_hidden": (5,), "lr": 0.01, **changes}
    return WGAN(Config(**changes), SHAPE)


def images():
    return np.random.default_rng(1).random((N, *SHAPE.image_shape))


def step(algorithm, number):
    return algorithm.step(jt.array(images().astype(np.float32)), None, Noise(0, 1, number))


def generated(values, z, epsilon=Config.bn_epsilon):
    """The generator in NumPy: Linear, LeakyReLU, Linear, BatchNorm with LeakyReLU, Linear, tanh."""

    def linear(x, position):
        return x @ values[f"generator.layers.{position}.weight"].T + values[f"generator.layers.{position}.bias"]

    hidden = linear(reference.leaky_relu(0.01)(linear(z, 0)), 2)
    norm = [values[f"generator.layers.3.{name}"] for name in ("weight", "bias")]
    return np.tanh(linear(batch_norm.reference(hidden, *norm, slope=0.01, eps=epsilon)[0], 4))


def score(values, x):
    return reference.mlp(values, "critic.body", x, reference.leaky_relu(0.01))


def test_the_critic_maximises_the_difference_of_its_means():
    algorithm = make(n_critic=7)

    def loss(values):
        fake = generated(values, reference.normal(N, D, step=1))
        return score(values, fake).mean() - score(values, 2 * images().reshape(N, -1) - 1).mean()

    reference.assert_step_follows(algorithm, images(), None, loss, ("critic",), "critic_rmsprop", step=1)


@pytest.mark.parametrize("epsilon", [1e-5, 0.1])
def test_the_generator_maximises_the_critics_mean_through_its_batch_norm(epsilon):
    algorithm = make(n_critic=1, bn_epsilon=epsilon)
    for optimizer in algorithm.optimizers.values():
        optimizer.lr = 0.0  # the critic's update comes first and must not move it
    algorithm.optimizers["critic_rmsprop"].clip = 100.0
    noise = Noise(0, 1, 0)
    noise.normal(N, D)  # the critic's
    z = noise.normal(N, D).numpy().astype(np.float64)

    def loss(values):
        return -score(values, generated(values, z, epsilon)).mean()

    reference.assert_step_follows(algorithm, images(), None, loss, ("generator",), "generator_rmsprop")


def test_the_clip_touches_every_weight_of_the_critic_and_nothing_else():
    algorithm, unclipped = make(clip=1e-3, n_critic=100), make(clip=1e3, n_critic=100)
    before = algorithm.state()
    assert max(np.abs(value).max() for name, value in before.items() if name.startswith("critic.")) > 0.1
    for number in (1, 2, 3):
        step(algorithm, number)
        step(unclipped, number)
    after, expected = algorithm.state(), unclipped.state()
    for name, value in after.items():
        if name.startswith("critic."):
            assert np.abs(value).max() <= np.float32(1e-3), name
            assert np.abs(expected[name]).max() > 1e-3
        elif name.startswith("generator."):  # its running statistics among them
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(after[f"generator.layers.3.{name}"], before[f"generator.layers.3.{name}"])
    assert (after["generator.layers.3.running_var"] > 1e-3).all()


def test_parameters_stay_trainable_and_statistics_stay_none():
    algorithm = make(n_critic=2)
    trainable = {name: len(networks.trainable(network)) for name, network in algorithm.networks.items()}
    for number in range(4):
        step(algorithm, number)
        for name, network in algorithm.networks.items():
            frozen = {key for key, p in network.named_parameters() if p.is_stop_grad()}
            assert frozen == ({"layers.3.running_mean", "layers.3.running_var"} if name == "generator" else set())
    assert trainable == {name: len(networks.trainable(network)) for name, network in algorithm.networks.items()}
    assert trainable == {"generator": 8, "critic": 4}


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_generator_is_updated_once_every_n_critic_steps(n_critic):
    algorithm = make(n_critic=n_critic)
    for number in range(7):
        before = algorithm.state()
        terms = step(algorithm, number)
        after = algorithm.state()
        changed = {
            network: any(
                not np.array_equal(before[name], after[name])
                for name in before
                if name.startswith(network + ".") and "running" not in name
            )
            for network in ("generator", "critic")
        }
        turn = number % n_critic == 0
        assert changed == {"generator": turn, "critic": True}
        assert ("generator_loss" in terms) == turn


def test_the_critics_step_leaves_the_generator_without_gradients_but_moves_its_statistics():
    algorithm = make(n_critic=100)
    before = algorithm.state()
    step(algorithm, 1)
    after = algorithm.state()
    assert not np.array_equal(before["generator.layers.3.running_mean"], after["generator.layers.3.running_mean"])
    assert np.array_equal(before["generator.layers.0.weight"], after["generator.layers.0.weight"])


def test_samples_are_in_0_1_and_do_not_depend_on_their_batch_in_evaluation():
    algorithm = make()
    step(algorithm, 0)
    z = np.random.default_rng(4).standard_normal((5, D), np.float32) * 3
    with networks.evaluating(algorithm.networks):
        together = algorithm.sample(jt.array(z)).numpy()
        alone = np.concatenate([algorithm.sample(jt.array(row[None])).numpy() for row in z])
    assert together.min() >= 0 and together.max() <= 1 and together.std() > 0
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_critic_learns_to_tell_real_from_generated():
    algorithm = make(n_critic=1000, lr=1e-3, clip=0.1)
    for number in range(1, 120):
        terms = step(algorithm, number)
    assert terms["critic_loss"].item() < -0.02


@pytest.mark.slow
@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_a_gradient_penalty_brings_the_critics_slope_to_1_and_clips_nothing(net):
    algorithm = make(penalty="gradient", net=net, widths=(4,), n_critic=1000, adam_lr=0.01)
    penalties = [step(algorithm, number)["penalty"].item() for number in range(1, 100)]
    assert penalties[0] > 5 and max(penalties[-5:]) < 0.5
    assert max(np.abs(p.numpy()).max() for p in algorithm.critic.parameters()) > algorithm.config.clip
    assert {name.split(".")[0] for name in algorithm.state()} == {
        "generator", "critic", "generator_adam", "critic_adam"
    }  # fmt: skip


@pytest.mark.parametrize(("penalty", "rule", "lr"), [("clip", "rmsprop", 0.01), ("gradient", "adam", 0.02)])
def test_a_cosine_brings_both_learning_rates_down_together(penalty, rule, lr):
    algorithm = make(penalty=penalty, schedule="cosine", adam_lr=0.02)
    algorithm.begin_epoch(3, 4)
    rates = [algorithm.optimizers[f"{name}_{rule}"].lr for name in ("generator", "critic")]
    assert rates == pytest.approx([lr / 2, lr / 2])


def test_more_halvings_than_an_image_has_are_refused():
    with pytest.raises(UserError, match="--widths halve the images 3 times"):
        make(net="conv", widths=(2, 2, 2))


def test_weights_for_sampling_are_the_generators():
    algorithm, other = make(), make(seed=9)
    assert {name.split(".")[0] for name in algorithm.weights()} == {"generator"}
    other.load_weights(algorithm.weights())
    z = jt.array(np.random.default_rng(4).standard_normal((5, D), np.float32))
    np.testing.assert_array_equal(algorithm.sample(z).numpy(), other.sample(z).numpy())


def test_one_pass_of_the_generator_serves_the_critic_until_the_generator_moves():
    assert [list(fake_buffer.steps_of_pass(step, 5, n=64)) for step in (0, 1, 3, 5, 6)] == [
        [0], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [6, 7, 8, 9, 10]
    ]  # fmt: skip
    assert [list(fake_buffer.steps_of_pass(step, 5, n=200)) for step in (1, 2, 3, 5)] == [[1, 2], [1, 2], [3, 4], [5]]
    assert [list(fake_buffer.steps_of_pass(step, 1, n=64)) for step in (0, 1, 2)] == [[0], [1], [2]]
    assert [list(fake_buffer.steps_of_pass(step, 2, n=10_000)) for step in (1, 2)] == [[1], [2]]


@pytest.mark.parametrize("n_steps", [None, 4])
def test_steps_of_one_pass_equal_steps_on_their_own(monkeypatch, n_steps):
    def losses_and_state():
        algorithm, losses = make(n_critic=3, lr=1e-3), []
        for number in range(11):
            epoch = 1 if n_steps is None else 1 + number // n_steps
            x = np.random.default_rng(number).random((N, *SHAPE.image_shape), np.float32)
            terms = algorithm.step(jt.array(x), None, Noise(0, epoch, number, n_steps=n_steps))
            losses += [value.item() for value in terms.values()]
        return losses, algorithm.state()

    together, state = losses_and_state()
    monkeypatch.setattr(fake_buffer, "MOST_ROWS", 1)
    alone, expected = losses_and_state()
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)
    for name, value in state.items():
        # The last pass is of the steps 10, 11 and 12: its statistics have followed all three.
        if "running" not in name:
            np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("stop", range(1, 8))
def test_a_run_resumed_amid_a_pass_goes_on_bit_for_bit(stop):
    algorithm = make(n_critic=3)
    for number in range(stop):
        step(algorithm, number)
    saved = {name: array.copy() for name, array in algorithm.state().items()}
    resumed = make(n_critic=3, seed=5)
    resumed.load_state(saved)
    for number in range(stop, 9):
        ours, theirs = step(algorithm, number), step(resumed, number)
        assert {k: v.item() for k, v in theirs.items()} == {k: v.item() for k, v in ours.items()}
    for name, array in resumed.state().items():
        if name.startswith(("generator.", "critic.")):
            np.testing.assert_array_equal(array, algorithm.state()[name], err_msg=name)


def test_images_of_another_run_or_batch_size_are_made_anew():
    def last_loss(*noises, n=(N, N)):
        algorithm = make(n_critic=4, clip=1e3)
        algorithm.optimizers["critic_rmsprop"].lr = 0.0  # the last loss tells the last images alone
        batches = [jt.array(images()[:count].astype(np.float32)) for count in n[-len(noises) :]]
        return [algorithm.step(x, None, noise)["critic_loss"].item() for x, noise in zip(batches, noises)][-1]

    expected = last_loss(Noise(0, 1, 2))
    assert last_loss(Noise(7, 1, 1), Noise(0, 1, 2)) == expected  # another run
    assert last_loss(Noise(0, 2, 1), Noise(0, 1, 2)) == expected  # another epoch, and how many steps it has is unknown
    assert last_loss(Noise(0, 1, 1), Noise(0, 1, 2)) == expected != last_loss(Noise(7, 1, 2))
    assert last_loss(Noise(0, 1, 1), Noise(0, 1, 2), n=(N, 4)) == last_loss(Noise(0, 1, 2), n=(N, 4)) != expected


def test_a_generator_that_has_moved_makes_new_images():
    algorithm = make(n_critic=3)
    for number in (0, 1, 3):
        step(algorithm, number)
    moved = make(n_critic=3)
    moved.load_state({key: value.copy() for key, value in algorithm.state().items()})
    assert step(algorithm, 2)["critic_loss"].item() == step(moved, 2)["critic_loss"].item()


def test_processes_share_a_pass_as_they_share_a_minibatch(monkeypatch):
    """However many rows a process has, its passes are of the same steps, and its latents those of its rows."""
    seen = []
    generator = networks.Generator.execute
    monkeypatch.setattr(networks.Generator, "execute", lambda self, z: seen.append(z.numpy()) or generator(self, z))
    monkeypatch.setattr(fake_buffer, "MOST_ROWS", 2 * N)
    x = images().astype(np.float32)
    for rows in (None, random.Rows(0, 1, N), random.Rows(1, N, N)):
        own = x if rows is None else rows.of(x)
        make(n_critic=4).step(jt.array(own), None, Noise(0, 1, 1, rows=rows))
    whole, first, others = (z.reshape(2, -1, D) for z in seen)  # of two steps each
    np.testing.assert_array_equal(np.concatenate([first, others], 1), whole)
