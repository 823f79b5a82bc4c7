"""BSARec's blocks are refused if their cutoff leaves no frequency to rescale."""

import pytest
import torch

from lrbench.models.base import ModelConfig
from lrbench.models.latent.lares.backbones import BlockConfig
from lrbench.models.latent.lares.config import LARESConfig
from lrbench.models.layers.frequency_filters import FrequencyRescaler
from lrbench.models.sequential.bsarec import BSARecConfig


def passes_everything(window: int, cutoff: int) -> bool:
    """Whether the low frequencies of a history are the whole history."""
    impulse = torch.zeros(window, dtype=torch.float64)
    impulse[0] = 1
    return torch.allclose(FrequencyRescaler(1, window, cutoff).kernel, impulse)


@pytest.mark.parametrize("window", [20, 21, 50])
@pytest.mark.parametrize(
    ("kind", "options", "option"),
    [(BSARecConfig, {}, "cutoff"), (LARESConfig, {"backbone": "bsarec"}, "frequency_cutoff")],
)
def test_a_cutoff_leaves_high_frequencies(
    kind: type[ModelConfig], options: dict[str, str], option: str, window: int
) -> None:
    largest = max(cutoff for cutoff in range(1, window + 3) if not passes_everything(window, cutoff))
    kind.model_validate({**options, option: largest}).check_against_protocol(window, ())
    for cutoff in (largest + 1, window + 1, 99):
        remedy = f"set it to {largest} or less"
        message = f"^{option} = {cutoff} leaves no high frequency in {window} positions; {remedy}"
        with pytest.raises(ValueError, match=message):
            kind.model_validate({**options, option: cutoff}).check_against_protocol(window, ())


def test_a_cutoff_is_nothing_to_other_blocks() -> None:
    for backbone in ("attention", "fmlp", "hstu"):
        BlockConfig(backbone=backbone, frequency_cutoff=99).check_against_protocol(20, ())
