"""Augmentation: more images of a labelled folder, and whether they help."""
