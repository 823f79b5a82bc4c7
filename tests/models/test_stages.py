"""Which stages of a model may run, and in which order."""

import re
from typing import Any, ClassVar

import pytest

from lrbench.config.training import TrainingConfig
from lrbench.models.base import AuthorsTraining, GradientStage, Model, Stage
from lrbench.models.latent.lares.model import LARES
from lrbench.models.latent.latent_rl.model import LatentRL
from lrbench.models.sequential.sasrec import SASRec
from lrbench.registry import MODELS

REFINES = " refines a network that an earlier stage has trained, and there is none; put "


class Unfinished(SASRec):
    """Its stage is of none of the kinds that can be trained."""

    stages: ClassVar = {"supervised": Stage}


def check(kind: type[Model], stages: tuple[str, ...], options: dict[str, Any]) -> None:
    kind.check_stages(kind.Config.model_validate(options), stages)


@pytest.mark.parametrize(
    ("kind", "stages", "options"),
    [
        *((kind, kind.default_stages, {}) for kind in map(MODELS.load, MODELS.names())),
        (LARES, ("supervised",), {}),
        (LARES, ("supervised", "rpt"), {}),
        (LARES, ("supervised", "spt", "rpt"), {}),
        (LatentRL, ("supervised", "grpo"), {}),
        (LatentRL, ("sft", "grpo"), {"freeze_backbone": False}),
    ],
)
def test_stages_that_may_run(kind: type[Model], stages: tuple[str, ...], options: dict[str, Any]) -> None:
    check(kind, stages, options)


@pytest.mark.parametrize(
    ("kind", "stages", "options", "message"),
    [
        (LARES, ("rpt", "spt"), {}, 'order: stages = ["spt", "rpt"], not ["rpt", "spt"]'),
        (LARES, ("spt", "spt"), {}, 'order: stages = ["spt"], not ["spt", "spt"]'),
        (LARES, ("rpt",), {}, "stage rpt" + REFINES + "supervised or spt first"),
        (LatentRL, ("sft", "grpo"), {}, "stage sft" + REFINES + "supervised first"),
        (LatentRL, ("grpo",), {}, "stage grpo" + REFINES + "supervised first"),
        (LatentRL, ("grpo",), {"freeze_backbone": False}, "stage grpo" + REFINES + "supervised or sft first"),
        (Unfinished, ("supervised",), {}, "stage supervised is neither a FitStage nor a GradientStage"),
    ],
)
def test_stages_that_may_not(
    kind: type[Model], stages: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check(kind, stages, options)


@pytest.mark.parametrize("kind", [MODELS.load(name) for name in MODELS.names()])
def test_what_authors_train_otherwise_is_said_by_each_model_and_is_no_default(kind: type[Model]) -> None:
    training = vars(kind).get("authors_training")  # not a parent's: another model has other authors
    if not any(issubclass(stage, GradientStage) for stage in kind.stages.values()):
        assert training is None
        return
    assert isinstance(training, AuthorsTraining)
    asked, usual = TrainingConfig.model_validate(training.settings), TrainingConfig()
    assert all(getattr(asked, name) != getattr(usual, name) for name in training.settings)
    for own in kind.stage_defaults.values():
        assert not training.settings.items() & own.items()
    assert training.settings or training.note
