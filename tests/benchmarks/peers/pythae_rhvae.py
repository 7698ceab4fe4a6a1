"""Images made by pythae's RHVAE, one model for each class, sampled on its manifold: a script of its own.

pythae_rhvae.py FEW.npz MADE.npz --per-class N --seed S

FEW.npz holds x uint8 [N, C, H, W] and y int64 [N]; MADE.npz gets the same of the images made. The settings are those of
pyraug's documentation: 10 latents, n_lf 3, eps_lf 1e-3, beta_zero 0.3, temperature 1.5, regularization 1e-3.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import RHVAE, RHVAEConfig
from pythae.samplers import RHVAESampler, RHVAESamplerConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig

EPOCHS, BATCH, LR = 200, 200, 1e-3


def trained(x, folder, seed):
    """An RHVAE of images x [N, C, H, W] in [0, 1]."""
    config = RHVAEConfig(
        input_dim=tuple(x.shape[1:]),
        latent_dim=10,
        n_lf=3,
        eps_lf=1e-3,
        beta_zero=0.3,
        temperature=1.5,
        regularization=1e-3,
        reconstruction_loss="bce",
    )
    training = BaseTrainerConfig(
        output_dir=str(folder),
        num_epochs=EPOCHS,
        learning_rate=LR,
        per_device_train_batch_size=min(BATCH, len(x)),
        no_cuda=True,
        seed=seed,
    )
    dataset = BaseDataset(torch.from_numpy(x), torch.ones(len(x)))
    torch.manual_seed(seed)
    trainer = BaseTrainer(model=RHVAE(config), train_dataset=dataset, eval_dataset=None, training_config=training)
    trainer.train()
    return trainer.model.eval()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("few", type=pathlib.Path)
    parser.add_argument("made", type=pathlib.Path)
    parser.add_argument("--per-class", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    few = np.load(options.few, allow_pickle=False)
    made = []
    for label in np.unique(few["y"]):
        x = few["x"][few["y"] == label].astype(np.float32) / 255
        with tempfile.TemporaryDirectory() as folder:
            model = trained(x, folder, options.seed)
        sampler = RHVAESampler(model=model, sampler_config=RHVAESamplerConfig())
        images = sampler.sample(num_samples=options.per_class, batch_size=options.per_class)
        made.append(images.detach().clamp(0, 1).mul(255).round().to(torch.uint8).numpy())
    y = np.unique(few["y"]).repeat(options.per_class)
    np.savez(options.made, x=np.concatenate(made), y=y)


if __name__ == "__main__":
    main()
