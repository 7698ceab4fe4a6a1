"""The bar counts images, and a stop request is noted without breaking a step."""

import os
import signal
import time

import pytest

from jgen.training.progress import Progress, StopRequest


def test_the_bar_counts_images_and_earlier_steps_do_not_enter_the_rate(capsys):
    with Progress(total_steps=10, images_per_step=4) as progress:
        progress.advance(6, counted=False)
        progress._bar.mininterval = 0  # otherwise the rate is taken every 30 seconds
        time.sleep(0.05)
        progress.advance(3, {"loss": 1.25})
        bar = progress._bar.format_dict
        assert 12 <= bar["rate"] * bar["elapsed"] < 24  # images counted since the start
        assert (progress._bar.n, progress._bar.total, progress._bar.initial) == (36, 40, 24)
        assert "loss=1.25" in progress._bar.postfix
        progress.epoch_line(5, {"epoch": 2, "loss": 1.25, "seconds": 3.0, "images_per_second": 12.0, "resident_mb": 7})
    assert capsys.readouterr().out == "epoch 2/5  loss 1.25  images_per_second 12  (3.0 s)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_the_second_stops(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.requested == ""
        os.kill(os.getpid(), number)
        assert stop.requested == number.name
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
