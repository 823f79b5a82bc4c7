"""What a trial's id depends on, and what it does not."""

from typing import Any

import pytest
from small_data import trial_config

from lrbench.config.protocol import PROTOCOLS
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import EvaluationConfig, StageConfig, TrialConfig


def under(**changes: Any) -> TrialConfig:
    """The trial under a protocol with these changes."""
    config = trial_config("lares")
    return config.model_copy(update={"protocol": config.protocol.model_copy(update=changes)})


def test_a_sentence_for_captions_decides_nothing() -> None:
    plain, reworded = trial_config("lares"), under(summary="the same, in other words")
    assert reworded.id == plain.id
    assert reworded.training_ids == plain.training_ids


@pytest.mark.parametrize("change", [{"max_length": 21}, {"mask_seen": True}, {"selection_metric": "mrr"}])
def test_every_choice_of_the_protocol_makes_another_trial(change: dict[str, Any]) -> None:
    plain, other = trial_config("lares"), under(**change)
    assert other.id != plain.id
    assert not set(other.training_ids) & set(plain.training_ids)


STORED = TrialConfig(
    dataset="ml-1m",
    fingerprint="f00d",
    protocol=PROTOCOLS["loo-20"],
    model="lares",
    params={"width": 64},
    stages=(
        StageConfig(name="spt", training=TrainingConfig()),
        StageConfig(name="rpt", training=TrainingConfig(max_epochs=20)),
    ),
    evaluation=EvaluationConfig(depths=(0, 4), draws=2),
    seed=7,
)


def test_stored_trials_keep_their_ids() -> None:
    """A new option must be left out of the hash at its default, or all trials would be trained again."""
    assert STORED.id == "ml-1m-loo-20-lares-s7-15a674739e09"
    assert STORED.training_ids == ("3c2c07241e17", "53f73aa801a6")


def with_training(**changes: Any) -> dict[str, Any]:
    first, last = STORED.stages
    training = last.training.model_copy(update=changes)
    return {"stages": (first, last.model_copy(update={"training": training}))}


@pytest.mark.parametrize(
    ("change", "trained"),
    [
        ({"evaluation": EvaluationConfig(depths=(0, 4), draws=2, interventions=("zero",))}, False),
        ({"evaluation": EvaluationConfig(depths=(0, 4), draws=2, latents="noise")}, False),
        ({"search": "search-x"}, True),
        ({"seed": 8}, True),
        (with_training(warmup_steps=1), True),
        (with_training(decay="cosine"), True),
        (with_training(graph=True), True),
    ],
    ids=["interventions", "latents", "search", "seed", "warm-up", "decay", "graph"],
)
def test_a_choice_makes_another_trial_and_another_training_if_weights_depend_on_it(
    change: dict[str, Any], trained: bool
) -> None:
    other = STORED.model_copy(update=change)
    assert other.id != STORED.id
    assert (other.training_ids[-1] != STORED.training_ids[-1]) == trained
