"""Initial values, evaluation mode, running means, and parameters in and out."""

import numpy as np
import pytest

from jgen import networks
from jgen.errors import UserError
from jgen.networks.normalisation import BatchNorm
from jgen.platform import process
from jgen.platform.runtime import jt, nn


def net():
    return nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 1))


def test_initial_values_are_pytorchs_bounds_filled_uniformly():
    network = net()
    networks.initialise({"net": network}, seed=0)
    for layer in (network[0], network[2]):
        bound = 1 / np.sqrt(layer.weight.shape[1])
        for values in (layer.weight.numpy(), layer.bias.numpy()):
            assert np.abs(values).max() <= bound
    weights = network[0].weight.numpy()
    assert np.abs(weights).max() > 0.98 / np.sqrt(50)
    assert weights.std() == pytest.approx(1 / np.sqrt(3 * 50), rel=0.05)


def test_transposed_convolutions_count_their_outputs_and_norms_keep_ones_and_zeros():
    layers = nn.Sequential(nn.ConvTranspose(2, 30, 4), BatchNorm(3, 0.1), nn.Embedding(200, 20))
    networks.initialise({"net": layers}, seed=0)
    assert np.abs(layers[0].weight.numpy()).max() == pytest.approx(1 / np.sqrt(30 * 16), rel=0.02)
    assert layers[1].weight.numpy().tolist() == [1] * 3 and layers[1].bias.numpy().tolist() == [0] * 3
    assert layers[2].weight.numpy().std() == pytest.approx(1, rel=0.05)


def test_two_networks_of_a_model_do_not_share_their_values():
    first, second = net(), net()
    networks.initialise({"first": first, "second": second}, seed=0)
    assert not np.array_equal(first[0].weight.numpy(), second[0].weight.numpy())


def test_evaluation_mode_is_left_as_it_was_found_even_after_an_error():
    network = nn.Sequential(nn.Linear(2, 2), BatchNorm(2, 0.1))
    network[0].is_train = False
    modes = [module.is_training() for module in network.modules()]
    with pytest.raises(ZeroDivisionError), networks.evaluating({"net": network}):
        assert not any(module.is_training() for module in network.modules())
        raise ZeroDivisionError
    assert [module.is_training() for module in network.modules()] == modes
    assert not any(p.is_stop_grad() for p in networks.trainable(network)) and len(networks.trainable(network)) == 4


def test_nothing_made_in_evaluation_can_be_differentiated_and_everything_afterwards_can():
    network = net()
    x = jt.array(np.ones((1, 50), np.float32))
    with networks.evaluating({"net": network}):
        assert network(x).is_stop_grad()
    assert np.abs(jt.grad(network(x).sum(), network[0].bias).numpy()).max() > 0


def test_a_running_mean_follows_in_training_and_keeps_the_gradient():
    mean = networks.RunningMean(momentum=0.5)
    mean(jt.array(np.float32([1.0])))
    assert mean.value.item() == 1  # the first sets it
    current = jt.array(np.float32([3.0]))
    out = mean(current * 2)
    assert jt.grad(out, current).item() == 2 and out.item() == 6
    assert mean.value.item() == 3.5 and mean.value.is_stop_grad()
    with networks.evaluating({"mean": mean}):
        assert mean(jt.array(np.float32([100.0]))).item() == 3.5
    assert mean.value.item() == 3.5
    assert networks.state_of(mean)["value"].tolist() == [3.5] and networks.trainable(mean) == []


def test_64_bit_arrays_keep_their_type():
    assert str(networks.as_var(np.arange(3)).dtype) == "int64"
    assert str(networks.as_var(np.float64([1.5])).dtype) == "float64"
    assert networks.scalar(2).numpy().tolist() == [2.0] and networks.scalar(2).numpy().dtype == np.float32


def test_a_refused_network_is_not_computed_later():
    with pytest.raises(UserError, match="far more than the weights hold") as refusal, networks.at_most(1000):
        networks.initialise({"large": nn.Linear(2**13, 2**13)}, seed=0)
    before = process.resident_megabytes()
    jt.array([1.0]).sum().item()
    assert process.resident_megabytes() < before + 128 and refusal.tb  # of 268 MB, which the traceback holds
