"""Interventions: the same weights and history, with only the latent changed at inference."""

from typing import Literal, get_args

__all__ = ["INTERVENTIONS", "Intervention"]

Intervention = Literal["zero", "noise", "shuffle", "matched"]

INTERVENTIONS: dict[Intervention, str] = {
    "zero": "Zeros in place of the state that a step takes over: what is lost is all that the state brings.",
    "noise": "Noise of the state's size: what is lost is more than its size brings.",
    "shuffle": "Another user's state: what is lost belongs to the user, or to users like this one.",
    "matched": (
        "The state of another user whose history is as long, whose target is as popular and whose rank is as "
        "good: what is lost belongs to this user."
    ),
}
"""Each intervention with what it takes away."""

assert set(INTERVENTIONS) == set(get_args(Intervention))
