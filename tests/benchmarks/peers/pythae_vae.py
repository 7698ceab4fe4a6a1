"""The 784-400-20 VAE on MNIST with pythae's pipeline, as its documentation shows it: a script of its own."""

import argparse
import gzip
import pathlib

import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import nn


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
        self.embedding, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x):
        h = self.hidden(x)
        return ModelOutput(embedding=self.embedding(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))


def images(folder, name):
    """MNIST's images [N, 1, 28, 28] in [0, 1]."""
    path = next(folder.rglob(f"{name}-images-idx3-ubyte.gz"))
    pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    model = VAE(
        VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce"), encoder=Encoder(), decoder=Decoder()
    )
    training = BaseTrainerConfig(
        output_dir=options.out,
        num_epochs=options.epochs,
        learning_rate=1e-3,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=500,
        no_cuda=True,
    )
    pipeline = TrainingPipeline(model=model, training_config=training)
    pipeline(train_data=images(options.data_dir, "train"), eval_data=images(options.data_dir, "t10k"))


if __name__ == "__main__":
    main()
