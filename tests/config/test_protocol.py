"""Protocols that ship are frozen."""

import hashlib
import json

import pytest

from lrbench.config.protocol import PROTOCOLS, Protocol, find_protocol
from lrbench.errors import RequestError


def digest(protocol: Protocol) -> str:
    return hashlib.sha256(json.dumps(protocol.identity, sort_keys=True).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loo-50", "ef97ec9ceb69"),
        ("loo-50-masked", "7a2a30d84617"),
        ("loo-50-masked-recall", "0f9aa26a3e09"),
        ("loo-20", "4dd146b712a9"),
        ("loo-200", "0492ab6471ee"),
        ("loo-10", "f5e23416b1b4"),
        ("rows-10", "f5a9da01dcfe"),
        ("time-50", "bf10deaa44de"),
        ("llm-time-10", "ab93d526af41"),
        ("shared-merge", "e720fabd2c7d"),
        ("shared-rows", "8ebb321aaaed"),
        ("shared-rows-disjoint", "f0067bc62874"),
    ],
)
def test_nothing_of_a_protocol_changes(name: str, expected: str) -> None:
    """It is in the ids of trials: with another choice, finished trials would be trained again."""
    assert digest(PROTOCOLS[name]) == expected


def test_the_sentence_for_readers_may_change() -> None:
    protocol = PROTOCOLS["loo-20"]
    assert digest(protocol.model_copy(update={"summary": "the same in other words"})) == digest(protocol)


def test_an_unknown_protocol_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match='no protocol "loo-21"') as refused:
        find_protocol("loo-21")
    assert "loo-20" in refused.value.remedy
