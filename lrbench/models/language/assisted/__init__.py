"""Recommenders on a language model with a model on item ids beside it."""
