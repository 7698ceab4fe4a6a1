"""Augmentation: more images of a labelled folder, and whether they help.

augment            src/augment.py: what it is asked for
recommended        without a run: which augmentation helps a classifier of this folder, and the images of it
along_run          with a run: images moved along its latents
directions         which way to move an image's latents, and how far
classic            hand-written moves: affine, flip, crop, colour
labelled_folder    the images of such a folder, at the size that is looked at
generators         ways to augment, and small VAEs of few labelled images, with or without unlabelled ones
spreading          labels of a few images spread to all
small_classifiers  the classifiers that augmentation is measured by
low_data           the experiment: images per class x way x judge x seed, and its picture
manifest           where every image of an augmented folder comes from
"""
