"""Load reference numbers and compare with them.

Padding rows of the sources are ordinary items here, and no history has one. Where padding tokens take part,
:class:`Renumbered` gives them the number that they have in our models.
"""

import json
import re
from collections import UserDict, defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.data.packing import Packed, pack
from lrbench.data.sequences import TrainingView

CPU = torch.device("cpu")
TOLERANCES = {torch.float64: (1e-9, 1e-10), torch.float32: (1e-4, 1e-5)}
CASES = {torch.float64: "cases_f64", torch.float32: "cases"}


READ: defaultdict[str, set[str]] = defaultdict(set)
"""Which stored numbers of each folder have been read in this process."""


def stored_outputs(folder: str) -> set[str]:
    """Names of a folder's stored outputs, in either precision."""
    files = [Path(__file__).parent / folder / f"{name}.safetensors" for name in CASES.values()]
    return {key for file in files for key in load_file(file) if key.startswith("out.")}


class Cases(UserDict[str, Tensor]):
    """The stored numbers of one folder by name; to take one, by whatever way, is to read it."""

    def __init__(self, folder: str, numbers: dict[str, Tensor]) -> None:
        super().__init__(numbers)
        self.folder = folder

    def __getitem__(self, key: str) -> Tensor:
        number = super().__getitem__(key)
        READ[self.folder].add(key)
        return number


@dataclass(frozen=True)
class Published:
    """One folder of reference numbers, in one precision."""

    folder: str
    dtype: torch.dtype

    @cached_property
    def path(self) -> Path:
        return Path(__file__).parent / self.folder

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.path / "config.json").read_text())

    @property
    def n_items(self) -> int:
        """Rows of the source's item table, padding included."""
        if "num_items" in self.config:
            return self.config["num_items"] + 1
        names = ("n_items", "n_items_with_padding", "item_size")
        return next(self.config[name] for name in names if name in self.config)

    @property
    def max_length(self) -> int:
        names = ("max_seq_length", "max_sequence_len")
        return next(self.config[name] for name in names if name in self.config)

    @property
    def padded_left(self) -> bool:
        return self.config.get("padding_side") == "left"

    @cached_property
    def cases(self) -> Cases:
        """Inputs (exact in either precision) and this precision's outputs; histories begin at place 0."""
        inputs = load_file(self.path / "cases.safetensors")
        outputs = load_file(self.path / f"{CASES[self.dtype]}.safetensors")
        merged = {key: value for key, value in inputs.items() if key.startswith("in.")} | outputs
        if self.padded_left:
            rows, lengths = merged["in.item_seq"], merged["in.item_len"].tolist()
            turned = [row.roll(length) for row, length in zip(rows, lengths, strict=True)]
            merged["in.item_seq"] = torch.stack(turned)
        numbers = {
            key: self.renumbered(key, value.to(self.dtype) if value.is_floating_point() else value)
            for key, value in merged.items()
        }
        return Cases(self.folder, numbers)

    def renumbered(self, key: str, value: Tensor) -> Tensor:
        """The value in our numbers of items."""
        return value

    def sequences(self, items: str = "in.item_seq", lengths: str = "in.item_len") -> Packed:
        """The real items of the input sequences, packed."""
        rows = self.cases[items]
        starts = np.arange(len(rows), dtype=np.int64) * rows.shape[1]
        stops = starts + self.cases[lengths].numpy()
        return pack(rows.flatten().numpy().astype(np.int32), starts, stops, CPU)

    def at_tokens(self, padded: Tensor, sequences: Packed) -> Tensor:
        """Take (…, batch, position, width) at the real positions, (…, tokens, width).

        States at padding, where it is no token, have no counterpart here.
        """
        before = self.max_length - sequences.lengths[sequences.sequence_of] if self.padded_left else 0
        return padded[..., sequences.sequence_of, sequences.positions + before, :]

    def load(self, model: nn.Module, names: dict[str, str], file: str = "weights") -> None:
        """Give ``model`` the published weights; parameters of the file that it lacks must not be its own."""
        weights = load_file(self.path / f"{file}.safetensors")
        own = {rename(key, names): self.renumbered(key, value) for key, value in weights.items()}
        model.to(self.dtype)
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        model.load_state_dict({key: own[key].to(self.dtype).view(shape) for key, shape in shapes.items()})

    def tolerance(self, what: str) -> tuple[float, float]:
        """Relative and absolute difference allowed."""
        return TOLERANCES[self.dtype]

    def close(self, actual: Tensor, key: str) -> None:
        """Assert that ``actual`` is the output named ``key``."""
        self.equal(actual, self.cases[key], key)

    def equal(self, actual: Tensor, expected: Tensor, what: str, scale: float = 1.0) -> None:
        relative, absolute = self.tolerance(what)
        torch.testing.assert_close(
            actual.to(self.dtype),
            expected,
            rtol=relative,
            atol=absolute * scale,
            msg=lambda text: f"{self.folder} {what}: {text}",
        )

    def close_gradients(
        self, model: nn.Module, prefix: str, names: dict[str, str], scale: float = 1.0
    ) -> None:
        """Assert that each parameter's gradient is that of ``prefix``, and that none is missing.

        ``scale`` widens the absolute tolerance, which follows the largest gradient.
        """
        start = f"{prefix}.grad."
        expected = {
            rename(key.removeprefix(start), names): self.cases[key]
            for key in self.cases
            if key.startswith(start)
        }
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        assert set(gradients) == set(expected)
        largest = max(value.abs().max().item() for value in expected.values())
        for name, gradient in gradients.items():
            assert gradient is not None, name
            self.equal(
                gradient, expected[name].view(gradient.shape), f"{start}{name}", scale * max(largest, 1.0)
            )


class Renumbered(Published):
    """Padding, which is item 0 in the source, becomes the item after the last."""

    @property
    def n_items(self) -> int:
        return super().n_items - 1

    def renumbered(self, key: str, value: Tensor) -> Tensor:
        rows = super().n_items
        if key in ("in.item_seq", "in.aug_seq", "in.target", "in.negative"):
            return (value - 1) % rows
        if re.search(r"item_embeddings?\.weight$", key):
            return value.roll(-1, 0)
        return value.roll(-1, -1) if value.ndim and value.shape[-1] == rows else value


class Call(NamedTuple):
    """What a function was given and what it returned."""

    arguments: tuple[Any, ...]
    result: Any


def calls(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> list[Call]:
    """Note every call of the function ``place.name`` from now on, without its keyword arguments."""
    function, noted = getattr(place, name), list[Call]()

    def noting(*arguments: Any, **options: Any) -> Any:
        noted.append(Call(arguments, function(*arguments, **options)))
        return noted[-1].result

    monkeypatch.setattr(place, name, noting)
    return noted


def rename(name: str, names: dict[str, str]) -> str:
    """Apply the first pattern that matches the whole of ``name``."""
    for pattern, replacement in names.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    raise KeyError(name)


def block_names(theirs: str, ours: str) -> dict[str, str]:
    """Names of RecBole's Transformer blocks in ours."""
    source, own = rf"{theirs}\.layer\.(\d+)\.", rf"{ours}.blocks.\1."
    attention, forward = source + r"multi_head_attention\.", source + r"feed_forward\."
    return {
        attention + r"LayerNorm\.(\w+)": own + r"mixer.norm.\2",
        attention + r"dense\.(\w+)": own + r"mixer.inner.output.\2",
        attention + r"(\w+)\.(\w+)": own + r"mixer.inner.\2.\3",
        forward + r"LayerNorm\.(\w+)": own + r"feed_forward.norm.\2",
        forward + r"dense_1\.(\w+)": own + r"feed_forward.inner.expand.\2",
        forward + r"dense_2\.(\w+)": own + r"feed_forward.inner.contract.\2",
    }


def training_data(published: Published, *pairs: tuple[str, str]) -> TrainingData:
    """Each row's real items and then its target as one user's training part; rows of all pairs in turn."""
    rows, cases = [], published.cases
    for items, lengths in pairs:
        for row, length, target in zip(cases[items], cases[lengths], cases["in.target"], strict=True):
            rows.append([*row[:length].tolist(), target.item()])
    times = None
    if "in.timestamps" in cases:
        known = zip(cases["in.timestamps"], cases["in.item_len"], strict=True)
        times = np.concatenate([row[: length + 1].numpy() for row, length in known])
    stops = np.cumsum([len(row) for row in rows])
    view = TrainingView(
        items=np.concatenate(rows).astype(np.int32),
        starts=np.concatenate([[0], stops[:-1]]),
        stops=stops,
        n_items=published.n_items,
        times=times,
    )
    return TrainingData(view, published.max_length)


def by_user(rows: Tensor, batch: TrainingBatch) -> Tensor:
    """Rows of a batch's targets, one per user, in the order of the users."""
    return rows[batch.sequences.sequence_of[batch.rows].argsort()]


def last_targets(data: TrainingData, rows: int) -> np.ndarray:
    """Number of the last target of each of the first ``rows`` users."""
    counts = data.counts
    return (data.first_target + counts - 1)[:rows]


def last_target_batch(data: TrainingData, rows: int) -> TrainingBatch:
    """One batch in which the last target of each of the first ``rows`` users counts."""
    keep = np.zeros(data.n_targets, dtype=np.bool_)
    keep[last_targets(data, rows)] = True
    (batch,) = data.batches(data.n_targets, CPU, keep=keep)
    return batch
