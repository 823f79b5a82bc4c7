"""Names of RecBole's weights of SASRec, as patterns, and ours."""

from parity.published import block_names

__all__ = ["NAMES"]

NAMES = {
    r"item_embedding\.weight": "embedding.items.weight",
    r"position_embedding\.weight": "embedding.positions.weight",
    r"LayerNorm\.(\w+)": r"embedding.norm.\1",
    **block_names("trm_encoder", "encoder"),
}
