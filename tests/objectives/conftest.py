from collections.abc import Iterator

import pytest
from one_thread import one_thread

from lrbench.objectives import score_chunks as chunks

__all__ = ["one_thread"]


@pytest.fixture(autouse=True, scope="package")
def short_chunks() -> Iterator[None]:
    """Three rows a chunk, so that small cases have several chunks and a short last one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "_chunk_bytes", lambda _: 1)
        patch.setattr(chunks, "_SHORTEST_CHUNK", 3)
        yield
