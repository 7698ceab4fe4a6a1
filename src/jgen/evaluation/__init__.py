"""Numbers about a finished run, each with its protocol.

job                   src/evaluate.py: a run's sections, or the comparison of several runs
sections              the parts of an evaluation, each protocol and numbers
subject               the run with its data, its samples and what a classifier sees in them
reconstruction        MSE, BCE, SSIM
likelihood            rate, distortion, ELBO, importance-sampled NLL, active units
distances             Fréchet and kernel distance, precision, recall, density, coverage
inception             the Inception network of FID and KID, with weights that the user supplies
labels                class histogram and entropy, agreement with the label asked for
memorisation          nearest training images
critic                WGAN's curve, gap and clipped weights
preservation          whether moved latents keep their class, and how far the images move
numbers               a number with its error, and the numbers of two judges as one table
report                evaluation.json and the printed table
compare               several runs in one table and one picture
"""
