"""Looking at a finished run, and using it.

job            the table of the kinds of pictures (src/explore.py)
chosen         held-out images, the run beside, and a latent by what the command line calls it
dimensions     which latents matter
sources        labelled images to augment, never a test split
pictures_*     one kind of picture each: Options, and pictures(run, dataset, options) -> {name: uint8 [H, W, 3]}
"""
