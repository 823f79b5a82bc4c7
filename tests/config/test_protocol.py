"""Protocols that ship are frozen."""

import hashlib

import pytest

from lrbench.config.protocol import PROTOCOLS


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("loo-50", "2aa9733b4a7e"),
        ("loo-50-masked", "da6d09285fd2"),
        ("loo-50-masked-recall", "d49962344ada"),
        ("loo-20", "2df14c740cdb"),
        ("loo-200", "7dbcc039fe34"),
    ],
)
def test_nothing_of_a_protocol_changes(name: str, digest: str) -> None:
    """All of it is in the ids of trials: another word, and finished trials would be trained again."""
    assert hashlib.sha256(PROTOCOLS[name].model_dump_json().encode()).hexdigest()[:12] == digest
