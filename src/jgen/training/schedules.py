"""Schedules: factors of a learning rate, or of a loss's weight, for each epoch 1 .. epochs."""

import math


def constant(epoch: int, epochs: int) -> float:
    """1 in every epoch."""
    return 1.0


def cosine(epoch: int, epochs: int) -> float:
    """From 1 down along half a cosine; it would reach 0 after the last epoch."""
    return (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


def staircase(epoch: int, epochs: int) -> float:
    """10^(-i/7) in stage i = 0 .. 7, whose length is 3^i of 3280 parts of the epochs (Burda et al., 2015)."""
    part = 3280 * (epoch - 1) / epochs
    stage = int(math.log(2 * part + 1, 3) + 1e-9)  # stage i begins after (3^i - 1) / 2 parts
    return 10 ** (-stage / 7)


def warm_up(epoch: int, epochs: int, share: float) -> float:
    """Linearly from 0 in the first epoch to 1 after `share` of the epochs; a share of 0 gives 1 throughout."""
    rise = share * epochs
    return min(1.0, (epoch - 1) / rise if rise else 1.0)


LEARNING_RATES = {"constant": constant, "iwae": staircase, "cosine": cosine}
