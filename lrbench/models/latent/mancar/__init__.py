"""ManCAR: latent steps that stay near the neighbourhood of the recent items in an item graph."""
