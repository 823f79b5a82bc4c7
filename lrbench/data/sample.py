"""The embedded dataset ``sample``: generated, so that it may be shipped; always labelled synthetic."""

from lrbench.config.protocol import Filters
from lrbench.data.prepared import PreparedDataset

__all__ = ["sample_dataset"]


def sample_dataset(filters: Filters) -> PreparedDataset:
    """Generate the sample and prepare it with ``filters``."""
    raise NotImplementedError
