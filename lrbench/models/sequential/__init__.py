"""Sequence encoders that do not reason: the baselines and backbones."""
