"""Layers on packed sequences that several models share."""
