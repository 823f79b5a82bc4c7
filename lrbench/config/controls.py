"""Controls: a reasoning model's recipe with reasoning taken out in one particular way."""

from typing import Literal, get_args

__all__ = ["CONTROLS", "Control"]

Control = Literal["no-reasoning", "parameter-matched", "flops-matched", "loss-matched", "noise-only"]

CONTROLS: dict[Control, str] = {
    "no-reasoning": (
        "The same recipe at depth 0, the encoder alone: the difference is all that reasoning steps bring."
    ),
    "parameter-matched": (
        "Blocks that run once, trained with the plain loss. They have as many parameters outside the item "
        "embeddings (within 5 %). A difference from them is not mere capacity."
    ),
    "flops-matched": (
        "Blocks that run once, trained with the plain loss. They cost as many operations to encode a user, "
        "measured on the dataset (within 5 %). A difference from them is not mere compute."
    ),
    "loss-matched": (
        "The same auxiliary losses on a network that does not reason: the difference is not the losses'."
    ),
    "noise-only": (
        "The trained model itself. At inference, noise of the same size replaces the state that a step takes "
        "over from the one before. The quality that remains does not come from reasoning."
    ),
}
"""Each control with what it isolates."""

assert set(CONTROLS) == set(get_args(Control))
