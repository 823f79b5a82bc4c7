"""A language model of two layers with a byte-level tokenizer trained on titles, for tests and first tries.

It has the architecture of Qwen2 and random weights.
"""

from collections.abc import Sequence
from typing import Any

__all__ = ["tiny_network", "tiny_tokenizer"]

_VOCABULARY = 768
_LENGTH = 4096  # longest text, in tokens


def tiny_tokenizer(titles: Sequence[str]) -> Any:
    """Train byte-pair encoding on the titles. Token 0 ends a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - an extra

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(titles, trainer)
    return tokenizer


def tiny_network(vocabulary: int, precision: str = "float32") -> Any:
    """Build the language model with random weights from torch's default source.

    Args:
        vocabulary: number of tokens.
        precision: type of the weights, as torch names it.
    """
    import torch  # noqa: PLC0415 - with transformers
    from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: PLC0415 - heavy, and an extra

    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=_LENGTH,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return Qwen2ForCausalLM(config).to(getattr(torch, precision))
