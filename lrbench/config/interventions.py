"""Interventions: the same weights and history, with only the latent changed at inference."""

from typing import Literal, get_args

__all__ = ["INTERVENTIONS", "Intervention"]

Intervention = Literal["zero", "noise", "shuffle", "matched"]

INTERVENTIONS: dict[Intervention, str] = {
    "zero": "Zeros replace the state of the step before. The loss is all that the state contributes.",
    "noise": "Noise of its size replaces the state. The loss is what the state contributes beyond its size.",
    "shuffle": "Another user's state replaces the state. The loss belongs to the user or to similar users.",
    "matched": (
        "A similar user's state replaces the state. That user has an equally long history, "
        "an equally popular target and an equally good rank. The loss belongs to this user."
    ),
}
"""Each intervention with what replaces the latent and what the loss means."""

assert set(INTERVENTIONS) == set(get_args(Intervention))
