"""Losses: distributions and their divergences, ISDA, combinations of terms, corruption of inputs."""
