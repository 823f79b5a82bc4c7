"""LatentR³: a language model writes latent tokens after the prompt, before it answers with a title.

After the prompt, a single attention (LatentRATT) makes a latent token from all states before it. The latent
takes the place of a token's embedding, and the answer follows it. Stage ``sft`` fine-tunes the language model
and the attention. Stage ``grpo`` reinforces latents that make the target title likelier. Inference is
deterministic.

The source reads the prompt a second time to answer. Here the answer continues from the keys and values of the
first pass, which are the same.
"""

from typing import ClassVar

from lrbench.models.base import AuthorsTraining
from lrbench.models.language.bigrec_beam import SFT_DEFAULTS
from lrbench.models.language.latentr3.network import LatentR3Network
from lrbench.models.language.latentr3.stages import LatentFineTuning, LatentGRPO

__all__ = ["LatentR3"]


class LatentR3(LatentR3Network):
    """A language model with latent tokens before its answer, trained in two stages."""

    summary = "Language model that answers after reinforced latent tokens (LatentR³, arXiv 2505.19092)."
    authors_training = AuthorsTraining(
        note="Stage sft has them by default. The authors choose the learning rate of stage grpo on the test "
        "file, between 0.00001 and 0.0005. Choose it on validation.",
    )
    stages: ClassVar = {"sft": LatentFineTuning, "grpo": LatentGRPO}
    default_stages = ("sft", "grpo")
    stage_defaults: ClassVar = {
        "sft": SFT_DEFAULTS,
        "grpo": {
            **SFT_DEFAULTS,
            "learning_rate": 1e-4,
            "warmup_steps": 200,
            "decay": "cosine",
            "batch_size": 32,
            "max_epochs": 1,
        },
    }
