"""How weights are initialised, and how the dropout rate of a whole module is set."""

import math

from torch import nn

from lrbench.models.layers.attention import Attention

__all__ = ["initialise", "set_dropout", "xavier"]


def initialise(module: nn.Module) -> None:
    """Draw weights of linear and embedding layers from a normal distribution, mean 0, deviation 0.02.

    Biases of linear layers become 0. LayerNorm keeps torch's initial weight 1 and bias 0.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def xavier(module: nn.Module) -> None:
    """Draw all matrices by Xavier's normal rule, and set the biases of attention to 0.

    Queries, keys and values are drawn as one matrix, as in RecTools, which uses torch's attention.
    """
    for weight in module.parameters():
        if weight.dim() > 1:
            nn.init.xavier_normal_(weight)
    for part in module.modules():
        if isinstance(part, Attention):
            for linear in (part.query, part.key, part.value):
                nn.init.xavier_normal_(linear.weight, gain=math.sqrt(1 / 2))
            for linear in (part.query, part.key, part.value, part.output):
                nn.init.zeros_(linear.bias)


def set_dropout(module: nn.Module, rate: float) -> None:
    """Set the rate of every dropout layer in ``module``."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = rate
