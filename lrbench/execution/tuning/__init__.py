"""Searching for settings on validation targets."""
