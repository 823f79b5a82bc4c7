"""Names of the blocks of filters in the sources and in ours."""

FMLP_BLOCKS = {
    r"layer\.(\d+)\.filterlayer\.complex_weight": r"\1.mixer.inner.complex_weight",
    r"layer\.(\d+)\.filterlayer\.LayerNorm\.(\w+)": r"\1.mixer.norm.\2",
    r"layer\.(\d+)\.intermediate\.LayerNorm\.(\w+)": r"\1.feed_forward.norm.\2",
    r"layer\.(\d+)\.intermediate\.dense_1\.(\w+)": r"\1.feed_forward.inner.expand.\2",
    r"layer\.(\d+)\.intermediate\.dense_2\.(\w+)": r"\1.feed_forward.inner.contract.\2",
}
BSAREC_BLOCKS = {
    r"blocks\.(\d+)\.layer\.filter_layer\.sqrt_beta": r"\1.mixer.frequency.inner.sqrt_beta",
    r"blocks\.(\d+)\.layer\.filter_layer\.LayerNorm\.(\w+)": r"\1.mixer.frequency.norm.\2",
    r"blocks\.(\d+)\.layer\.attention_layer\.LayerNorm\.(\w+)": r"\1.mixer.attention.norm.\2",
    r"blocks\.(\d+)\.layer\.attention_layer\.dense\.(\w+)": r"\1.mixer.attention.inner.output.\2",
    r"blocks\.(\d+)\.layer\.attention_layer\.(\w+)\.(\w+)": r"\1.mixer.attention.inner.\2.\3",
    r"blocks\.(\d+)\.feed_forward\.LayerNorm\.(\w+)": r"\1.feed_forward.norm.\2",
    r"blocks\.(\d+)\.feed_forward\.dense_1\.(\w+)": r"\1.feed_forward.inner.expand.\2",
    r"blocks\.(\d+)\.feed_forward\.dense_2\.(\w+)": r"\1.feed_forward.inner.contract.\2",
}


def block_names(blocks: dict[str, str], theirs: str, ours: str) -> dict[str, str]:
    """The patterns of a stack that the source calls ``theirs`` and we ``ours``."""
    return {rf"{theirs}\.{pattern}": f"{ours}.blocks.{own}" for pattern, own in blocks.items()}
