"""ManCAR: latent steps that stay near the neighbours of recent items in an item graph."""
