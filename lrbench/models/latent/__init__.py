"""Recommenders that reason in latent steps before they score items."""
