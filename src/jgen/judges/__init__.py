"""Judges: classifiers that label and compare images independently of the models."""
