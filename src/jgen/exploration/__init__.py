"""Looking at a finished run, and using it.

    latents        images to latents and back, in batches
    directions     which way to move an image's latents, and how far
    sources        labelled images to augment, never a test split
    augmentation   a class folder in, a class folder of augmented images out (src/augment.py)
    pictures_*     one kind of picture each: pictures(run, dataset, options) -> {name: uint8 [H, W, 3]}
"""
