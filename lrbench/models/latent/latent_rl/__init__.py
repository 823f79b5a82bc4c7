"""A latent token after each history, trained by reinforcement: LatentR³ on item ids."""
