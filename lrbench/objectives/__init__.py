"""Loss functions on states and item embeddings."""
