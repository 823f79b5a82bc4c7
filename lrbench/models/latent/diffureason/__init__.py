"""DiffuReason: thinking tokens, a diffusion of the intent that they give, and its reinforcement."""
