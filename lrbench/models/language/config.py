"""Options that all recommenders on a language model share."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.models.base import ModelConfig
from lrbench.models.language.base_models import find_base
from lrbench.models.language.prompts import Template

__all__ = ["LanguageConfig"]


class LanguageConfig(ModelConfig):
    """The base model, its prompts, what of it is trained, and how items are ranked."""

    source = "the shared code of D3 and LatentR³ (xuwenxinedu/R3 @c558b44)"

    base: str = "qwen2.5-1.5b"
    """Base model: a name, or a folder with a tokenizer and weights in safetensors or GGUF. ``tiny`` is built
    for tests: two layers with random weights, and a tokenizer trained on the titles."""

    base_precision: Literal["float32", "bfloat16"] | None = None
    """Type of the base model's weights. Not set: bfloat16 for qwen2.5-1.5b (code), float32 for all others
    (lrbench's choice)."""

    category: str = Field(default="items", min_length=1)
    """The word for items in the instruction (code: a word for each dataset, as "toys and games")."""

    template: Template = "plain"
    """The words around the titles: ``plain``, lrbench's own, or ``r3`` with the words and the spelling of the
    code."""

    prompt_tokens: int = Field(default=512, ge=64)
    """Most tokens of a prompt (code: 512). The oldest titles are left out where it would be longer."""

    title_tokens: int = Field(default=64, ge=1)
    """Most tokens of a title; what is longer is cut (lrbench's choice: the code leaves out items with titles
    of more than 20 words)."""

    lora_rank: int = Field(default=0, ge=0)
    """Rank of low-rank adapters on queries and values, trained in place of the base model. 0: all weights of
    the base model are trained (code)."""

    few_shot: int | None = Field(default=None, ge=1)
    """How many training rows are used, drawn by the seed (BIGRec: 1,024). Not set: all of them (code)."""

    ranking: Literal["beam", "catalogue"] = "beam"
    """How items are ranked. ``beam``: by a beam search among the titles (code). All items that it does not
    find are tied after those that it finds. ``catalogue``: by the log-likelihood of every title. It gives
    every item a rank of its own, and costs as much as reading all titles for each user."""

    beams: int = Field(default=10, ge=1)
    """Beams of the search (code: 10)."""

    length_penalty: float = Field(default=1.0, ge=0)
    """Log-likelihoods are divided by the number of target tokens to this power (code: 1)."""

    part_tokens: int = Field(default=4096, ge=1)
    """About how many prompt tokens are read at once. It bounds memory and changes no result beyond rounding
    (lrbench's choice)."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse a base model that is missing.

        Raises:
            ValueError: what to install or to download, and where to put it.
        """
        super().check_against_protocol(max_length, stages)
        find_base(self.base)
