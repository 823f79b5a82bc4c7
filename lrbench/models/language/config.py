"""Options that all recommenders on a language model share."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lrbench.models.base import ModelConfig
from lrbench.models.language.base_models import find_base
from lrbench.models.language.prompts import Template

__all__ = ["LanguageConfig"]


class LanguageConfig(ModelConfig):
    """The base model, its prompts, which weights are trained, and how items are ranked."""

    source = "the shared code of D3 and LatentR³ (xuwenxinedu/R3 @c558b44)"

    base: str = "qwen2.5-1.5b"
    """Base model: ``qwen2.5-1.5b``, ``smollm2-135m``, ``tiny``, or a folder with a tokenizer and weights in
    safetensors or GGUF. ``tiny`` is built for tests: two layers with random weights, and a tokenizer trained
    on the titles."""

    base_precision: Literal["float32", "bfloat16"] | None = None
    """Type of the base model's weights. Not set: bfloat16 for ``qwen2.5-1.5b`` (code), float32 for all others
    (lrbench's choice)."""

    category: str = Field(default="items", min_length=1)
    """The word for items in the instruction (code: one for each dataset, such as "toys and games")."""

    template: Template = "plain"
    """The words around the titles. ``plain``: lrbench's own. ``r3``: those of the code, with its spelling
    errors."""

    prompt_tokens: int = Field(default=512, ge=64)
    """Largest number of tokens of a prompt (code: 512). If a prompt would be longer, its oldest titles are
    left out."""

    title_tokens: int = Field(default=64, ge=1)
    """Largest number of tokens of a title (lrbench's choice). Longer titles are cut. The code instead leaves
    out items whose titles have more than 20 words."""

    lora_rank: int = Field(default=0, ge=0)
    """Rank of low-rank adapters on queries and values. They are trained, and the base model is frozen. 0:
    there are none, and all weights of the base model are trained (code)."""

    few_shot: int | None = Field(default=None, ge=1)
    """How many training rows are used, drawn by the seed (BIGRec: 1,024). Not set: all of them (code)."""

    ranking: Literal["beam", "catalogue"] = "beam"
    """How items are ranked. ``beam``: by a beam search among the titles (code). All items that it does not
    find are tied, below those that it finds. ``catalogue``: by the log-likelihood of every title. Then only
    items with equal titles are tied. It costs as much as reading all titles for each user."""

    beams: int = Field(default=10, ge=1)
    """Number of beams of the search (code: 10)."""

    length_penalty: float = Field(default=1.0, ge=0)
    """The log-likelihood of a title is divided by its number of tokens to this power (code: 1). 0: no length
    normalisation."""

    part_tokens: int = Field(default=4096, ge=1)
    """About how many prompt tokens, with padding, are read in one pass (lrbench's choice). It bounds memory
    and changes no result beyond rounding."""

    def check_against_protocol(self, max_length: int, stages: Sequence[str]) -> None:
        """Refuse a base model that is missing.

        Raises:
            ValueError: what to install or to download, and where to put it.
        """
        super().check_against_protocol(max_length, stages)
        find_base(self.base)

    def check_effects(self, stages: Sequence[str]) -> None:
        """Refuse a number of beams without a search.

        Raises:
            ValueError: what to set instead.
        """
        super().check_effects(stages)
        if self.ranking == "catalogue":
            self.refuse_changed(
                ("beams",), 'ranking = "catalogue" scores every title', 'set ranking = "beam"'
            )
