"""What a trial's id depends on, and what it does not."""

from typing import Any

import pytest
from small_data import trial_config

from lrbench.config.trial import TrialConfig


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
