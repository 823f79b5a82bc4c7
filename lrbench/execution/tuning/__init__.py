"""Search for settings on validation targets."""
