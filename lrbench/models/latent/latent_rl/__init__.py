"""A latent thought per user, trained by reinforcement (LatentR³'s latent token on item ids)."""
