"""What a dataset gives away before anything is trained on it."""
