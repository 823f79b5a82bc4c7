"""The setup of experiments in words, for a paper: paragraphs, settings and references."""
