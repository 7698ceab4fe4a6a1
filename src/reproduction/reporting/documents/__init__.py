"""The five source documents, one module each: what they claim and get wrong, and what came out here."""

from reproduction.reporting.documents import beta_vae_wgan, cvae_study, g_vae, pokemon, vae_cvae

ALL = (vae_cvae, cvae_study, pokemon, beta_vae_wgan, g_vae)
