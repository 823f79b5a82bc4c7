"""LatentR³ (arXiv 2505.19092): reinforced latent tokens before the answer of a language model."""
