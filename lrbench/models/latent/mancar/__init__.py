"""ManCAR: latent steps held to the neighbourhood of the recent items in an item graph."""
