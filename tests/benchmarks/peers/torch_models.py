"""The package's MLP models in plain PyTorch, as the documents they come from write them.

These are peers to compare with: nothing here imports jgen, and nothing is tuned. Images enter as float32
[N, 784]; in [0, 1] for the VAEs, in [-1, 1] for WGAN. Noise may be passed in, so that two frameworks can be
given the same numbers; without it PyTorch draws its own.
"""
import torch
import torch.nn.functional as F
from torch import nn

PIXELS = 28 * 28


def reparameterise(mu, logvar, eps=None):
    """z = mu + sigma * eps, eps ~ N(0, I); all [N, D]."""
    std = torch.exp(0.5 * logvar)
    if eps is None:
        eps = torch.randn_like(std)
    return mu + eps * std


class VAE(nn.Module):
    """784-400-20 and back."""

    latent_dim = 20

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, 400)
        self.mu = nn.Linear(400, self.latent_dim)
        self.logvar = nn.Linear(400, self.latent_dim)
        self.fc3 = nn.Linear(self.latent_dim, 400)
        self.fc4 = nn.Linear(400, PIXELS)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.mu(h), self.logvar(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps=None):
        mu, logvar = self.encode(x)
        return self.decode(reparameterise(mu, logvar, eps)), mu, logvar


class BetaVAE(nn.Module):
    """784-512-256-20 and back."""

    latent_dim = 20

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, 512)
        self.fc2 = nn.Linear(512, 256)
        self.mu = nn.Linear(256, self.latent_dim)
        self.logvar = nn.Linear(256, self.latent_dim)
        self.fc4 = nn.Linear(self.latent_dim, 256)
        self.fc5 = nn.Linear(256, 512)
        self.fc6 = nn.Linear(512, PIXELS)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        h = F.relu(self.fc2(h))
        return self.mu(h), self.logvar(h)

    def decode(self, z):
        h = F.relu(self.fc4(z))
        h = F.relu(self.fc5(h))
        return torch.sigmoid(self.fc6(h))

    def forward(self, x, eps=None):
        mu, logvar = self.encode(x)
        return self.decode(reparameterise(mu, logvar, eps)), mu, logvar


def vae_loss(x_hat, x, mu, logvar):
    """Sums over batch, pixels and latents. Returns (loss, its two terms)."""
    bce = F.binary_cross_entropy(x_hat, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld, {"bce": bce, "kld": kld}


def beta_vae_loss(x_hat, x, mu, logvar, beta):
    """Means over batch and pixels, batch and latents. Returns (loss, its two terms)."""
    mse = torch.mean((x_hat - x) ** 2)
    kld = -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp())
    return mse + beta * kld, {"mse": mse, "kld": kld}


def vae_step(model, optimizer, loss_function, x, eps=None):
    """One minibatch of either VAE. Returns detached scalars to log."""
    optimizer.zero_grad()
    x_hat, mu, logvar = model(x, eps)
    loss, terms = loss_function(x_hat, x, mu, logvar)
    loss.backward()
    optimizer.step()
    return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}


class Generator(nn.Module):
    """100-128-256-512-1024-784, tanh."""

    latent_dim = 100

    def __init__(self, bn_epsilon=0.1):
        super().__init__()

        def block(n_in, n_out, normalize=True):
            layers = [nn.Linear(n_in, n_out)]
            if normalize:
                # Published like this: the 0.1 was meant as a momentum but is the second argument, eps.
                layers.append(nn.BatchNorm1d(n_out, bn_epsilon))
            layers.append(nn.LeakyReLU(0.01))
            return layers

        self.model = nn.Sequential(
            *block(self.latent_dim, 128, normalize=False),
            *block(128, 256),
            *block(256, 512),
            *block(512, 1024),
            nn.Linear(1024, PIXELS),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.model(z)


class Critic(nn.Module):
    """784-512-256-1, no activation at the end."""

    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(PIXELS, 512),
            nn.LeakyReLU(0.01),
            nn.Linear(512, 256),
            nn.LeakyReLU(0.01),
            nn.Linear(256, 1),
        )

    def forward(self, x):
        return self.model(x)


def critic_step(generator, critic, optimizer, x, z, clip):
    """One critic update, then its weights are clipped to [-clip, clip]. Returns the critic's loss."""
    optimizer.zero_grad()
    with torch.no_grad():
        fake = generator(z)
    loss = -(critic(x).mean() - critic(fake).mean())
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.clamp_(-clip, clip)
    return loss.detach()


def generator_step(generator, critic, optimizer, z):
    """One generator update. Returns the generator's loss."""
    optimizer.zero_grad()
    loss = -critic(generator(z)).mean()
    # Only the generator's gradients are wanted: without inputs= the critic's would be computed as well.
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss.detach()
