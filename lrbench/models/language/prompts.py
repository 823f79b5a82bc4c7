"""Prompts and answers as token numbers: an instruction, the titles of the history, and the title to predict.

The form is that of LatentR³ and D3 (xuwenxinedu/R3 @c558b44). A prompt is an instruction that names the kind
of items, the latest titles in double quotes, and a heading for the response. The answer is the title in
double quotes, a newline and the end token. Each piece of a prompt is tokenised by itself, so that every title
is tokenised only once.

The template ``plain`` has lrbench's own words. ``r3`` has those of the released code with their spelling
errors, because published numbers depend on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lrbench.arrays import Int64s
from lrbench.data.packing import Packed
from lrbench.models.language.base_models import Tokens

__all__ = ["Prompts", "Template", "make_prompts"]

Template = Literal["plain", "r3"]
"""The words around the titles."""

_HEADS: dict[Template, str] = {
    "plain": "### Instruction:\n"
    "Here are the {kind} that a user chose, oldest first. Name the one that the user chooses next.\n\n"
    "### Input:\n",
    "r3": "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request. \n\n"
    "### Instruction:\n"
    "Given a list of {kind} the user recetenly enjoy, please write a new {kind} that the user may bought\n"
    "### User Input: \n"
    "The user has palyed the following {kind}s before: ",
}
_TAILS: dict[Template, str] = {"plain": "\n\n### Response:\n", "r3": "\n\n### Response: \n"}


@dataclass(frozen=True)
class Prompts:
    """The pieces of which prompts are made, and the answers."""

    head: list[int]
    tail: list[int]
    separator: list[int]
    titles: list[list[int]]  # (items,) of different lengths, each in double quotes
    answers: list[list[int]]  # (items,) the same with a newline and the end token
    most_tokens: int  # of a prompt

    def of(self, sequences: Packed) -> list[Int64s]:
        """Return the prompt of each history, in the order given to ``pack``."""
        host = sequences.host
        return [
            self.of_items(host.items[first : first + length].tolist())
            for first, length in zip(host.first.tolist(), host.lengths.tolist(), strict=True)
        ]

    def of_items(self, items: Sequence[int]) -> Int64s:
        """Return the prompt of a history, (tokens,). If it would be too long, the oldest titles are left out.

        The latest title always stays.
        """
        room = self.most_tokens - len(self.head) - len(self.tail)
        pieces: list[list[int]] = []
        for item in reversed(items):
            piece = [*self.titles[item], *(self.separator if pieces else ())]
            room -= len(piece)
            if room < 0 and pieces:
                break
            pieces.append(piece)
        middle = [token for piece in reversed(pieces) for token in piece]
        return np.array([*self.head, *middle, *self.tail], dtype=np.int64)


def make_prompts(
    titles: Sequence[str],
    tokens: Tokens,
    kind: str,
    most_tokens: int,
    title_tokens: int,
    template: Template = "plain",
) -> Prompts:
    """Tokenise the titles of a catalogue.

    Args:
        titles: of all items.
        tokens: the tokenizer.
        kind: a word for the items, such as "movies".
        most_tokens: largest number of tokens of a prompt.
        title_tokens: largest number of tokens of a title. Longer ones are cut.
        template: the words around the titles.
    """
    quoted = [tokens.encode(f'"{title}"')[:title_tokens] for title in titles]
    end = [*tokens.encode("\n"), tokens.end]
    return Prompts(
        head=tokens.encode(_HEADS[template].format(kind=kind)),
        tail=tokens.encode(_TAILS[template]),
        separator=tokens.encode(", "),
        titles=quoted,
        answers=[[*title, *end] for title in quoted],
        most_tokens=most_tokens,
    )
