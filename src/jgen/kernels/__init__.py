"""Fused kernels, one module each, with its NumPy definition beside it; kernel source is nowhere else."""
