"""Training: the interface of a model, the loop, optimizers, several processes."""
