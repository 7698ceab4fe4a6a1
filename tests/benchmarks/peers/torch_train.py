"""Trains one PyTorch peer on MNIST:  python torch_train.py beta-vae|vae|wgan --epochs 100 --out DIR

After every epoch OUT/NAME.json is rewritten (losses, seconds; for VAEs the test set's reconstruction error).
At the end come OUT/NAME_samples.npz (x: float32 [10000, 1, 28, 28] in [0, 1]) and OUT/NAME.pt, the weights.
The whole data set stays in memory; batches are slices of a permutation, the incomplete last one dropped.
"""
import argparse
import json
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch_models as models
from mnist_idx import load_images

ROOT = Path(__file__).resolve().parents[3]


class TrainVAE:
    """VAE or beta-VAE under Adam."""

    def __init__(self, args):
        beta_vae = args.model == "beta-vae"
        self.model = models.BetaVAE() if beta_vae else models.VAE()
        self.loss = models.vae_loss
        if beta_vae:
            self.beta, self.rise = args.beta, args.warm_up * args.epochs
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=args.lr)
        self.networks = {"vae": self.model}
        self.per_image = not beta_vae  # the VAE's terms are sums over the batch

    def begin_epoch(self, epoch):
        """The beta-VAE's beta rises linearly from 0 over the warm-up."""
        if not self.per_image:
            beta = self.beta * min(1, (epoch - 1) / self.rise if self.rise else 1)
            self.loss = partial(models.beta_vae_loss, beta=beta)

    def step(self, x):
        terms = models.vae_step(self.model, self.optimizer, self.loss, x)
        return {name: value / len(x) for name, value in terms.items()} if self.per_image else terms

    @torch.no_grad()
    def evaluate(self, x):
        """Errors on [N, 784], decoded from mu: mean squared error per pixel, and KL in nats per image."""
        mu, logvar = self.model.encode(x)
        x_hat = self.model.decode(mu)
        kl = 0.5 * (mu.pow(2) + logvar.exp() - 1 - logvar)  # [N, D]
        return {
            "test_mse": torch.mean((x_hat - x) ** 2).item(),
            "test_kl_per_image": kl.sum(1).mean().item(),
            "active_units": int((mu.var(0) > 0.01).sum()),
        }

    @torch.no_grad()
    def sample(self, n):
        return self.model.decode(torch.randn(n, self.model.latent_dim))


class TrainWGAN:
    """WGAN under RMSprop: the critic learns at every iteration, the generator at every n-th."""

    def __init__(self, args):
        self.generator, self.critic = models.Generator(args.bn_epsilon), models.Critic()
        self.generator_optimizer = torch.optim.RMSprop(self.generator.parameters(), lr=args.lr)
        self.critic_optimizer = torch.optim.RMSprop(self.critic.parameters(), lr=args.lr)
        self.n_critic, self.clip = args.n_critic, args.clip
        self.networks = {"generator": self.generator, "critic": self.critic}
        self.iteration = 0

    def begin_epoch(self, epoch):
        pass

    def latents(self, n):
        return torch.randn(n, self.generator.latent_dim)

    def step(self, x):
        terms = {"critic": models.critic_step(self.generator, self.critic, self.critic_optimizer,
                                              2 * x - 1, self.latents(len(x)), self.clip)}
        self.iteration += 1
        if self.iteration % self.n_critic == 0:
            terms["generator"] = models.generator_step(self.generator, self.critic, self.generator_optimizer,
                                                       self.latents(len(x)))
        return terms

    def evaluate(self, x):
        return {}

    @torch.no_grad()
    def sample(self, n):
        """Images from BatchNorm's running statistics: none depends on the others drawn with it."""
        self.generator.eval()
        x = (self.generator(self.latents(n)) + 1) / 2
        self.generator.train()
        return x


def train_epoch(trainer, images, batch_size):
    """One epoch over uint8 [N, 784]. Returns the mean of every logged scalar."""
    sums, counts = {}, {}
    order = torch.randperm(len(images))
    for start in range(0, len(images) - batch_size + 1, batch_size):
        x = images[order[start:start + batch_size]].float() / 255
        for name, value in trainer.step(x).items():
            sums[name] = sums.get(name, 0) + value
            counts[name] = counts.get(name, 0) + 1
    return {name: float(sums[name]) / counts[name] for name in sums}


def write_json(path, content):
    """Replaces the file at once: a run of hours may be read, or stopped, at any moment."""
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["beta-vae", "vae", "wgan"])
    parser.add_argument("--epochs", type=int, help="default: 100, WGAN 200")
    parser.add_argument("--lr", type=float, help="default: 1e-3, WGAN 5e-5")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--beta", type=float, default=0.1, help="beta-VAE only")
    parser.add_argument("--warm-up", type=float, default=0.0, help="beta-VAE: share of the epochs beta rises over")
    parser.add_argument("--bn-epsilon", type=float, default=0.1, help="WGAN: of BatchNorm, 0.1 as published")
    parser.add_argument("--n-critic", type=int, default=5, help="WGAN only")
    parser.add_argument("--clip", type=float, default=0.01, help="WGAN only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "mnist", help="folder of the IDX files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="of the files written; default: the model's")
    args = parser.parse_args()
    args.epochs = args.epochs or (200 if args.model == "wgan" else 100)
    args.lr = args.lr or (5e-5 if args.model == "wgan" else 1e-3)
    args.name = args.name or args.model
    return args


def main():
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    train, test = (torch.from_numpy(images.copy()) for images in load_images(args.data))
    test = test.float() / 255
    trainer = TrainWGAN(args) if args.model == "wgan" else TrainVAE(args)

    config = {key: value for key, value in vars(args).items() if not isinstance(value, Path)}
    report = {"config": config, "torch": torch.__version__, "threads": torch.get_num_threads(), "epochs": []}
    for epoch in range(1, args.epochs + 1):
        start = time.perf_counter()
        trainer.begin_epoch(epoch)
        row = {"epoch": epoch, **train_epoch(trainer, train, args.batch_size)}
        row["seconds"] = time.perf_counter() - start
        row.update(trainer.evaluate(test))
        report["epochs"].append(row)
        write_json(args.out / f"{args.name}.json", report)
        print("  ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)

    report["test"] = trainer.evaluate(test)
    report["seconds_per_epoch"] = float(np.median([row["seconds"] for row in report["epochs"]]))
    write_json(args.out / f"{args.name}.json", report)
    x = torch.cat([trainer.sample(min(1000, args.samples - done)) for done in range(0, args.samples, 1000)])
    np.savez_compressed(args.out / f"{args.name}_samples.npz", x=x.reshape(-1, 1, 28, 28).clamp(0, 1).numpy())
    torch.save({name: network.state_dict() for name, network in trainer.networks.items()},
               args.out / f"{args.name}.pt")


if __name__ == "__main__":
    main()
