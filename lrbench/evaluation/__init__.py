"""From a trained model to ranks, and what its inference costs."""
