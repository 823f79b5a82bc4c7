"""Recommenders. The hall holds what every model builds on; each family has a folder."""
