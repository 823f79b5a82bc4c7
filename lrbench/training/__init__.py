"""The training engine: it knows stages and checkpoints, not models."""
