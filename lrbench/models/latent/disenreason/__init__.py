"""DisenReason: latent users of a shared account, taken out of its history one after another."""
